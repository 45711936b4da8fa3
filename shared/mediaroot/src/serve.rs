//! Finding and opening what listeners ask for, while workers move trees to and fro.
//!
//! A worker that retires an artist writes the forwarding, renames the tree aside, removes the
//! link, in this order. A worker that promotes one renames the tree in, then makes the link; a
//! forwarding of an earlier stay is left, because a tree that is here wins over it. So at every
//! instant there is a link to a tree, or a forwarding; but our look-ups are several instants. When they find neither, a worker has been between them, and
//! looking again finds what it made.
//!
//! *Invariant:* an open file stays what it is: a rename or a purge never breaks a stream.

use crate::{
    MediaRoot,
    beneath::{Beneath, DIR_FLAGS},
};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};
use tourbus_domain::{ArtistId, Slug};
use tourbus_protocol::TreePath;

/// How often a look-up starts over. Each time, an artist must have left or come back in the
/// microseconds between two look-ups.
const LOOKS_MAX: usize = 8;
/// Longest forwarding that is read, in bytes.
const FORWARDING_BYTES_MAX: usize = 4096;

/// Whether a look-up may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only what the kernel has in memory; otherwise `WouldBlock`. For calls on a reactor thread.
    Cached,
    /// As long as it takes.
    Disk,
}

/// Where an artist is, as this server knows.
#[derive(Debug)]
pub enum Place {
    /// Here.
    Here(Tree),
    /// Moved away; the base URL of the new home, without a trailing slash.
    Moved(String),
    /// This server has never heard of the artist, or has forgotten.
    Nowhere,
}

/// What a request for a file finds.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(OpenFile),
    /// The artist has moved away; the base URL of the new home, without a trailing slash.
    Moved(String),
    /// The artist is here, the file is not (or is a directory, a symlink, a FIFO, …).
    NoFile,
    /// No such artist.
    NoArtist,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The descriptor.
    pub fd: OwnedFd,
    /// Whose it is.
    pub artist: ArtistId,
    /// Size when it was opened.
    pub bytes: u64,
    /// Modification time: whole seconds since 1970.
    pub mtime_s: i64,
    /// Modification time: nanoseconds within the second.
    pub mtime_ns: u32,
}

/// An artist's tree, held open: it can be renamed meanwhile.
#[derive(Debug)]
pub struct Tree {
    /// Whose it is.
    pub artist: ArtistId,
    dir: OwnedFd,
}

impl MediaRoot {
    /// Where an artist is. `WouldBlock` only with [`Patience::Cached`].
    pub fn find(&self, slug: &Slug, patience: Patience) -> io::Result<Place> {
        for _ in 0..LOOKS_MAX {
            if let Some(tree) = self.tree_of(slug, patience)? {
                return Ok(Place::Here(tree));
            }
            if let Some(home) = self.forwarding(slug)? {
                return Ok(Place::Moved(home));
            }
        }
        Ok(Place::Nowhere)
    }

    /// Opens a file of an artist. `WouldBlock` only with [`Patience::Cached`];
    /// `PermissionDenied` when the file is there but unreadable.
    pub fn open(&self, slug: &Slug, path: &TreePath, patience: Patience) -> io::Result<Found> {
        self.open_beside(slug, path, None, patience).map(|(found, _)| found)
    }

    /// The same, and whether there is another file, `beside`, in the same tree.
    pub fn open_beside(
        &self,
        slug: &Slug,
        path: &TreePath,
        beside: Option<&TreePath>,
        patience: Patience,
    ) -> io::Result<(Found, bool)> {
        for _ in 0..LOOKS_MAX {
            let tree = match self.find(slug, patience)? {
                Place::Here(tree) => tree,
                Place::Moved(home) => return Ok((Found::Moved(home), false)),
                Place::Nowhere => return Ok((Found::NoArtist, false)),
            };
            if let Some(file) = tree.open(path, patience)? {
                let beside = match beside {
                    Some(beside) => tree.open(beside, patience)?.is_some(),
                    None => false,
                };
                return Ok((Found::File(file), beside));
            }
            // A tree that was set aside is purged later on: only a tree that still stands says
            // that there is no such file.
            if self.still_stands(&tree)? {
                return Ok((Found::NoFile, false));
            }
        }
        Ok((Found::NoFile, false))
    }

