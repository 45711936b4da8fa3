//! Files that are there whole or not at all, and renames that survive a power cut.

use crate::error::{Doing, RootError, absent};
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, io::Write, path::Path};
use uuid::Uuid;

/// Whether a write must survive a power cut, or only the death of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// Flushed to the disk before it counts.
    Yes,
    /// Left to the kernel: for what can be worked out again.
    No,
}

/// Replaces a file in one instant.
pub fn write(path: &Path, bytes: &[u8], durable: Durable) -> Result<(), RootError> {
    let temporary = temporary(path);
    let mut file = fs::File::create(&temporary).doing("create", &temporary)?;
    file.write_all(bytes).doing("write", &temporary)?;
    if durable == Durable::Yes {
        file.sync_all().doing("flush", &temporary)?;
    }
    drop(file);
    rename(&temporary, path, durable)
}

/// The same for a value, as JSON.
pub fn write_json<T: Serialize>(path: &Path, value: &T, durable: Durable) -> Result<(), RootError> {
    let bytes = serde_json::to_vec(value).map_err(std::io::Error::from).doing("write", path)?;
    write(path, &bytes, durable)
}

/// Reads what [`write_json`] wrote; `None` when it is not there.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RootError> {
    let Some(bytes) = absent(fs::read(path).doing("read", path))? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(std::io::Error::from).doing("understand", path)
}

/// Renames, replacing what is there.
pub fn rename(from: &Path, to: &Path, durable: Durable) -> Result<(), RootError> {
    fs::rename(from, to).doing("rename", from)?;
    if durable == Durable::Yes {
        let (left, entered) = (from.parent(), to.parent());
        for parent in [left.filter(|_| left != entered), entered].into_iter().flatten() {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// Flushes a directory's entries.
pub fn sync_dir(path: &Path) -> Result<(), RootError> {
    fs::File::open(path).and_then(|d| d.sync_all()).doing("flush", path)
}

/// Removes a file; `false` when it was not there.
pub fn remove(path: &Path) -> Result<bool, RootError> {
    Ok(absent(fs::remove_file(path).doing("remove", path))?.is_some())
}

/// A name beside `path` that nobody else uses.
pub(crate) fn temporary(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", Uuid::new_v4().simple()))
}
