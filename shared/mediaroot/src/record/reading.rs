//! A reading under way: what was read so far survives the death of whoever reads.

use super::{Known, Piece, READING, Record, is_recorded};
use crate::{
    Identity, RootError, Writable,
    atomic::{self, Durable},
    error::Doing,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};
use tourbus_domain::JobId;
use tourbus_protocol::{Stamp, TreePath};
use uuid::Uuid;

/// A piece of a file of which no record says otherwise, in bytes.
const PIECE_BYTES: u64 = 16 << 20;

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Its bytes, in order.
    Pieces(Vec<Piece>),
    /// The disk does not give it back, and why.
    Fault(String),
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Stamp,
    /// What reading gave.
    pub read: Read,
}

impl Fact {
    /// As a record has it; none when it could not be read.
    pub fn known(&self) -> Option<Known> {
        let Read::Pieces(pieces) = &self.read else { return None };
        Some(Known { size: self.size, mtime: self.mtime, pieces: pieces.clone() })
    }

    /// All that the file is, in one hash, hex; empty when it could not be read.
    pub fn state(&self) -> String {
        let Read::Pieces(pieces) = &self.read else { return String::new() };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.size.to_le_bytes());
        for piece in pieces {
            hasher.update(&piece.len.to_le_bytes());
            hasher.update(&piece.blake3.0);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The first line of the notes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    job: JobId,
    /// The record that it is compared with.
    with: Option<Uuid>,
}

/// Each further line: some more of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    path: TreePath,
    identity: Identity,
    /// Which piece is the first of these.
    from: usize,
    read: Read,
    /// Nothing of the file is left to be read.
    whole: bool,
    /// How long that took, in milliseconds.
    ms: u64,
}

/// How far a file is.
#[derive(Debug, Clone)]
struct Begun {
    identity: Identity,
    read: Read,
    whole: bool,
}

/// All that a job has read of an artist's files.
#[derive(Debug)]
pub struct Reading {
    file: File,
    path: PathBuf,
    with: Option<Record>,
    begun: BTreeMap<TreePath, Begun>,
    facts: BTreeMap<TreePath, Fact>,
    took_ms: u64,
}

impl Reading {
    /// Takes up the reading of this job, or begins it. `None` when the artist is gone.
    pub fn open(tree: &Writable, job: JobId) -> Result<Option<Self>, RootError> {
        let (root, artist) = (tree.root(), tree.artist());
        let path = root.record_part(artist, READING);
        let text = super::read_text(&path)?;
        let mut lines = text.lines();
        let head = lines.next().and_then(|l| serde_json::from_str::<Head>(l).ok());
        let same = head.as_ref().is_some_and(|h| h.job == job);
        if !same && tree.set_notes_aside()?.is_none() {
            return Ok(None);
        }
        // Only now: whoever writes from here on notes it anew.
        let with = root.read_record(artist)?;
        let id = with.as_ref().map(|r| r.id);
        let head = head.filter(|h| same && h.with == id);
        let mut begun = BTreeMap::new();
        let mut took_ms = 0;
        if head.is_some() {
            // The last line may be torn.
            for line in lines.filter_map(|l| serde_json::from_str::<Line>(l).ok()) {
                took_ms += line.ms;
                add(&mut begun, line);
            }
        } else {
            let mut first = serde_json::to_vec(&Head { job, with: id })
                .map_err(std::io::Error::from)
                .doing("write", &path)?;
            first.push(b'\n');
            atomic::write(&path, &first, Durable::No)?;
        }
        let mut file = File::options().append(true).open(&path).doing("write", &path)?;
        // After a torn line the next one must begin on its own.
        file.write_all(b"\n").doing("write", &path)?;
        Ok(Some(Self { file, path, with, begun, facts: BTreeMap::new(), took_ms }))
    }

    /// Which record it is compared with.
    pub fn compared_with(&self) -> Option<Uuid> {
        self.with.as_ref().map(|r| r.id)
    }

    /// What was read of the tree as it was last walked.
    pub const fn facts(&self) -> &BTreeMap<TreePath, Fact> {
        &self.facts
    }

    /// How long reading has taken, over all tries, in milliseconds.
    pub const fn took_ms(&self) -> u64 {
        self.took_ms
    }

    /// How long the pieces of a file of this size are: as the record has them, so that each can be
    /// compared.
    pub fn plan(&self, path: &TreePath, size: u64) -> Vec<u64> {
        let known = self.with.as_ref().and_then(|r| r.files.get(path));
        if let Some(known) = known.filter(|k| k.size == size) {
            return known.pieces.iter().map(|p| p.len).collect();
        }
        let (full, rest) = (size / PIECE_BYTES, size % PIECE_BYTES);
        let mut plan = vec![PIECE_BYTES; usize::try_from(full).unwrap_or(0)];
        plan.extend((rest > 0).then_some(rest));
        plan
    }

    /// The pieces of a file that were read before, if it is still what it was then; and whether
    /// that is all of it.
    pub fn resumed(&mut self, path: &TreePath, now: &Identity) -> (Vec<Piece>, bool) {
        match self.begun.get(path) {
            Some(begun) if begun.identity == *now => {
                if begun.whole {
                    self.facts.insert(path.clone(), fact(now, begun.read.clone()));
                }
                match &begun.read {
                    Read::Pieces(pieces) => (pieces.clone(), begun.whole),
                    Read::Fault(_) => (Vec::new(), begun.whole),
                }
            }
            _ => (Vec::new(), false),
        }
    }

    /// Keeps some more of a file: the pieces from number `from` on, or why there are none.
    pub fn keep(
        &mut self,
        path: &TreePath,
        identity: Identity,
        from: usize,
        read: Read,
        whole: bool,
        ms: u64,
    ) -> Result<(), RootError> {
        let line = Line { path: path.clone(), identity, from, read, whole, ms };
        let mut text =
            serde_json::to_vec(&line).map_err(std::io::Error::from).doing("write", &self.path)?;
        text.push(b'\n');
        self.file.write_all(&text).doing("write", &self.path)?;
        self.took_ms += ms;
        add(&mut self.begun, line);
        if whole && let Some(begun) = self.begun.get(path) {
            self.facts.insert(path.clone(), fact(&identity, begun.read.clone()));
        }
        Ok(())
    }

    /// It is over.
    pub(super) fn forget(&self) -> Result<(), RootError> {
        forget(&self.path)
    }

    /// Whether files of this path are read at all.
    pub fn concerns(path: &TreePath) -> bool {
        is_recorded(path)
    }
}

fn forget(path: &Path) -> Result<(), RootError> {
    atomic::remove(path).map(|_| ())
}

const fn fact(identity: &Identity, read: Read) -> Fact {
    Fact { size: identity.size, mtime: identity.mtime, read }
}

/// Puts a line to those of its file; what does not fit begins it anew.
fn add(begun: &mut BTreeMap<TreePath, Begun>, line: Line) {
    let Line { path, identity, from, read, whole, .. } = line;
    if let (Read::Pieces(more), Some(before)) = (&read, begun.get_mut(&path))
        && let Read::Pieces(pieces) = &mut before.read
        && before.identity == identity
        && pieces.len() == from
    {
        pieces.extend_from_slice(more);
        before.whole = whole;
        return;
    }
    if from == 0 || matches!(read, Read::Fault(_)) {
        begun.insert(path, Begun { identity, read, whole });
    } else {
        begun.remove(&path);
    }
}
