//! Building an arriving tree.

use crate::{
    atomic::Durable,
    beneath::{Beneath, parts},
    error::{Doing, RootError},
    identity::Identity,
    remove::open_up,
};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};
use std::{
    ffi::OsStr,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use tourbus_protocol::{Stamp, TreePath};

/// Directories of an arriving tree are the owner's alone until they get their final modes.
const DIR_MODE: Mode = Mode::RWXU;
/// Likewise its files.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Held while obstacles are cleared.
static CLEARING: Mutex<()> = Mutex::new(());

/// A file open for reading and writing.
#[derive(Debug)]
pub struct WriteFile {
    pub(crate) fd: OwnedFd,
    shown: PathBuf,
}

impl Beneath {
    /// Makes a directory and those above it. What is in the way and is no directory is removed.
    pub fn make_dir(&self, path: &TreePath) -> Result<(), RootError> {
        let mut at = TreePath::default();
        for part in parts(path) {
            at = at.join(part).map_err(|_| self.error("make", path, Errno::NAMETOOLONG))?;
            let made = self.at(&at, |dir, name| match fs::mkdirat(dir, name, DIR_MODE) {
                Err(Errno::EXIST) => {
                    let stat = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    open_up(dir, name);
                    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
                }
                Err(e) => Err(e),
                Ok(()) => Ok(true),
            });
            if !made.doing("make", &self.shown(&at))? {
                self.remove(&at)?;
                self.at(&at, |dir, name| again(fs::mkdirat(dir, name, DIR_MODE)))
                    .doing("make", &self.shown(&at))?;
            }
        }
        Ok(())
    }

    /// Opens a file for reading and writing, making it and the directories above it. What is in
    /// the way and is no regular file is removed. Several may write one file at once.
    pub fn write(&self, path: &TreePath) -> Result<WriteFile, RootError> {
        self.note(path)?;
        if let Ok(file) = self.try_write(path) {
            return Ok(file);
        }
        // One at a time: what another has just made must not be taken for an obstacle.
        let _one = CLEARING.lock().unwrap_or_else(PoisonError::into_inner);
        match self.try_write(path) {
            Ok(file) => return Ok(file),
            // No directory yet, or something else is in its place.
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(path)?,
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::INVAL) => self.remove(path)?,
            Err(Errno::ACCESS) => self.let_write(path)?,
            Err(e) => return Err(self.error("write", path, e)),
        }
        self.try_write(path).map_err(|e| self.error("write", path, e))
    }

    /// Gives the owner the right to write a file and to reach it.
    fn let_write(&self, path: &TreePath) -> Result<(), RootError> {
        self.make_parents(path)?;
        let chmod = self.at(path, |dir, name| {
            let stat = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                fs::chmodat(dir, name, FILE_MODE, AtFlags::empty())?;
            }
            Ok(())
        });
        match chmod {
            Err(Errno::NOENT) => Ok(()),
            other => other.doing("change the mode of", &self.shown(path)),
        }
    }

    fn make_parents(&self, path: &TreePath) -> Result<(), RootError> {
        match crate::beneath::split(path) {
            (Some(parent), _) => self.make_dir(&parent),
            (None, _) => Ok(()),
        }
    }

    fn try_write(&self, path: &TreePath) -> Result<WriteFile, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = self.at(path, |dir, name| {
            fs::openat(dir, name, flags | OFlags::NOCTTY | OFlags::CLOEXEC, FILE_MODE)
        })?;
        if FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        Ok(WriteFile { fd, shown: self.shown(path) })
    }

    /// Makes a symlink; what is in the way is removed. It may point anywhere: nothing here or in
    /// the media service ever follows one.
    pub fn make_link(&self, path: &TreePath, target: &[u8]) -> Result<(), RootError> {
        use std::os::unix::ffi::OsStrExt;
        let there = self.at(path, |dir, name| fs::readlinkat(dir, name, Vec::new()));
        if there.is_ok_and(|t| t.as_bytes() == target) {
            return Ok(());
        }
        self.remove(path).or_else(|e| if e.is_missing() { Ok(()) } else { Err(e) })?;
        self.make_parents(path)?;
        self.at(path, |dir, name| fs::symlinkat(OsStr::from_bytes(target), dir, name))
            .doing("link", &self.shown(path))
    }

    /// Removes whatever is at `path`, with all below it.
    pub fn remove_entry(&self, path: &TreePath) -> Result<(), RootError> {
        self.note(path)?;
        match self.remove(path) {
            Err(e) if e.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Gives every directory's owner all rights on it, so that below can be written.
    pub fn open_up_all(&self, dirs: impl Iterator<Item = TreePath>) -> Result<(), RootError> {
        for path in dirs {
            if path.is_root() {
                let mode = fs::fstat(&self.fd).doing("examine", &self.shown)?.st_mode & 0o7777;
                if mode & 0o700 != 0o700 {
                    fs::fchmod(&self.fd, Mode::from_raw_mode(mode | 0o700))
                        .doing("change the mode of", &self.shown)?;
                }
                continue;
            }
            self.at(&path, |dir, name| {
                open_up(dir, name);
                Ok(())
            })
            .doing("change the mode of", &self.shown(&path))?;
        }
        Ok(())
    }

    /// Gives a directory its final mode and mtime, and flushes it when `durable`. Deepest first:
    /// whatever changes in a directory changes its mtime.
    pub fn finish_dir(
        &self,
        path: &TreePath,
        mode: u32,
        mtime: Stamp,
        durable: Durable,
    ) -> Result<(), RootError> {
        let finish = || {
            let fd = self.dir(path)?;
            fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
            fs::futimens(&fd, &times(mtime))?;
            if durable == Durable::Yes { fs::fsync(&fd) } else { Ok(()) }
        };
        finish().doing("finish", &self.shown(path))
    }

    /// Gives a symlink its mtime.
    pub fn finish_link(&self, path: &TreePath, mtime: Stamp) -> Result<(), RootError> {
        self.at(path, |dir, name| {
            fs::utimensat(dir, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
        })
        .doing("finish", &self.shown(path))
    }

    /// Flushes the whole file system: cheaper than many single files.
    pub fn sync_all(&self) -> Result<(), RootError> {
        fs::syncfs(&self.fd).doing("flush", &self.shown)
    }

    fn error(&self, action: &'static str, path: &TreePath, errno: Errno) -> RootError {
        RootError::new(action, &self.shown(path), errno)
    }
}

impl WriteFile {
    pub(crate) const fn new(fd: OwnedFd, shown: PathBuf) -> Self {
        Self { fd, shown }
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), RootError> {
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::pwrite(&self.fd, &bytes[written..], offset + written as u64) {
                Ok(n) => written += n,
                Err(Errno::INTR) => (),
                Err(e) => return Err(RootError::new("write", &self.shown, e)),
            }
        }
        Ok(())
    }

    /// Fills `buffer` from `offset`; less only where the file ends.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, RootError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::pread(&self.fd, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(Errno::INTR) => (),
                Err(e) => return Err(RootError::new("read", &self.shown, e)),
            }
        }
        Ok(filled)
    }

    /// Cuts or extends it to `size` bytes.
    pub fn set_len(&self, size: u64) -> Result<(), RootError> {
        fs::ftruncate(&self.fd, size).doing("resize", &self.shown)
    }

    /// Gives it its final mode and mtime; what it then is.
    pub fn finish(&self, mode: u32, mtime: Stamp) -> Result<Identity, RootError> {
        let finish = || {
            fs::fchmod(&self.fd, Mode::from_raw_mode(mode))?;
            fs::futimens(&self.fd, &times(mtime))
        };
        finish().doing("finish", &self.shown)?;
        self.identity()
    }

    /// What it is now.
    pub fn identity(&self) -> Result<Identity, RootError> {
        Ok(Identity::of(&fs::fstat(self.fd.as_fd()).doing("examine", &self.shown)?))
    }

    /// Flushes what has been written, not its mode and times.
    pub fn flush(&self) -> Result<(), RootError> {
        fs::fdatasync(&self.fd).doing("flush", &self.shown)
    }

    /// Flushes it.
    pub fn sync(&self) -> Result<(), RootError> {
        fs::fsync(&self.fd).doing("flush", &self.shown)
    }
}

fn times(mtime: Stamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.s, tv_nsec: i64::from(mtime.ns) },
    }
}

/// A segment beside this one may have made it meanwhile.
fn again(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
