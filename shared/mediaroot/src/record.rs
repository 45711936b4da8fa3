//! What an artist's files were, so that a later reading can tell whether they still are.
//!
//! ```text
//! .tourbus/records/<artist>.json     every file: size, modification time, hashes of its pieces
//! .tourbus/records/<artist>.placed   paths that Tourbus has written since, one a line
//! .tourbus/records/<artist>.before   the same from before the reading that is under way
//! .tourbus/records/<artist>.reading  what that reading has read so far
//! ```
//!
//! A move writes the record (its manifest was verified byte for byte), and so does each reading.
//! Whoever writes to a tree by [`Writable`] notes the path *before* it writes: a process that dies
//! in between leaves a note too many, which hides one change of one file for one reading; one too
//! few would call an artist's upload damage.
//!
//! *Invariant:* a record holds what a file was when it was right. What is found wrong stays in it as
//! it was, until a person accepts what is there now.

mod compare;
mod reading;

pub use compare::{Compared, Comparison, FINDINGS_MAX};
pub use reading::{Fact, Read, Reading};

use crate::{
    MediaRoot, RootError, Writable,
    atomic::{self, Durable},
    beneath::Beneath,
    error::{Doing, absent},
    writing::UPLOADS,
};
use chrono::{DateTime, Utc};
use rustix::fs::{AtFlags, CWD, FlockOperation};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tourbus_domain::ArtistId;
use tourbus_protocol::{
    EntryKind, Manifest, Stamp, TreePath,
    manifest::Digest,
    page::{About, IMPORT_DIR},
};
use uuid::Uuid;

/// Records of artists who do not live here any more are kept this long: an arriving tree has its
/// record an instant before it is in its place.
const LEFT_KEEP: Duration = Duration::from_hours(1);
/// The record.
const RECORD: &str = "json";
/// Paths that were written.
const PLACED: &str = "placed";
/// Those from before a reading.
const BEFORE: &str = "before";
/// The reading itself.
const READING: &str = "reading";

/// A run of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// How many bytes.
    pub len: u64,
    /// Their BLAKE3.
    pub blake3: Digest,
}

/// What a file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Stamp,
    /// Its bytes, in order, without gaps.
    pub pieces: Vec<Piece>,
}

/// What all files of an artist were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// This very record: a reading that was begun with another one does not replace it.
    pub id: Uuid,
    /// When it was written, on this server's clock.
    pub at: DateTime<Utc>,
    /// Every file that is compared.
    pub files: BTreeMap<TreePath, Known>,
    /// What the page names and a person has called right to be gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gone: BTreeSet<TreePath>,
}

impl Record {
    /// Of these files, as of now.
    pub fn new(files: BTreeMap<TreePath, Known>) -> Self {
        Self { id: Uuid::new_v4(), at: Utc::now(), files, gone: BTreeSet::new() }
    }

    /// Of a tree that was made equal to this manifest.
    pub fn of_manifest(manifest: &Manifest) -> Self {
        let known = |entry: &tourbus_protocol::Entry| match &entry.kind {
            EntryKind::File { size, slices } if is_recorded(&entry.path) => {
                let piece = |s: &tourbus_protocol::Slice| Piece { len: s.len, blake3: s.blake3 };
                let pieces = slices.iter().map(piece).collect();
                Some((entry.path.clone(), Known { size: *size, mtime: entry.mtime, pieces }))
            }
            _ => None,
        };
        Self::new(manifest.entries.iter().filter_map(known).collect())
    }
}

/// Whether files of this path are compared at all: not what is still being uploaded, nor what
/// somebody drops to be imported.
pub fn is_recorded(path: &TreePath) -> bool {
    let top = path.as_bytes().split(|b| *b == b'/').next().unwrap_or_default();
    !path.is_root() && top != UPLOADS.as_bytes() && top != IMPORT_DIR.as_bytes()
}

/// Paths that Tourbus has written to, or was about to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed(HashSet<TreePath>);

