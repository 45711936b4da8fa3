//! What a file system may answer.

use rustix::io::Errno;
use std::{
    io,
    path::{Path, PathBuf},
};

/// An operation on the media root that the file system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct RootError {
    /// What was tried, as a verb: `open`, `rename`, …
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl RootError {
    pub(crate) fn new(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { action, path: path.to_owned(), source: source.into() }
    }

    /// Whether it failed because it is not there.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the disk (or a quota on it) is full.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Adds what was tried on what.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, RootError>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, RootError> {
        self.map_err(|e| RootError::new(action, path, e))
    }
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, RootError> {
        self.map_err(|e| RootError::new(action, path, e))
    }
}

/// `None` for what is not there.
pub(crate) fn absent<T>(result: Result<T, RootError>) -> Result<Option<T>, RootError> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(e) if e.is_missing() => Ok(None),
        Err(e) => Err(e),
    }
}
