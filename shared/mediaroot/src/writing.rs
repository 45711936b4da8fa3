//! Writing to an artist's tree while its artist may move at any moment.
//!
//! ```text
//!   media                                   worker (sync)
//!   lock the tree, shared                   write the freeze
//!   look for a freeze: none stands          lock the tree, alone: waits for those who saw none
//!   write a little                          unlock; walk the tree
//!   unlock
//! ```
//!
//! The lock is on the tree's own directory. A freeze that nobody lifted still counts when it has
//! expired: the artist may have moved, and only leave that the master has given since then says
//! that it has not.
//!
//! *Invariant:* nothing is written to a tree after its move's last walk, by us.

use crate::{
    MediaRoot,
    beneath::Beneath,
    error::{Doing, RootError, absent},
    freeze::Freeze,
    record::Notes,
};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::{
    fs::{self, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{io, os::fd::OwnedFd};
use tourbus_domain::ArtistId;
use tourbus_protocol::{TreePath, agent::CLOCK_OFF_MAX_S};

/// Where uploads wait, and what edits take turns by, in every tree.
pub(crate) const UPLOADS: &str = ".uploads";

/// Why a tree cannot be written just now.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// The artist moves; or was about to, and this leave to write is older than that.
    #[error("the artist is moving to another server")]
    Moving,
    /// The tree is not here, or not any more.
    #[error("the artist is not on this server")]
    Gone,
    /// The file system refused.
    #[error(transparent)]
    Root(#[from] RootError),
}

/// An artist's tree, for somebody who has leave to write to it.
#[derive(Debug)]
pub struct Writable {
    root: MediaRoot,
    artist: ArtistId,
    tree: Beneath,
    before: Option<Freeze>,
}

/// Held while something is written.
struct Held(#[expect(dead_code, reason = "the lock lives as long as it is open")] OwnedFd);

impl MediaRoot {
    /// Opens an artist's tree for writing, with leave that the master gave at `granted_at`.
    pub fn writable(
        &self,
        artist: ArtistId,
        granted_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Writable, NotNow> {
        let before = self.last_freeze(artist)?;
        let since = granted_at - TimeDelta::seconds(CLOCK_OFF_MAX_S);
        if before.is_some_and(|f| f.expires_at > now || f.expires_at > since) {
            return Err(NotNow::Moving);
        }
        let mut tree = absent(Beneath::open(&self.tree(artist)))?.ok_or(NotNow::Gone)?;
        tree.notes = Some(Notes::of(self, artist));
        Ok(Writable { root: self.clone(), artist, tree, before })
    }

    /// Waits until whoever saw no freeze has written what they were writing.
    pub fn settle_writers(&self, artist: ArtistId) -> Result<(), RootError> {
        let path = self.tree(artist);
        let Some(tree) = absent(Beneath::open(&path))? else { return Ok(()) };
        // Each of them writes for an instant, and whoever comes now sees the freeze.
        loop {
            match fs::flock(&tree.fd, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                locked => return locked.doing("lock", &path),
            }
        }
    }
}

impl Writable {
    /// Whose.
    pub const fn artist(&self) -> ArtistId {
        self.artist
    }

    /// The tree, for reading.
    pub const fn tree(&self) -> &Beneath {
        &self.tree
    }

    pub(crate) const fn root(&self) -> &MediaRoot {
        &self.root
    }

    /// Writes something short, for an instant in which no move looks at the tree.
    pub fn write<T, E: From<NotNow>>(
        &self,
        act: impl FnOnce(&Beneath) -> Result<T, E>,
    ) -> Result<T, E> {
        let _held = self.hold()?;
        act(&self.tree)
    }

    fn hold(&self) -> Result<Held, NotNow> {
        // A lock belongs to the opened directory: each writer opens its own.
        let own = self.tree.dir(&TreePath::default()).doing("open", self.tree.path())?;
        fs::flock(&own, FlockOperation::LockShared).doing("lock", self.tree.path())?;
        let freeze = self.root.last_freeze(self.artist)?;
        let frozen = freeze.is_some_and(|f| f.expires_at > Utc::now());
        if frozen || (freeze.is_some() && freeze != self.before) {
            return Err(NotNow::Moving);
        }
        let path = self.root.tree(self.artist);
        let there = fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).doing("examine", &path);
        let there = absent(there)?;
        let held = fs::fstat(&own).doing("examine", &path)?;
        if there.is_some_and(|t| (t.st_dev, t.st_ino) == (held.st_dev, held.st_ino)) {
            return Ok(Held(own));
        }
        Err(NotNow::Gone)
    }

    /// The same for what reads first what it then changes: one at a time, and never between two
    /// halves of what the master is told.
    pub fn edit<T, E: From<NotNow>>(
        &self,
        act: impl FnOnce(&Beneath) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write(|tree| {
            let _turn = turn(tree).map_err(NotNow::Root)?;
            act(tree)
        })
    }
}

/// One at a time per tree.
pub(crate) fn turn(tree: &Beneath) -> Result<OwnedFd, RootError> {
    let path = uploads_dir();
    tree.make_dir(&path)?;
    lock_turn(tree, &path)
}

/// The same for who only reads, and makes nothing: `None` where nobody has ever edited.
pub(crate) fn turn_if_any(tree: &Beneath) -> Result<Option<OwnedFd>, RootError> {
    absent(lock_turn(tree, &uploads_dir()))
}

fn lock_turn(tree: &Beneath, path: &TreePath) -> Result<OwnedFd, RootError> {
    let dir = tree.dir(path).doing("open", &tree.shown(path))?;
    fs::flock(&dir, FlockOperation::LockExclusive).doing("lock", &tree.shown(path))?;
    Ok(dir)
}

/// Where uploads wait in a tree.
pub(crate) fn uploads_dir() -> TreePath {
    TreePath::known(UPLOADS)
}

impl Beneath {
    /// Renames within the tree. `false` when something has that name already: then nothing
    /// changes. Directories above the new name must be there.
    pub fn place(&self, from: &TreePath, to: &TreePath) -> Result<bool, RootError> {
        match self.rename(from, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(e) if e.source.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Renames within the tree, replacing a file.
    pub fn replace(&self, from: &TreePath, to: &TreePath) -> Result<(), RootError> {
        self.rename(from, to, RenameFlags::empty())
    }

    fn rename(&self, from: &TreePath, to: &TreePath, how: RenameFlags) -> Result<(), RootError> {
        self.note(from)?;
        self.note(to)?;
        self.at(from, |from_dir, from_name| {
            self.at(to, |to_dir, to_name| {
                fs::renameat_with(from_dir, from_name, to_dir, to_name, how)?;
                for dir in [from_dir, to_dir] {
                    let dir =
                        fs::openat(dir, c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
                    fs::fsync(dir?)?;
                }
                Ok(())
            })
        })
        .doing("rename", &self.shown(from))
    }

    /// All of a file that is at most `bytes_max` long; `None` when it is not there.
    pub fn read_all(&self, path: &TreePath, bytes_max: u64) -> Result<Option<Vec<u8>>, RootError> {
        let Some(file) = absent(self.read(path))? else { return Ok(None) };
        if file.identity.size > bytes_max {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than it may be");
            return Err(RootError::new("read", &self.shown(path), source));
        }
        let mut bytes = vec![0; usize::try_from(file.identity.size).unwrap_or(0)];
        let read = file.read_at(&mut bytes, 0).doing("read", &self.shown(path))?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Names in a directory, sorted by their bytes; none when there is no such directory.
    pub fn list(&self, path: &TreePath) -> Result<Vec<std::ffi::OsString>, RootError> {
        let dir = match self.dir(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            other => other.doing("list", &self.shown(path))?,
        };
        let mut names = crate::beneath::names(dir).doing("list", &self.shown(path))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Size of a regular file; `None` when there is none of this name.
    pub fn size(&self, path: &TreePath) -> Result<Option<u64>, RootError> {
        let is_file = |stat: &fs::Stat| {
            fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::RegularFile
        };
        match self.stat(path) {
            Ok(stat) if is_file(&stat) => Ok(u64::try_from(stat.st_size).ok()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error).doing("examine", &self.shown(path)),
        }
    }
}

#[cfg(test)]
mod tests;
