//! Manifests: what a tree is, file by file and slice by slice.
//!
//! A **segment** describes some entries and where their bytes are staged; the final
//! **manifest** describes the whole tree in the same terms, so that a target can verify it, and
//! fetch again whatever does not hash right.

use crate::TreePath;
use serde::{Deserialize, Serialize};
use tourbus_domain::JobId;

/// Some entries of a tree, as one export or sync staged them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The job.
    pub job_id: JobId,
    /// From 1, across all rounds of the job.
    pub number: u32,
    /// 0 while copying, then the round of the sync.
    pub round: u32,
    /// Files may be in parts: the slices of one file can be spread over several segments.
    pub entries: Vec<Entry>,
}

/// The whole tree, the truth that a target is verified against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The job.
    pub job_id: JobId,
    /// The round of the sync that wrote it.
    pub round: u32,
    /// Every entry, the tree's own directory first, sorted by path; files with all slices.
    pub entries: Vec<Entry>,
}

/// One file, directory or symlink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where in the tree.
    pub path: TreePath,
    /// Permission bits (`0o7777`); of a symlink, unused and 0.
    pub mode: u32,
    /// Modification time.
    pub mtime: Stamp,
    /// What it is.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// A point in time as file systems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Seconds since the Unix epoch; may be negative.
    pub s: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub ns: u32,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A regular file.
    File {
        /// Size in bytes.
        size: u64,
        /// Its bytes, in order; in a segment perhaps only some of them.
        slices: Vec<Slice>,
    },
    /// A symlink; recorded, never followed.
    Symlink {
        /// Where it points, as it is; escaped like a path but otherwise unchecked.
        target: LinkTarget,
    },
}

/// What a symlink points to: any bytes. Escaped text, as in [`TreePath`], in JSON as hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkTarget(#[serde(with = "hex::serde")] pub Vec<u8>);

/// A run of a file's bytes, and where it is staged. A chunk may hold slices of many files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Where in the file.
    pub offset: u64,
    /// How many bytes; never 0.
    pub len: u64,
    /// BLAKE3 of these bytes.
    pub blake3: Digest,
    /// Which chunk object, as in [`crate::names::chunk`].
    pub chunk: ChunkId,
    /// Where in the chunk object.
    pub chunk_offset: u64,
}

/// A BLAKE3 hash; hex in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "hex::serde")] pub [u8; 32]);

impl Digest {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A chunk object of a job: the epoch of the try that staged it keeps two tries apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId {
    /// The epoch of the try that staged it.
    pub epoch: u64,
    /// From 1 within that try.
    pub n: u32,
}
