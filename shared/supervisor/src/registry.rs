//! `processes.json`: who runs, for scripts.

use crate::files;
use serde::Serialize;
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    name: String,
    pid: u32,
}

/// The list of running processes, mirrored to a file whenever it changes.
pub struct Registry {
    path: Option<PathBuf>,
    entries: Mutex<Vec<Entry>>,
}

impl Registry {
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, entries: Mutex::default() }
    }

    /// The process of this name runs with this id, or runs no more.
    pub fn set(&self, name: &str, pid: Option<u32>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|e| e.name == name);
        match (at, pid) {
            (Some(at), Some(pid)) => entries[at].pid = pid,
            (Some(at), None) => drop(entries.remove(at)),
            (None, Some(pid)) => entries.push(Entry { name: name.to_owned(), pid }),
            (None, None) => return,
        }
        self.write(&entries);
    }

    /// Nothing runs any more.
    pub fn clear(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
        self.write(&entries);
    }

    fn write(&self, entries: &[Entry]) {
        let Some(path) = &self.path else { return };
        if let Err(error) = files::write_json(path, &entries, 0o644) {
            tracing::warn!(%error, "supervisor.processes_file");
        }
    }
}
