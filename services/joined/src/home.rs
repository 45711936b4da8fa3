//! The directory of a joined server.

use crate::JoinedError;
use rand::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tourbus_config::Way;
use tourbus_protocol::{
    ServerKey,
    agent::{BrokerAccess, Identity, Settings},
};
use tourbus_supervisor::files;

/// What was answered and asked for: `join.json`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// Base URL of the master.
    pub(crate) master_url: String,
    /// The public half of the key that it joined with, hex; none in a file of before it was kept.
    #[serde(default)]
    pub(crate) public_key: Option<String>,
    /// SHA-256 of the token that was used, hex: another token means joining anew.
    pub(crate) token_sha256: String,
    /// Who this server is.
    pub(crate) server: Identity,
    /// Its access to the broker.
    pub(crate) broker: BrokerAccess,
    /// Where the media root is.
    pub(crate) media_root: PathBuf,
    /// Where the media service listens.
    pub(crate) listen: SocketAddr,
    /// How many workers run.
    pub(crate) workers: u8,
    /// Who vouches for the master's certificate, as the person here said; PEM.
    #[serde(default)]
    pub(crate) main_ca: Option<String>,
    /// The media service's certificate; none behind a proxy, or without encryption.
    #[serde(default)]
    pub(crate) tls: Option<CertificateFiles>,
    /// What is shown to a broker that asks for a certificate.
    #[serde(default)]
    pub(crate) broker_tls: Option<CertificateFiles>,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub(crate) allow_unencrypted: Vec<Way>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The certificate, then those that vouch for it; PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The directory itself, absolute.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
}

impl Home {
    /// At this path; nothing is made.
    pub(crate) fn at(dir: &Path) -> Result<Self, JoinedError> {
        let dir = std::path::absolute(dir).map_err(JoinedError::io("find", dir))?;
        Ok(Self { dir })
    }

    /// Makes what must be there, for nobody else's eyes.
    pub(crate) fn prepare(&self) -> Result<(), JoinedError> {
        for dir in [self.dir.clone(), self.configs(), self.agent()] {
            fs::create_dir_all(&dir).map_err(JoinedError::io("make", &dir))?;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&dir, private).map_err(JoinedError::io("close", &dir))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn configs(&self) -> PathBuf {
        self.dir.join("config")
    }

    pub(crate) fn agent(&self) -> PathBuf {
        self.dir.join("agent")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.join("server.key")
    }

    fn next_key_file(&self) -> PathBuf {
        self.dir.join("server.key.next")
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.dir.join("settings.json")
    }

    fn join_file(&self) -> PathBuf {
        self.dir.join("join.json")
    }

    pub(crate) fn processes_file(&self) -> PathBuf {
        self.dir.join("processes.json")
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.dir.join("media")
    }

    /// The key to join with, made with the first look: each time a server joins anew, another one.
    /// It is kept, so that an answer that was lost can be asked for again, and becomes the
    /// server's own key with [`Self::keep`].
    pub(crate) fn next_key(&self) -> Result<ServerKey, JoinedError> {
        let path = self.next_key_file();
        match fs::read_to_string(&path) {
            Ok(text) => ServerKey::from_hex(&text)
                .map_err(|e| JoinedError::Damaged { path, message: e.to_string() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; 32];
                rand::rng().fill(&mut secret);
                let text = format!("{}\n", hex::encode(secret));
                files::write_atomic(&path, text.as_bytes(), 0o600)?;
                Ok(ServerKey::from_bytes(&secret))
            }
            Err(e) => Err(JoinedError::io("read", path)(e)),
        }
    }

    /// What the master answered; none before it has.
    pub(crate) fn joined(&self) -> Result<Option<Joined>, JoinedError> {
        let joined: Option<Joined> = read(&self.join_file())?;
        if let Some(key) = joined.as_ref().and_then(|j| j.public_key.as_ref()) {
            self.take_key(key)?;
        }
        Ok(joined)
    }

    /// Makes the key that was joined with the server's own; also after a crash before that.
    fn take_key(&self, public_key: &str) -> Result<(), JoinedError> {
        let (next, own) = (self.next_key_file(), self.key_file());
        if next.exists() && self.next_key()?.public_key_hex() == public_key {
            fs::rename(&next, &own).map_err(JoinedError::io("rename", &next))?;
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> Result<Option<Settings>, JoinedError> {
        read(&self.settings_file())
    }

    /// Keeps both; `join.json` last, for with it this server has joined. Its new key counts from
    /// then on.
    pub(crate) fn keep(&self, joined: &Joined, settings: &Settings) -> Result<(), JoinedError> {
        files::write_json(&self.settings_file(), settings, 0o600)?;
        self.keep_joined(joined)?;
        joined.public_key.as_ref().map_or(Ok(()), |key| self.take_key(key))
    }

    pub(crate) fn keep_joined(&self, joined: &Joined) -> Result<(), JoinedError> {
        Ok(files::write_json(&self.join_file(), joined, 0o600)?)
    }

    /// Makes this process the only one that runs this server, while the file is held.
    pub(crate) fn lock(&self) -> Result<File, JoinedError> {
        let path = self.dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(JoinedError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(JoinedError::Running(self.dir.clone())),
            Err(TryLockError::Error(e)) => Err(JoinedError::io("lock", path)(e)),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, JoinedError> {
    let damaged = |e: serde_json::Error| JoinedError::Damaged {
        path: path.to_owned(),
        message: e.to_string(),
    };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(damaged),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(JoinedError::io("read", path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_private_and_counts_once_the_master_has_answered() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("deep/er")).unwrap();
        home.prepare().unwrap();
        let key = home.next_key().unwrap().public_key_hex();
        assert_eq!(home.next_key().unwrap().public_key_hex(), key, "asked again");
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.next_key_file()), 0o600);
        assert_eq!(mode(home.path()), 0o700);
        assert!(home.joined().unwrap().is_none());

        home.take_key("of an earlier answer").unwrap();
        assert!(!home.key_file().exists());
        home.take_key(&key).unwrap();
        let own = fs::read_to_string(home.key_file()).unwrap();
        assert_eq!(ServerKey::from_hex(&own).unwrap().public_key_hex(), key);
        assert_eq!(mode(&home.key_file()), 0o600);
        home.take_key(&key).unwrap();
        assert_ne!(home.next_key().unwrap().public_key_hex(), key, "the next time another one");
    }

    #[test]
    fn only_one_process_runs_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let held = home.lock().unwrap();
        assert!(matches!(home.lock(), Err(JoinedError::Running(_))));
        drop(held);
        home.lock().unwrap();
    }
}
