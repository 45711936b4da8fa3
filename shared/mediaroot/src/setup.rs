//! Making a media root ready, and how much room it has.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError},
};
use std::{fs, os::unix::fs::PermissionsExt};

/// Room on the media root's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free_bytes: u64,
    /// Size of the disk in bytes.
    pub total_bytes: u64,
}

impl MediaRoot {
    /// Makes every directory that must be there. What is beside the trees is for our eyes only.
    pub fn prepare(&self) -> Result<(), RootError> {
        for dir in self.directories() {
            fs::create_dir_all(&dir).doing("make", &dir)?;
        }
        let hidden = self.path().join(".tourbus");
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700))
            .doing("change the mode of", &hidden)
    }

    /// Whether it can be written: writes and removes a small file.
    pub fn probe(&self) -> Result<(), RootError> {
        let path = atomic::temporary(&self.path().join(".tourbus").join("probe"));
        atomic::write(&path, b"probe", Durable::No)?;
        atomic::remove(&path).map(|_| ())
    }

    /// Room on its disk.
    pub fn space(&self) -> Result<Space, RootError> {
        let stat = rustix::fs::statvfs(self.path()).doing("examine the disk of", self.path())?;
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}
