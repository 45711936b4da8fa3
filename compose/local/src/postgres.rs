//! A private PostgreSQL: its own data, loopback only, password required.

use crate::{
    DataDir, DatabaseEndpoint, InfraPorts, LocalError, Secrets, probe::Probe, programs, run_as,
};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tourbus_supervisor::{ChildSpec, RunAs, Stage, Supervisor, files, run_once};

/// Its name among the processes.
pub const NAME: &str = "postgres";
/// The superuser of the instance; it need not be a user of the machine.
const USER: &str = "tourbus";
/// Longest wait for `initdb`.
const INIT_MAX: Duration = Duration::from_mins(2);
/// Longest wait for a start, with recovery after a crash.
const READY_MAX: Duration = Duration::from_mins(2);
/// A fast shutdown writes a checkpoint.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// Makes the data directory if needed, starts the server, and waits until it takes connections.
pub async fn start(
    dir: &DataDir,
    supervisor: &Supervisor,
    ports: &InfraPorts,
    secrets: &Secrets,
    durable: bool,
) -> Result<DatabaseEndpoint, LocalError> {
    let data = dir.path().join("postgres");
    let run_as = run_as::for_postgres(&data)?;
    let bin = programs::postgres_bin(major_of(&data)?)?;
    if !data.exists() {
        supervisor.say(NAME, "making a new database cluster");
        init(&bin, &data, run_as, &secrets.postgres_password).await?;
    }
    supervisor.start(server(&bin, &data, run_as, ports.postgres, durable));
    let mut look = ChildSpec::new("pg_isready", bin.join("pg_isready"));
    look = look.args(["-h", "127.0.0.1", "-p", &ports.postgres.to_string(), "-t", "2"]);
    supervisor.ready(NAME, &Probe::Command(Box::new(look)), READY_MAX).await?;
    Ok(DatabaseEndpoint {
        host: "127.0.0.1".to_owned(),
        port: ports.postgres,
        user: USER.to_owned(),
        password: secrets.postgres_password.clone(),
        database: "tourbus".to_owned(),
    })
}

fn server(bin: &Path, data: &Path, run_as: RunAs, port: u16, durable: bool) -> ChildSpec {
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=300",
        "shared_buffers=64MB",
        "log_min_messages=warning",
        "log_checkpoints=off",
        "log_line_prefix=",
        "password_encryption=scram-sha-256",
    ];
    let mut spec = ChildSpec::new(NAME, bin.join("postgres"))
        .args(["-D".as_ref(), data.as_os_str()])
        .args(["-p", &port.to_string()]);
    for setting in settings {
        spec = spec.args(["-c", setting]);
    }
    if !durable {
        // Safe against a killed server, not against a power cut.
        spec = spec.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
    }
    spec.clean_env = true;
    spec.run_as = run_as;
    spec.stage = Stage::Database;
    // Fast shutdown; and an immediate one if we die, because SIGKILL would orphan its backends.
    spec.stop_signal = Signal::INT;
    spec.death_signal = Signal::QUIT;
    spec.stop_wait = STOP_WAIT;
    spec
}

/// The version of existing data.
fn major_of(data: &Path) -> Result<Option<u32>, LocalError> {
    let path = data.join("PG_VERSION");
    if !data.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(LocalError::io("read", &path))?;
    let damaged = || LocalError::Damaged { path, message: "no version number".to_owned() };
    text.trim().parse().map(Some).map_err(|_| damaged())
}

/// `initdb` beside the final place, then a rename: a killed start leaves nothing half made.
async fn init(bin: &Path, data: &Path, run_as: RunAs, password: &str) -> Result<(), LocalError> {
    let fresh = data.with_file_name("postgres.new");
    remove_all(&fresh)?;
    files::make_dir(&fresh)?;
    run_as::own(run_as, &fresh)?;
    let password_file = data.with_file_name("postgres.password");
    files::write_atomic(&password_file, password.as_bytes(), 0o600)?;
    run_as::own(run_as, &password_file)?;
    let mut spec = ChildSpec::new("initdb", bin.join("initdb"))
        .args(["-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
        .args(["--auth=scram-sha-256", "--pwfile"])
        .args([&password_file])
        .args(["-D".as_ref(), fresh.as_os_str()]);
    spec.clean_env = true;
    spec.run_as = run_as;
    let output = run_once(&spec, INIT_MAX).await;
    fs::remove_file(&password_file).map_err(LocalError::io("remove", &password_file))?;
    let output = output.map_err(|source| match run_as {
        RunAs::Namespace { .. } => LocalError::RootPostgres { path: data.to_owned(), source },
        RunAs::Same | RunAs::User { .. } => {
            LocalError::Spawn { name: "initdb".to_owned(), program: bin.join("initdb"), source }
        }
    })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(LocalError::Command {
            what: "making PostgreSQL's data directory".to_owned(),
            exit: output.status.to_string(),
            output: String::from_utf8_lossy(&said).trim().to_owned(),
        });
    }
    fs::rename(&fresh, data).map_err(LocalError::io("rename to", data))
}

fn remove_all(path: &PathBuf) -> Result<(), LocalError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(LocalError::io("remove", path)(e))
        }
        _ => Ok(()),
    }
}