impl Placed {
    /// Whether this path, or a directory above it, is among them.
    pub fn has(&self, path: &TreePath) -> bool {
        let mut bytes = path.as_bytes();
        loop {
            if TreePath::new(bytes).is_ok_and(|p| self.0.contains(&p)) {
                return true;
            }
            let Some(at) = bytes.iter().rposition(|b| *b == b'/') else { return false };
            bytes = &bytes[..at];
        }
    }
}

impl FromIterator<TreePath> for Placed {
    fn from_iter<I: IntoIterator<Item = TreePath>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

/// Where a tree's writers note what they write.
#[derive(Debug, Clone)]
pub(crate) struct Notes(PathBuf);

impl Notes {
    pub(crate) fn of(root: &MediaRoot, artist: ArtistId) -> Self {
        Self(root.record_part(artist, PLACED))
    }

    /// Notes, durably, that this path is about to be written.
    pub(crate) fn add(&self, path: &TreePath) -> Result<(), RootError> {
        if !is_recorded(path) {
            return Ok(());
        }
        let shown = &self.0;
        let open = || fs::File::options().read(true).append(true).create(true).open(shown);
        let mut file = if let Some(file) = absent(open().doing("write", shown))? {
            file
        } else {
            let dir = shown.parent().unwrap_or(shown);
            fs::create_dir_all(dir).doing("make", dir)?;
            open().doing("write", shown)?
        };
        let mut noted = String::new();
        file.read_to_string(&mut noted).doing("read", shown)?;
        let line = path.to_string();
        if noted.lines().any(|l| l == line) {
            return Ok(());
        }
        // What a power cut has torn must not swallow this one.
        let torn = !noted.is_empty() && !noted.ends_with('\n');
        let line = format!("{}{line}\n", if torn { "\n" } else { "" });
        file.seek(SeekFrom::End(0)).doing("write", shown)?;
        file.write_all(line.as_bytes()).doing("write", shown)?;
        file.sync_data().doing("flush", shown)?;
        if noted.is_empty() {
            atomic::sync_dir(shown.parent().unwrap_or(shown))?;
        }
        Ok(())
    }
}

/// How committing a reading ended.
#[derive(Debug)]
pub enum Commit {
    /// The record is replaced.
    Done(Box<Compared>),
    /// The artist does not live here any more.
    Gone,
    /// Another record has come meanwhile: all must be read again.
    Overtaken,
}

impl MediaRoot {
    /// All records.
    pub fn records_all(&self) -> PathBuf {
        self.path().join(".tourbus/records")
    }

    pub(crate) fn record_part(&self, artist: ArtistId, part: &str) -> PathBuf {
        self.records_all().join(format!("{artist}.{part}"))
    }

    /// Where an artist's record is.
    pub fn record(&self, artist: ArtistId) -> PathBuf {
        self.record_part(artist, RECORD)
    }

    /// What an artist's files were; none when nobody has ever read them.
    pub fn read_record(&self, artist: ArtistId) -> Result<Option<Record>, RootError> {
        atomic::read_json(&self.record(artist))
    }

    /// A tree that was made equal to a manifest is about to be in its place. Whatever was known of
    /// an earlier stay counts no more.
    pub fn record_arrival(&self, artist: ArtistId, record: &Record) -> Result<(), RootError> {
        let dir = self.records_all();
        fs::create_dir_all(&dir).doing("make", &dir)?;
        atomic::write_json(&self.record(artist), record, Durable::Yes)?;
        for part in [PLACED, BEFORE, READING] {
            atomic::remove(&self.record_part(artist, part))?;
        }
        Ok(())
    }

    fn placed(&self, artist: ArtistId) -> Result<Placed, RootError> {
        let mut paths = HashSet::new();
        for part in [PLACED, BEFORE] {
            let text = read_text(&self.record_part(artist, part))?;
            paths.extend(text.lines().filter_map(|l| TreePath::parse(l).ok()));
        }
        Ok(Placed(paths))
    }

