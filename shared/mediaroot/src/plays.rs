//! The spool of plays: what the media service has counted, until the worker has delivered it.
//!
//! ```text
//! plays/open-<id>      lines that one media process appends; locked while it lives
//! plays/<id>.closed    a batch on its way to the master
//! plays/<id>.sent      delivered; kept while its listeners' marks still count
//! plays/secret.json    what listeners' marks are made with, this period's and the last one's
//! ```
//!
//! A line is one play. It is one write of an open file: the death of a process loses none.
//!
//! *Invariant:* a play is in exactly one of these files, and each batch is applied once: the
//! master knows it by its id.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError, absent},
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tourbus_domain::ArtistId;
use tourbus_protocol::TreePath;
use uuid::Uuid;

const OPEN: &str = "open-";
const CLOSED: &str = "closed";
const SENT: &str = "sent";

/// One play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// When, in seconds since 1970.
    #[serde(rename = "t")]
    pub at_s: i64,
    /// The listener's mark for this song: says nothing without the period's secret.
    #[serde(rename = "m")]
    pub mark: String,
    /// Whose song.
    #[serde(rename = "a")]
    pub artist: ArtistId,
    /// Where it is in the artist's tree.
    #[serde(rename = "p")]
    pub path: TreePath,
}

/// The file that a media process appends to. Dropped, it stands open until somebody closes it.
#[derive(Debug)]
pub struct PlayJournal {
    root: MediaRoot,
    id: Uuid,
    file: File,
    lines: usize,
}

impl PlayJournal {
    /// Begins a file of its own.
    pub fn begin(root: &MediaRoot) -> Result<Self, RootError> {
        let dir = root.plays();
        fs::create_dir_all(&dir).doing("make", &dir)?;
        let id = Uuid::now_v7();
        let path = open_path(&dir, id);
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .doing("create", &path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).doing("lock", &path)?;
        Ok(Self { root: root.clone(), id, file, lines: 0 })
    }

    /// Appends a play.
    pub fn append(&mut self, play: &Play) -> Result<(), RootError> {
        let path = open_path(&self.root.plays(), self.id);
        let mut line =
            serde_json::to_vec(play).map_err(std::io::Error::from).doing("write", &path)?;
        line.push(b'\n');
        self.file.write_all(&line).doing("write", &path)?;
        self.lines += 1;
        Ok(())
    }

    /// Plays in it.
    pub const fn len(&self) -> usize {
        self.lines
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Hands it to the worker. Waits for the disk.
    pub fn close(self) -> Result<(), RootError> {
        let dir = self.root.plays();
        self.file.sync_data().doing("flush", &open_path(&dir, self.id))?;
        close(&dir, self.id)
    }
}

fn open_path(dir: &Path, id: Uuid) -> PathBuf {
    dir.join(format!("{OPEN}{id}"))
}

fn with_end(dir: &Path, id: Uuid, end: &str) -> PathBuf {
    dir.join(format!("{id}.{end}"))
}

fn close(dir: &Path, id: Uuid) -> Result<(), RootError> {
    atomic::rename(&open_path(dir, id), &with_end(dir, id, CLOSED), Durable::Yes)
}

/// Which of the spool's files a name is.
enum Named {
    Open(Uuid),
    Closed(Uuid),
    Sent(Uuid),
}

fn named(name: &str) -> Option<Named> {
    if let Some(id) = name.strip_prefix(OPEN) {
        return id.parse().ok().map(Named::Open);
    }
    let (id, end) = name.split_once('.')?;
    let id = id.parse().ok()?;
    match end {
        CLOSED => Some(Named::Closed(id)),
        SENT => Some(Named::Sent(id)),
        _ => None,
    }
}

impl MediaRoot {
    fn spooled(&self) -> Result<Vec<Named>, RootError> {
        let dir = self.plays();
        let Some(entries) = absent(fs::read_dir(&dir).doing("list", &dir))? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.doing("list", &dir)?.file_name();
            found.extend(name.to_str().and_then(named));
        }
        Ok(found)
    }

    /// Closes the files of media processes that have died. How many there were.
    pub fn close_orphaned_plays(&self) -> Result<usize, RootError> {
        let dir = self.plays();
        let mut closed = 0;
        for found in self.spooled()? {
            let Named::Open(id) = found else { continue };
            let path = open_path(&dir, id);
            let Some(file) = absent(File::open(&path).doing("open", &path))? else { continue };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            if file.metadata().doing("examine", &path)?.len() == 0 {
                atomic::remove(&path)?;
                continue;
            }
            // Its owner may have turned it a moment ago.
            if absent(close(&dir, id))?.is_some() {
                closed += 1;
            }
        }
        Ok(closed)
    }

    /// Batches that wait for delivery, the oldest first.
    pub fn closed_plays(&self) -> Result<Vec<Uuid>, RootError> {
        let mut ids: Vec<Uuid> = self
            .spooled()?
            .into_iter()
            .filter_map(|n| if let Named::Closed(id) = n { Some(id) } else { None })
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The plays of a closed batch. A line that a power cut has cut off is passed over.
    pub fn read_plays(&self, batch: Uuid) -> Result<Vec<Play>, RootError> {
        read(&with_end(&self.plays(), batch, CLOSED))
    }

    /// Notes that a batch is delivered.
    pub fn plays_sent(&self, batch: Uuid) -> Result<(), RootError> {
        let dir = self.plays();
        let (from, to) = (with_end(&dir, batch, CLOSED), with_end(&dir, batch, SENT));
        atomic::rename(&from, &to, Durable::Yes)
    }

    /// Every play since `after_s` that the spool still holds, delivered or not.
    pub fn recent_plays(&self, after_s: i64) -> Result<Vec<Play>, RootError> {
        let dir = self.plays();
        let mut plays = Vec::new();
        for found in self.spooled()? {
            let path = match found {
                Named::Open(id) => open_path(&dir, id),
                Named::Closed(id) => with_end(&dir, id, CLOSED),
                Named::Sent(id) => with_end(&dir, id, SENT),
            };
            let held = absent(read(&path))?.unwrap_or_default();
            plays.extend(held.into_iter().filter(|p| p.at_s >= after_s));
        }
        Ok(plays)
    }

    /// Removes delivered batches older than `keep`. How many.
    pub fn forget_sent_plays(&self, keep: Duration) -> Result<u64, RootError> {
        let dir = self.plays();
        let oldest = SystemTime::now().checked_sub(keep);
        let mut forgotten = 0;
        for found in self.spooled()? {
            let Named::Sent(id) = found else { continue };
            let path = with_end(&dir, id, SENT);
            let changed =
                absent(fs::metadata(&path).and_then(|m| m.modified()).doing("examine", &path))?;
            if changed < oldest {
                forgotten += u64::from(atomic::remove(&path)?);
            }
        }
        Ok(forgotten)
    }
}

fn read(path: &Path) -> Result<Vec<Play>, RootError> {
    let bytes = fs::read(path).doing("read", path)?;
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    Ok(lines.filter_map(|l| serde_json::from_slice(l).ok()).collect())
}

#[cfg(test)]
mod tests;
