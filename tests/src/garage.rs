//! A private Garage: a real S3 store, on one node, empty, gone with its handle.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::Instant};
use tourbus_config::StagingConfig;

/// Longest wait for its start.
const READY_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Starts on other ports, when somebody else took ours between choosing and listening.
const STARTS_MAX: usize = 3;
const SECRET_FILE_MODE: u32 = 0o600;

/// A running Garage. Dropping it kills the process and removes its data; it also dies with the
/// thread that started it, however that ends.
#[derive(Debug)]
pub struct Garage {
    child: Child,
    dir: TempDir,
    /// Base URL of its S3 endpoint.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// A bucket that exists, empty.
    pub bucket: String,
    /// Access key id that owns the bucket.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

/// Where `compose/garage.sh` puts the binary; it may not be there yet.
pub fn binary() -> PathBuf {
    let tools = std::env::var_os("TOURBUS_TOOLS_DIR").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    tools.unwrap_or_else(|| home().join(".cache/tourbus/tools")).join("bin/garage")
}

impl Garage {
    /// Starts the binary in a temporary directory, on free loopback ports, and waits until it
    /// answers.
    pub async fn start(binary: &Path) -> Result<Self> {
        if !binary.is_file() {
            bail!("there is no {}: build it with compose/garage.sh", binary.display());
        }
        for _ in 1..STARTS_MAX {
            if let Ok(garage) = Self::start_once(binary).await {
                return Ok(garage);
            }
        }
        Self::start_once(binary).await
    }

    async fn start_once(binary: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tourbus-garage-").tempdir()?;
        let (s3_port, rpc_port) = free_ports()?;
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let config = dir.path().join("garage.toml");
        let (rpc_secret, secret_key) = (random() + &random(), random());
        write_secret(&config, &config_text(dir.path(), s3_port, rpc_port, &rpc_secret))?;
        let mut garage = Self {
            // Kills by the kernel when we die, without code between fork and exec.
            child: Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "--"])
                .arg(binary)
                .arg("--config")
                .arg(&config)
                .args(["server", "--single-node", "--default-bucket"])
                .env("GARAGE_DEFAULT_ACCESS_KEY", "GKtourbus")
                .env("GARAGE_DEFAULT_SECRET_KEY", &secret_key)
                .env("GARAGE_DEFAULT_BUCKET", "tourbus")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(dir.path().join("log"))?)
                .spawn()
                .context("cannot start setpriv (package util-linux)")?,
            dir,
            endpoint: format!("http://127.0.0.1:{s3_port}"),
            region: "garage".to_owned(),
            bucket: "tourbus".to_owned(),
            access_key: "GKtourbus".to_owned(),
            secret_key,
        };
        garage.wait(s3_port).await?;
        Ok(garage)
    }

    /// Garage listens only once key and bucket exist.
    async fn wait(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + READY_MAX;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("garage ended with {status}:\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("garage is not ready after {READY_MAX:?}:\n{}", self.log());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The process, for measuring.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let read = fs::read_to_string(self.dir.path().join("log"));
        read.unwrap_or_else(|e| format!("(no log: {e})"))
    }

    /// How to reach it, with every key below `prefix` (empty, or ends in `/`).
    pub fn staging(&self, prefix: &str) -> StagingConfig {
        StagingConfig {
            endpoint: self.endpoint.clone(),
            tls: tourbus_config::ClientTlsConfig::default(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: prefix.to_owned(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone().into(),
            request_timeout_s: 60,
            attempts_max: 5,
        }
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("garage {} was not stopped: {error}", self.child.id());
        }
    }
}

fn config_text(dir: &Path, s3_port: u16, rpc_port: u16, rpc_secret: &str) -> String {
    let dir = dir.display();
    format!(
        "metadata_dir = \"{dir}/meta\"\n\
         data_dir = \"{dir}/data\"\n\
         db_engine = \"lmdb\"\n\
         replication_factor = 1\n\
         rpc_bind_addr = \"127.0.0.1:{rpc_port}\"\n\
         rpc_secret = \"{rpc_secret}\"\n\
         [s3_api]\n\
         s3_region = \"garage\"\n\
         api_bind_addr = \"127.0.0.1:{s3_port}\"\n"
    )
}

/// Garage refuses secrets that others can read.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(SECRET_FILE_MODE).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn free_ports() -> Result<(u16, u16)> {
    let (a, b) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((a.local_addr()?.port(), b.local_addr()?.port()))
}
