//! The master's private keys: one file that only this user can read, shared by all coordinators
//! of this machine and `tourbus keys`.
//!
//! ```text
//!  rotate ─▶ next ──every server trusts it, or a person says so──▶ current ──a newer one──▶ old ──window──▶ gone
//! ```
//!
//! The announcement of `next` is signed by `current`, so that nobody else can make one.

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tourbus_protocol::Signer;

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Announced; signs nothing yet.
    Next,
    /// Signs.
    Current,
    /// Signs nothing any more; what it has signed still counts.
    Old,
}

impl KeyState {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Old => "old",
        }
    }
}

/// One key.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    /// The public half, hex.
    pub public: String,
    /// The 32 secret bytes, hex.
    secret: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// When it is dropped, if it is old.
    pub drop_at: Option<DateTime<Utc>>,
}

/// All keys.
#[derive(Clone, Serialize, Deserialize)]
pub struct Keyring {
    /// Counts up with every change of the set of public keys.
    pub generation: u64,
    /// The keys; exactly one is current, at most one is next.
    pub keys: Vec<Key>,
}

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file system refuses.
    #[error("cannot use the keyring {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is none of ours.
    #[error("the keyring {path} is damaged ({why}); restore it from a backup")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// `signing_key` is no key.
    #[error("signing_key must be an Ed25519 private key: 64 hexadecimal digits")]
    SigningKey,
    /// There is a next key already.
    #[error(
        "a rotation is under way: the next key signs as soon as every server trusts it; to switch \
         without waiting for servers that are away, run `tourbus keys rotate --now`"
    )]
    UnderWay,
    /// There is no next key.
    #[error("no rotation is under way: begin one with `tourbus keys rotate`")]
    NoNext,
}

fn secret_of(hex_text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex_text.trim(), &mut bytes).ok().map(|()| bytes)
}

impl Key {
    fn new(secret: &[u8; 32], state: KeyState) -> Self {
        let public = Signer::from_bytes(secret).public_key_hex();
        let secret = hex::encode(secret);
        Self { public, secret, state, made_at: Utc::now(), drop_at: None }
    }
}

impl Keyring {
    fn only(signing_key: &SecretString) -> Result<Self, KeyringError> {
        let secret = secret_of(signing_key.expose_secret()).ok_or(KeyringError::SigningKey)?;
        Ok(Self { generation: 0, keys: vec![Key::new(&secret, KeyState::Current)] })
    }

    /// The key that signs.
    pub fn signer(&self) -> Result<Signer, KeyringError> {
        let current = self.keys.iter().find(|k| k.state == KeyState::Current);
        let secret = current.and_then(|k| secret_of(&k.secret)).ok_or(KeyringError::SigningKey)?;
        Ok(Signer::from_bytes(&secret))
    }

    /// The next key, if a rotation is under way.
    pub fn next(&self) -> Option<&Key> {
        self.keys.iter().find(|k| k.state == KeyState::Next)
    }

    /// All public keys, hex.
    pub fn public_keys(&self) -> Vec<String> {
        self.keys.iter().map(|k| k.public.clone()).collect()
    }

    /// Begins a rotation.
    pub fn begin(&mut self) -> Result<&Key, KeyringError> {
        if self.next().is_some() {
            return Err(KeyringError::UnderWay);
        }
        self.generation += 1;
        self.keys.push(Key::new(&rand::random(), KeyState::Next));
        self.next().ok_or(KeyringError::NoNext)
    }

    /// Lets the next key sign; the one before it counts until `drop_at`.
    pub fn switch(&mut self, drop_at: DateTime<Utc>) -> Result<(), KeyringError> {
        if self.next().is_none() {
            return Err(KeyringError::NoNext);
        }
        for key in &mut self.keys {
            match key.state {
                KeyState::Next => key.state = KeyState::Current,
                KeyState::Current => (key.state, key.drop_at) = (KeyState::Old, Some(drop_at)),
                KeyState::Old => (),
            }
        }
        Ok(())
    }

    /// Ends the time of the old keys. How many there are.
    pub fn end_old(&mut self, now: DateTime<Utc>) -> usize {
        let old = self.keys.iter_mut().filter(|k| k.state == KeyState::Old);
        old.map(|key| key.drop_at = Some(now)).count()
    }

