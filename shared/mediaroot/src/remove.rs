//! Removing whole trees, whatever their modes.

use crate::{
    atomic::{self, Durable},
    beneath::{Beneath, names},
    error::{Doing, RootError, absent},
};
use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode},
    io::Errno,
};
use std::{os::fd::AsFd, path::Path};
use tourbus_protocol::TreePath;

/// Whether a removal came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nothing is left of it.
    Complete,
    /// `stop` said so; what is left can be removed another time.
    Stopped,
}

/// Removes a directory and all below it; nothing there is complete too. Never follows a
/// symlink. Directories without write permission are given it first. `stop` is asked between
/// directories.
pub fn remove_tree(top: &Path, stop: &dyn Fn() -> bool) -> Result<Removal, RootError> {
    open_up(CWD.as_fd(), top.as_os_str());
    let Some(tree) = absent(Beneath::open(top))? else { return Ok(Removal::Complete) };
    let removal = tree.clear(&TreePath::default(), stop)?;
    if removal == Removal::Complete {
        absent(std::fs::remove_dir(top).doing("remove", top))?;
    }
    Ok(removal)
}

/// Renames a tree to another place of the same file system, flushed. A directory without write
/// permission cannot be renamed by its owner: it is given it for the instant.
pub fn rename_tree(from: &Path, to: &Path) -> Result<(), RootError> {
    let tree = Beneath::open(from)?;
    let mode = fs::fstat(&tree.fd).doing("examine", from)?.st_mode & 0o7777;
    let restricted = mode & 0o300 != 0o300;
    if restricted {
        fs::fchmod(&tree.fd, Mode::from_raw_mode(mode | 0o700))
            .doing("change the mode of", from)?;
    }
    let renamed = atomic::rename(from, to, Durable::Yes);
    if restricted {
        fs::fchmod(&tree.fd, Mode::from_raw_mode(mode)).doing("change the mode of", to)?;
    }
    renamed
}

impl Beneath {
    /// Removes whatever is at `path`, if anything.
    pub(crate) fn remove(&self, path: &TreePath) -> Result<(), RootError> {
        let unlink = |flags| match self.at(path, |dir, name| fs::unlinkat(dir, name, flags)) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        };
        match unlink(AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                self.clear(path, &|| false)?;
                unlink(AtFlags::REMOVEDIR)
            }
            other => other,
        }
        .doing("remove", &self.shown(path))
    }

    /// Empties a directory.
    fn clear(&self, top: &TreePath, stop: &dyn Fn() -> bool) -> Result<Removal, RootError> {
        let mut todo = vec![(top.clone(), false)];
        while let Some((dir, emptied)) = todo.pop() {
            if stop() {
                return Ok(Removal::Stopped);
            }
            if emptied {
                let rmdir = self.at(&dir, |d, name| fs::unlinkat(d, name, AtFlags::REMOVEDIR));
                absent(rmdir.doing("remove", &self.shown(&dir)))?;
                continue;
            }
            if dir != *top {
                todo.push((dir.clone(), true));
            }
            self.clear_one(&dir, &mut todo).doing("empty", &self.shown(&dir))?;
        }
        Ok(Removal::Complete)
    }

    /// Unlinks what is no directory; notes the directories.
    fn clear_one(&self, dir: &TreePath, todo: &mut Vec<(TreePath, bool)>) -> Result<(), Errno> {
        if !dir.is_root() {
            self.at(dir, |d, name| {
                open_up(d, name);
                Ok(())
            })?;
        }
        let fd = self.dir(dir)?;
        for name in names(rustix::io::dup(&fd)?)? {
            let stat = match fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                todo.push((dir.join(&name).map_err(|_| Errno::NAMETOOLONG)?, false));
            } else {
                match fs::unlinkat(&fd, &name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => (),
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }
}

/// Gives a directory's owner all rights on it, if it is one and needs that. Whether it worked
/// shows in what is tried next.
pub(crate) fn open_up(dir: std::os::fd::BorrowedFd<'_>, name: &std::ffi::OsStr) {
    let Ok(stat) = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_dir && stat.st_mode & 0o700 != 0o700 {
        let mode = Mode::from_raw_mode((stat.st_mode & 0o7777) | 0o700);
        if let Err(error) = fs::chmodat(dir, name, mode, AtFlags::empty()) {
            tracing::debug!(%error, "mediaroot.open_up");
        }
    }
}
