//! A directory that nothing can lead out of: every step is one component, and never through a
//! symlink, so that a symlink swapped in by a hostile upload leads nowhere.

use crate::{
    error::{Doing, RootError},
    identity::Identity,
    record::Notes,
};
use rustix::{
    fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};
use tourbus_protocol::TreePath;

/// A tree held open by its top directory.
#[derive(Debug)]
pub struct Beneath {
    pub(crate) fd: OwnedFd,
    pub(crate) shown: PathBuf,
    /// Where it is noted what is written; none for trees that no record is kept of.
    pub(crate) notes: Option<Notes>,
}

/// A file open for reading, as it was when it was opened.
#[derive(Debug)]
pub struct ReadFile {
    fd: OwnedFd,
    /// What it was.
    pub identity: Identity,
}

pub(crate) const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Beneath {
    /// Opens the top directory, which must not be a symlink itself.
    pub fn open(top: &Path) -> Result<Self, RootError> {
        let fd = fs::openat(CWD, top, DIR_FLAGS, Mode::empty()).doing("open", top)?;
        Ok(Self { fd, shown: top.to_owned(), notes: None })
    }

    /// Notes that this path is about to be written.
    pub(crate) fn note(&self, path: &TreePath) -> Result<(), RootError> {
        self.notes.as_ref().map_or(Ok(()), |notes| notes.add(path))
    }

    /// The top directory's path, for messages.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    pub(crate) fn shown(&self, path: &TreePath) -> PathBuf {
        if path.is_root() { self.shown.clone() } else { self.shown.join(path.as_path()) }
    }

    /// A directory beneath.
    pub(crate) fn dir(&self, path: &TreePath) -> Result<OwnedFd, Errno> {
        let mut held = fs::openat(&self.fd, c".", DIR_FLAGS, Mode::empty())?;
        for part in parts(path) {
            held = fs::openat(&held, part, DIR_FLAGS, Mode::empty())?;
        }
        Ok(held)
    }

    /// Calls `act` with the directory that holds `path`, and its name there.
    pub(crate) fn at<T>(
        &self,
        path: &TreePath,
        act: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match split(path) {
            (None, name) => act(self.fd.as_fd(), name),
            (Some(parent), name) => act(self.dir(&parent)?.as_fd(), name),
        }
    }

    /// Looks, without following.
    pub(crate) fn stat(&self, path: &TreePath) -> Result<Stat, Errno> {
        if path.is_root() {
            return fs::fstat(&self.fd);
        }
        self.at(path, |dir, name| fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Opens a regular file for reading. Anything else by that name is "not found".
    pub fn read(&self, path: &TreePath) -> Result<ReadFile, RootError> {
        // Without NONBLOCK, opening a FIFO would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = |dir: BorrowedFd<'_>, name: &OsStr| {
            let fd = fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty())?;
            let stat = fs::fstat(&fd)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Errno::NOENT);
            }
            Ok(ReadFile { fd, identity: Identity::of(&stat) })
        };
        match self.at(path, open) {
            Err(Errno::LOOP | Errno::NXIO | Errno::NOTDIR) => Err(Errno::NOENT),
            other => other,
        }
        .doing("read", &self.shown(path))
    }

    /// The owner's user id and the permission bits, for telling why something is unreadable.
    pub fn owner_and_mode(&self, path: &TreePath) -> Option<(u32, u32)> {
        let stat = self.stat(path).ok()?;
        Some((stat.st_uid, stat.st_mode & 0o7777))
    }
}

impl ReadFile {
    /// Fills `buffer` from `offset`; less only where the file ends.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::pread(&self.fd, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(Errno::INTR) => (),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(filled)
    }

    /// Lets the kernel forget what it holds of some bytes, so that reading them asks the disk. It
    /// keeps what is not written back yet, and what others have mapped; the disk's own cache is out
    /// of reach.
    pub fn forget_cached(&self, offset: u64, len: u64) -> std::io::Result<()> {
        let len = std::num::NonZeroU64::new(len);
        Ok(fs::fadvise(&self.fd, offset, len, fs::Advice::DontNeed)?)
    }

    /// Flushes what has been written to it, by whomever.
    pub fn flush(&self) -> std::io::Result<()> {
        Ok(fs::fsync(&self.fd)?)
    }

    /// The open file itself.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Whether it is still what it was when it was opened.
    pub fn is_unchanged(&self) -> std::io::Result<bool> {
        Ok(Identity::of(&fs::fstat(&self.fd)?) == self.identity)
    }
}

/// The names in a directory, in no order.
pub(crate) fn names(dir: OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::new(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// The components, none for the tree itself.
pub(crate) fn parts(path: &TreePath) -> impl Iterator<Item = &OsStr> {
    path.as_bytes().split(|b| *b == b'/').filter(|p| !p.is_empty()).map(OsStr::from_bytes)
}

/// The directory that holds it (`None`: the top), and its name.
pub(crate) fn split(path: &TreePath) -> (Option<TreePath>, &OsStr) {
    let bytes = path.as_bytes();
    match bytes.iter().rposition(|b| *b == b'/') {
        Some(at) => (TreePath::new(&bytes[..at]).ok(), OsStr::from_bytes(&bytes[at + 1..])),
        None => (None, OsStr::from_bytes(bytes)),
    }
}
