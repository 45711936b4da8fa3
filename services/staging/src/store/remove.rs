//! How objects go, and the directories they leave empty.

use super::{DirStore, internal, key};
use s3s::S3Result;
use std::{fs, io, path::Path};

impl DirStore {
    /// Removes an object; one that is not there is removed already.
    pub(crate) fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.bucket(bucket)?;
        let path = bucket.join(key::relative_path(key)?);
        match fs::remove_file(&path) {
            Ok(()) => {}
            // A directory is not an object.
            Err(e) if is_absent(&e) || e.kind() == io::ErrorKind::IsADirectory => return Ok(()),
            Err(e) => return Err(internal(e)),
        }
        let mut directory = path.parent();
        while let Some(d) = directory.filter(|d| *d != bucket) {
            // Fails on the first that is not empty; that is the end of it.
            match fs::remove_dir(d) {
                Ok(()) => directory = d.parent(),
                Err(e) if is_absent(&e) => directory = d.parent(),
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => break,
                Err(e) => return Err(internal(e)),
            }
        }
        Ok(())
    }
}

/// Removes empty directories below this one: a process killed between removing an object and its
/// directories leaves some.
pub(super) fn prune_below(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            prune_below(&entry.path())?;
            match fs::remove_dir(entry.path()) {
                Err(e) if e.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