    fn tree_of(&self, slug: &Slug, patience: Patience) -> io::Result<Option<Tree>> {
        let Some(target) = absent(fs::readlinkat(CWD, self.by_slug(slug), Vec::new()))? else {
            return Ok(None);
        };
        let named = target.to_str().ok().and_then(|t| t.parse::<ArtistId>().ok());
        let artist = named.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("by-slug/{slug} names no artist"))
        })?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The media root itself may be reached through symlinks: an administrator's affair.
        let resolve = ResolveFlags::NO_MAGICLINKS;
        let dir = open_at(CWD, &self.tree(artist), flags, resolve, patience)?;
        Ok(dir.map(|dir| Tree { artist, dir }))
    }

    fn forwarding(&self, slug: &Slug) -> io::Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some(fd) = absent(fs::openat(CWD, self.moved(slug), flags, Mode::empty()))? else {
            return Ok(None);
        };
        let mut text = Vec::with_capacity(FORWARDING_BYTES_MAX);
        rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut text))?;
        let url = std::str::from_utf8(&text).unwrap_or_default().trim().trim_end_matches('/');
        let plain = url.bytes().all(|b| b.is_ascii_graphic());
        if plain && (url.starts_with("http://") || url.starts_with("https://")) {
            return Ok(Some(url.to_owned()));
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("moved/{slug} holds no base URL")))
    }

    fn still_stands(&self, tree: &Tree) -> io::Result<bool> {
        let path = self.tree(tree.artist);
        let now = absent(fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW))?;
        let held = fs::fstat(&tree.dir)?;
        Ok(now.is_some_and(|n| (n.st_dev, n.st_ino) == (held.st_dev, held.st_ino)))
    }
}

impl Tree {
    /// Opens a regular file beneath the tree, through no symlink; `None` when there is none.
    pub fn open(&self, path: &TreePath, patience: Patience) -> io::Result<Option<OpenFile>> {
        // Without NONBLOCK, opening a FIFO would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Some(fd) = self.open_beneath(path, flags, patience)? else { return Ok(None) };
        let stat = fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        Ok(Some(opened(fd, self.artist, &stat)))
    }

    /// The same tree, for all that can be done with one.
    pub fn beneath(&self) -> io::Result<Beneath> {
        let fd = fs::openat(&self.dir, c".", DIR_FLAGS, Mode::empty())?;
        Ok(Beneath { fd, shown: self.artist.to_string().into(), notes: None })
    }

    fn open_beneath(
        &self,
        path: &TreePath,
        flags: OFlags,
        patience: Patience,
    ) -> io::Result<Option<OwnedFd>> {
        if path.is_root() {
            return Ok(None);
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        open_at(self.dir.as_fd(), path.as_path(), flags, resolve, patience)
    }
}

fn opened(fd: OwnedFd, artist: ArtistId, stat: &Stat) -> OpenFile {
    OpenFile {
        fd,
        artist,
        bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_s: stat.st_mtime,
        mtime_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    }
}

/// "It is not there", in all the ways the kernel says so, as `None`.
fn absent<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        // LOOP and XDEV: a symlink in the way. NXIO: a socket. ISDIR: never asked for.
        Err(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NXIO
            | Errno::ISDIR
            | Errno::NAMETOOLONG,
        ) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Set once the kernel (or a container's filter) has refused openat2, which is Linux 5.6.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

fn open_at(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
    patience: Patience,
) -> io::Result<Option<OwnedFd>> {
    let cached = patience == Patience::Cached;
    if !NO_OPENAT2.load(Relaxed) {
        let how = if cached { resolve | ResolveFlags::CACHED } else { resolve };
        match fs::openat2(dir, path, flags, Mode::empty(), how) {
            Err(Errno::NOSYS | Errno::PERM) => NO_OPENAT2.store(true, Relaxed),
            // INVAL: the kernel is older than RESOLVE_CACHED (5.12).
            Err(Errno::AGAIN | Errno::INVAL) if cached => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            other => return absent(other),
        }
    }
    if cached {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    if resolve.contains(ResolveFlags::BENEATH) {
        absent(walk(dir, path, flags))
    } else {
        absent(fs::openat(dir, path, flags, Mode::empty()))
    }
}

/// `openat2` beneath a directory and through no symlink, made of steps of one component.
fn walk(dir: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let parts: Vec<&[u8]> = path.as_os_str().as_bytes().split(|b| *b == b'/').collect();
    let (last, above) = parts.split_last().ok_or(Errno::NOENT)?;
    let mut held: Option<OwnedFd> = None;
    for part in above {
        let from = held.as_ref().map_or(dir, OwnedFd::as_fd);
        held = Some(fs::openat(from, *part, through, Mode::empty())?);
    }
    let from = held.as_ref().map_or(dir, OwnedFd::as_fd);
    fs::openat(from, *last, flags | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests;
