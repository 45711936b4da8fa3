//! Which of the master's keys this worker obeys: those of its configuration, until the master
//! announces others.

use chrono::{DateTime, Utc};
use std::sync::{PoisonError, RwLock};
use tourbus_domain::Slug;
use tourbus_mediaroot::{MasterKeys, MediaRoot, RootError};
use tourbus_protocol::{KeyId, Refused, Verifier, Work};

/// The keys that count at this time, and how they change.
pub struct Trust {
    root: MediaRoot,
    server: Slug,
    pinned: Vec<String>,
    verifier: RwLock<Verifier>,
}

impl Trust {
    /// Trusts what was announced last, or else these public keys (hex). Blocks.
    pub fn new(root: MediaRoot, server: Slug, pinned: Vec<String>) -> Result<Self, Refused> {
        let verifier = RwLock::new(Verifier::new(server.clone(), &pinned)?);
        let trust = Self { root, server, pinned, verifier };
        trust.look();
        Ok(trust)
    }

    /// Checks a message. When it is signed by a key that is not known, look and check again:
    /// another worker of this server may have been told of it.
    pub fn check(&self, body: &[u8], now: DateTime<Utc>) -> Result<Work, Refused> {
        self.read(|v| v.check(body, now))
    }

    /// Takes an announcement. Blocks. What cannot be a set of keys is refused.
    pub fn announced(&self, generation: u64, keys: Vec<String>) -> Result<(), Announcement> {
        if keys.is_empty() {
            return Err(Announcement::Refused(Refused::Malformed("it names no key".to_owned())));
        }
        Verifier::new(self.server.clone(), &keys).map_err(Announcement::Refused)?;
        let new = MasterKeys { generation, keys, pinned: self.pinned.clone() };
        let noted = self.root.note_master_keys(&new).map_err(Announcement::Root)?;
        self.look();
        if noted {
            tracing::warn!(generation, keys = ?self.key_ids(), "trust.changed");
        }
        Ok(())
    }

    /// Reads what was announced last. Blocks; to be called now and then.
    pub fn look(&self) {
        let keys = match self.root.master_keys() {
            Ok(Some(noted)) if noted.pinned == self.pinned => noted.keys,
            Ok(_) => self.pinned.clone(),
            // What is trusted, is trusted until the disk says otherwise.
            Err(error) => return tracing::warn!(%error, "trust.unreadable"),
        };
        match Verifier::new(self.server.clone(), &keys) {
            Ok(new) => *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = new,
            Err(error) => tracing::error!(%error, "trust.damaged: the keys before it count"),
        }
    }

    /// The keys that count.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.read(Verifier::key_ids)
    }

    fn read<T>(&self, act: impl FnOnce(&Verifier) -> T) -> T {
        act(&self.verifier.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why an announcement did not come to count.
#[derive(Debug, thiserror::Error)]
pub enum Announcement {
    /// It is no set of keys.
    #[error(transparent)]
    Refused(Refused),
    /// It could not be noted.
    #[error(transparent)]
    Root(RootError),
}