    /// Removes what is known of artists who have left. How many files.
    pub(crate) fn clean_records(&self, now: DateTime<Utc>) -> Result<u64, RootError> {
        let dir = self.records_all();
        let oldest = SystemTime::from(now).checked_sub(LEFT_KEEP);
        let mut cleaned = 0;
        let Some(entries) = absent(fs::read_dir(&dir).doing("list", &dir))? else { return Ok(0) };
        for entry in entries {
            let entry = entry.doing("list", &dir)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // What is half written is called like what it becomes, with a dot before.
            let id = name.trim_start_matches('.').split('.').next().and_then(|n| n.parse().ok());
            let Some(id) = id else { continue };
            if self.tree(id).exists() && !name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let found =
                absent(entry.metadata().and_then(|m| m.modified()).doing("examine", &path))?;
            if found.is_some_and(|at| Some(at) < oldest) {
                cleaned += u64::from(atomic::remove(&path)?);
            }
        }
        Ok(cleaned)
    }
}

fn read_text(path: &Path) -> Result<String, RootError> {
    let bytes = absent(fs::read(path).doing("read", path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Nobody writes to the tree while it lives.
struct Alone(#[expect(dead_code, reason = "the lock lives as long as it is open")] OwnedFd);

impl Writable {
    /// Waits for who is just writing; each of them writes for an instant. `None` when this tree is
    /// not in its place any more.
    fn alone(&self) -> Result<Option<Alone>, RootError> {
        let shown = self.tree().path();
        let own = self.tree().dir(&TreePath::default()).doing("open", shown)?;
        loop {
            match rustix::fs::flock(&own, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                locked => break locked.doing("lock", shown)?,
            }
        }
        let path = self.root().tree(self.artist());
        let there = rustix::fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW);
        let there = absent(there.doing("examine", &path))?;
        let held = rustix::fs::fstat(&own).doing("examine", &path)?;
        let here = there.is_some_and(|t| (t.st_dev, t.st_ino) == (held.st_dev, held.st_ino));
        Ok(here.then_some(Alone(own)))
    }

    /// From now on, notes are of what is written during a reading; those from before are kept until
    /// it has ended. `None` when the artist is gone.
    fn set_notes_aside(&self) -> Result<Option<()>, RootError> {
        let Some(_alone) = self.alone()? else { return Ok(None) };
        let (root, artist) = (self.root(), self.artist());
        let dir = root.records_all();
        fs::create_dir_all(&dir).doing("make", &dir)?;
        let (placed, before) = (root.record_part(artist, PLACED), root.record_part(artist, BEFORE));
        if before.exists() {
            // A reading that never ended had set some aside: all of them count.
            let both = [read_text(&before)?, read_text(&placed)?].join("\n");
            atomic::write(&before, both.as_bytes(), Durable::Yes)?;
            atomic::remove(&placed)?;
        } else {
            absent(atomic::rename(&placed, &before, Durable::Yes))?;
        }
        Ok(Some(()))
    }

    /// Compares a reading that is whole with the record, and replaces the record, in one instant in
    /// which nobody writes.
    pub fn commit_reading(
        &self,
        reading: &Reading,
        accepted: &[tourbus_domain::Accepted],
    ) -> Result<Commit, crate::Unreadable> {
        let Some(_alone) = self.alone()? else { return Ok(Commit::Gone) };
        let (root, artist) = (self.root(), self.artist());
        let before = root.read_record(artist)?;
        if before.as_ref().map(|r| r.id) != reading.compared_with() {
            reading.forget()?;
            return Ok(Commit::Overtaken);
        }
        let placed = root.placed(artist)?;
        let about = crate::about(self.tree())?;
        let compared = Comparison {
            before: before.as_ref(),
            read: reading.facts(),
            placed: &placed,
            lost: &lost(self.tree(), &about)?,
            accepted,
        }
        .run();
        atomic::write_json(&root.record(artist), &compared.record, Durable::Yes)?;
        // Dying here keeps notes too many, for one reading.
        atomic::remove(&root.record_part(artist, BEFORE))?;
        reading.forget()?;
        Ok(Commit::Done(Box::new(compared)))
    }
}

/// Songs that the artist's page names, and that are not there at this moment.
fn lost(tree: &Beneath, about: &About) -> Result<Vec<TreePath>, RootError> {
    let mut lost = Vec::new();
    for song in &about.songs {
        if is_recorded(&song.path) && tree.size(&song.path)?.is_none() {
            lost.push(song.path.clone());
        }
    }
    Ok(lost)
}

#[cfg(test)]
mod tests;
