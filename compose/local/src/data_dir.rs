//! The data directory: made when missing, locked against a second stack, with room to work.

use crate::LocalError;
use rustix::fs::{FlockOperation, flock, statvfs};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tourbus_supervisor::files;

/// Disk that must be free before a stack starts, in MiB: RabbitMQ stops publishers below 50, and
/// PostgreSQL keeps up to 1 GiB of log at worst.
const FREE_MIB_MIN: u64 = 512;

/// A data directory that this process holds. Dropping it lets go of the lock.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing, locks it, and checks that it can be written and has
    /// room.
    pub fn open(path: &Path) -> Result<Self, LocalError> {
        let unusable = |source| LocalError::DataDir { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(unusable)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            lock.read_to_string(&mut pid).map_err(LocalError::io("read", &lock_path))?;
            return Err(LocalError::AlreadyRunning { path, pid: pid.trim().to_owned() });
        }
        lock.set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(lock, "{}", std::process::id()))
            .map_err(unusable)?;
        let dir = Self { path, _lock: lock };
        dir.check_room()?;
        Ok(dir)
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it, made when missing.
    pub fn sub(&self, name: &str) -> Result<PathBuf, LocalError> {
        let path = self.path.join(name);
        files::make_dir(&path)?;
        Ok(path)
    }

    fn check_room(&self) -> Result<(), LocalError> {
        let stat = statvfs(&self.path)
            .map_err(|e| LocalError::io("look at the disk of", &self.path)(e.into()))?;
        let free_mib = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
        if free_mib < FREE_MIB_MIN {
            let path = self.path.clone();
            return Err(LocalError::DiskFull { path, free_mib, needed_mib: FREE_MIB_MIN });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_stack_is_refused_and_the_first_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(error.contains("TOURBUS_DATA_DIR"), "{error}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_no_directory_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("TOURBUS_DATA_DIR"), "{error}");
    }
}
