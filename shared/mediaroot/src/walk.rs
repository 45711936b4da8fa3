//! Seeing a whole tree: every entry, nothing followed.

use crate::{
    beneath::{Beneath, names},
    error::RootError,
    identity::{Identity, stamp},
};
use rustix::{
    fs::{self, AtFlags, FileType, Stat},
    io::Errno,
};
use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd},
};
use tourbus_protocol::{Stamp, TreePath, TreePathError};

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// Where.
    pub path: TreePath,
    /// Permission bits (`0o7777`); 0 for a symlink.
    pub mode: u32,
    /// Modification time.
    pub mtime: Stamp,
    /// What.
    pub kind: WalkedKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkedKind {
    /// A directory.
    Dir,
    /// A regular file.
    File(Identity),
    /// A symlink, and what it says.
    Symlink(Vec<u8>),
}

/// Why a tree cannot be seen whole.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A FIFO, a socket or a device: nothing that an artist's tree may hold.
    #[error("{path} is a {what}, which cannot be moved")]
    Special {
        /// Which.
        path: TreePath,
        /// `FIFO`, `socket`, `device`.
        what: &'static str,
    },
    /// A name that no manifest can hold.
    #[error(transparent)]
    Name(#[from] TreePathError),
    /// A directory that is not ours to read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: TreePath,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
        /// Why.
        source: io::Error,
    },
    /// Anything else.
    #[error("{path} cannot be examined: {source}")]
    Io {
        /// Which.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
}

/// Walks a tree: the top directory first, then all below, sorted by the paths' bytes. What
/// vanishes meanwhile is left out.
pub fn walk(tree: &Beneath) -> Result<Vec<Walked>, WalkError> {
    let root = TreePath::default();
    let top = tree.stat(&root).map_err(|e| failed(tree, &root, e))?;
    let mut seen = vec![directory(root.clone(), &top)];
    // Directories are opened one at a time, from the top: a deep tree costs no descriptors.
    let mut todo = vec![root];
    while let Some(dir) = todo.pop() {
        match list(tree, &dir, &mut seen, &mut todo) {
            Err(WalkError::Io { source, .. }) if vanished(&source) && !dir.is_root() => {
                seen.retain(|w| w.path != dir);
            }
            other => other?,
        }
    }
    seen.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(seen)
}

impl Beneath {
    /// `walk`.
    pub fn walk(&self) -> Result<Vec<Walked>, WalkError> {
        walk(self)
    }
}

fn vanished(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(|e| Some(e.raw_os_error()));
    gone.contains(&error.raw_os_error())
}

fn list(
    tree: &Beneath,
    dir: &TreePath,
    seen: &mut Vec<Walked>,
    todo: &mut Vec<TreePath>,
) -> Result<(), WalkError> {
    let fd = tree.dir(dir).map_err(|e| failed(tree, dir, e))?;
    let listed = rustix::io::dup(&fd).and_then(names).map_err(|e| failed(tree, dir, e))?;
    for name in listed {
        let path = dir.join(&name)?;
        match look(fd.as_fd(), &name, path.clone()) {
            Ok(Some(walked)) => {
                if walked.kind == WalkedKind::Dir {
                    todo.push(path);
                }
                seen.push(walked);
            }
            Ok(None) => (),
            Err(Look::Special(what)) => return Err(WalkError::Special { path, what }),
            Err(Look::Errno(e)) => return Err(failed(tree, &path, e)),
        }
    }
    Ok(())
}

enum Look {
    Special(&'static str),
    Errno(Errno),
}

impl From<Errno> for Look {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

fn look(dir: BorrowedFd<'_>, name: &OsStr, path: TreePath) -> Result<Option<Walked>, Look> {
    let stat = match fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let mtime = stamp(stat.st_mtime, stat.st_mtime_nsec);
    let mode = stat.st_mode & 0o7777;
    Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => directory(path, &stat),
        FileType::RegularFile => {
            Walked { path, mode, mtime, kind: WalkedKind::File(Identity::of(&stat)) }
        }
        FileType::Symlink => match fs::readlinkat(dir, name, Vec::new()) {
            Ok(target) => {
                let kind = WalkedKind::Symlink(target.into_bytes());
                Walked { path, mode: 0, mtime, kind }
            }
            // Replaced meanwhile.
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(e) => return Err(e.into()),
        },
        FileType::Fifo => return Err(Look::Special("FIFO")),
        FileType::Socket => return Err(Look::Special("socket")),
        _ => return Err(Look::Special("device")),
    }))
}

fn directory(path: TreePath, stat: &Stat) -> Walked {
    let mtime = stamp(stat.st_mtime, stat.st_mtime_nsec);
    Walked { path, mode: stat.st_mode & 0o7777, mtime, kind: WalkedKind::Dir }
}

fn failed(tree: &Beneath, path: &TreePath, errno: Errno) -> WalkError {
    let (path, source) = (path.clone(), io::Error::from(errno));
    if errno == Errno::ACCESS
        && let Some((owner, mode)) = tree.owner_and_mode(&path)
    {
        return WalkError::Unreadable { path, owner, mode, source };
    }
    WalkError::Io { path, source }
}

impl From<RootError> for WalkError {
    fn from(error: RootError) -> Self {
        Self::Io { path: TreePath::default(), source: error.source }
    }
}

#[cfg(test)]
mod tests;