    /// Forgets the old keys whose time is over. Whether there were any.
    pub fn drop_due(&mut self, now: DateTime<Utc>) -> bool {
        let before = self.keys.len();
        self.keys.retain(|k| k.drop_at.is_none_or(|at| at > now));
        let dropped = self.keys.len() != before;
        self.generation += u64::from(dropped);
        dropped
    }
}

/// The keyring's file; none means that `signing_key` is the only key there is.
#[derive(Clone)]
pub struct KeyringFile {
    path: Option<PathBuf>,
    signing_key: SecretString,
}

impl KeyringFile {
    /// `signing_key` is the first key of a keyring that is not there yet.
    pub const fn new(path: Option<PathBuf>, signing_key: SecretString) -> Self {
        Self { path, signing_key }
    }

    /// Whether keys can be rotated.
    pub const fn can_rotate(&self) -> bool {
        self.path.is_some()
    }

    /// The keys. Blocks.
    pub fn read(&self) -> Result<Keyring, KeyringError> {
        let Some(path) = &self.path else { return Keyring::only(&self.signing_key) };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| KeyringError::Damaged { path: path.clone(), why: e.to_string() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Keyring::only(&self.signing_key),
            Err(source) => Err(KeyringError::File { path: path.clone(), source }),
        }
    }

    /// Changes the keys; others who do so wait. Blocks.
    pub fn change<T>(
        &self,
        act: impl FnOnce(&mut Keyring) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        let Some(path) = &self.path else { return act(&mut Keyring::only(&self.signing_key)?) };
        let failed = |source| KeyringError::File { path: path.clone(), source };
        let lock = private(&path.with_extension("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        let mut keyring = self.read()?;
        let done = act(&mut keyring)?;
        write(path, &keyring).map_err(failed)?;
        Ok(done)
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}

/// Whole or not at all, and on the disk before it counts.
fn write(path: &Path, keyring: &Keyring) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = private(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(keyring)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use std::os::unix::fs::PermissionsExt;

    fn states(keyring: &Keyring) -> Vec<KeyState> {
        keyring.keys.iter().map(|k| k.state).collect()
    }

    #[test]
    fn a_key_is_next_then_current_then_old_then_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.json");
        let first = SecretString::from("07".repeat(32));
        let file = KeyringFile::new(Some(path.clone()), first);
        let one = file.read().unwrap().signer().unwrap().public_key_hex();
        let two = file.change(|k| k.begin().map(|n| n.public.clone())).unwrap();
        assert!(matches!(file.change(|k| k.begin().map(drop)), Err(KeyringError::UnderWay)));
        let ring = file.read().unwrap();
        assert_eq!(states(&ring), [KeyState::Current, KeyState::Next]);
        assert_eq!(ring.signer().unwrap().public_key_hex(), one);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let now = Utc::now();
        file.change(|k| k.switch(now + TimeDelta::days(7))).unwrap();
        assert!(matches!(file.change(|k| k.switch(now)), Err(KeyringError::NoNext)));
        let mut ring = file.read().unwrap();
        assert_eq!(states(&ring), [KeyState::Old, KeyState::Current]);
        assert_eq!(ring.signer().unwrap().public_key_hex(), two);
        assert!(!ring.drop_due(now + TimeDelta::days(6)));
        let before = ring.generation;
        assert_eq!(ring.clone().end_old(now), 1);
        assert!(ring.drop_due(now + TimeDelta::days(8)));
        assert_eq!((ring.public_keys(), ring.generation), (vec![two], before + 1));
    }

    #[test]
    fn what_is_no_key_or_no_keyring_is_named() {
        let bad = KeyringFile::new(None, SecretString::from("no key"));
        assert!(matches!(bad.read().map(drop), Err(KeyringError::SigningKey)));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.json");
        fs::write(&path, "{").unwrap();
        let damaged = KeyringFile::new(Some(path), SecretString::from("07".repeat(32)));
        let error = damaged.read().map(drop).unwrap_err().to_string();
        assert!(error.contains("keyring.json") && error.contains("backup"), "{error}");
    }
}
