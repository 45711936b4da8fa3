//! The master's public keys that this server trusts, once the master has changed them: beside
//! the trees, so that all workers of the server agree.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError},
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;

/// Keys that the master announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKeys {
    /// Counts up with every announcement: a repeated older one changes nothing.
    pub generation: u64,
    /// The public keys, hex.
    pub keys: Vec<String>,
    /// The keys of the configuration at that time. When an admin changes those, they count again.
    pub pinned: Vec<String>,
}

impl MediaRoot {
    /// What was announced last, if anything.
    pub fn master_keys(&self) -> Result<Option<MasterKeys>, RootError> {
        atomic::read_json(&self.master_keys_note())
    }

    /// Notes an announcement, unless a newer one is noted. Whether it was.
    pub fn note_master_keys(&self, new: &MasterKeys) -> Result<bool, RootError> {
        let path = self.master_keys_note().with_extension("lock");
        // Several workers may be told at once, each by its own message.
        let lock = File::create(&path).doing("create", &path)?;
        flock(&lock, FlockOperation::LockExclusive).doing("lock", &path)?;
        let stale = |noted: MasterKeys| {
            noted.generation > new.generation
                || (noted.generation == new.generation && noted.pinned == new.pinned)
        };
        if self.master_keys()?.is_some_and(stale) {
            return Ok(false);
        }
        atomic::write_json(&self.master_keys_note(), new, Durable::Yes)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_announcement_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        let keys = |generation, key: &str| MasterKeys {
            generation,
            keys: vec![key.to_owned()],
            pinned: Vec::new(),
        };
        assert_eq!(root.master_keys().unwrap(), None);
        assert!(root.note_master_keys(&keys(2, "b")).unwrap());
        assert!(!root.note_master_keys(&keys(1, "a")).unwrap());
        assert!(!root.note_master_keys(&keys(2, "c")).unwrap());
        assert_eq!(root.master_keys().unwrap(), Some(keys(2, "b")));
        assert!(root.note_master_keys(&keys(3, "c")).unwrap());
    }
}
