//! What of a tree is staged: one record per segment, beside the media tree.
//!
//! Not flushed to the disk: the death of a worker loses nothing, and after a power cut the worst
//! is that bytes are staged again, for promotion verifies everything against the manifest.

use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tourbus_domain::{JobId, SegmentRef};
use tourbus_mediaroot::{
    Identity, MediaRoot, RootError,
    atomic::{self, Durable},
};
use tourbus_protocol::{EntryKind, Segment, Slice, TreePath};

/// Chunk numbers of one run. A repeated delivery runs under the same epoch, and must not write
/// over chunks of the run before it.
const CHUNKS_PER_RUN: u32 = 10_000_000;
/// Runs whose chunk numbers are apart; then they start over.
const RUNS: u32 = u32::MAX / CHUNKS_PER_RUN;

/// One segment, as staged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// As announced.
    pub reference: SegmentRef,
    /// What it holds.
    pub segment: Segment,
    /// What each of its files was when it was read; in the order of its entries.
    pub identities: Vec<Identity>,
}

/// All segments of a job so far.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    segments: Vec<SegmentRef>,
    files: HashMap<TreePath, StagedFile>,
    first_chunk: u32,
}

/// What of a file is staged.
#[derive(Debug)]
struct StagedFile {
    identity: Identity,
    /// Sorted by offset, without overlaps.
    slices: Vec<Slice>,
}

#[derive(Serialize, Deserialize)]
struct Run {
    number: u32,
}

impl Journal {
    /// Whether the job has one.
    pub fn exists(root: &MediaRoot, job: JobId) -> bool {
        segments_dir(&root.job(job)).is_dir()
    }

    /// Reads it, making it if there is none, and begins a run.
    pub fn open(root: &MediaRoot, job: JobId) -> Result<Self, RootError> {
        let job_dir = root.job(job);
        let dir = segments_dir(&job_dir);
        let error = |action, source| RootError { action, path: dir.clone(), source };
        std::fs::create_dir_all(&dir).map_err(|e| error("make", e))?;
        let run_path = job_dir.join("run.json");
        let run = atomic::read_json::<Run>(&run_path)?.map_or(0, |r| (r.number + 1) % RUNS);
        atomic::write_json(&run_path, &Run { number: run }, Durable::No)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(|e| error("list", e))? {
            let path = entry.map_err(|e| error("list", e))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                names.push(path);
            }
        }
        names.sort_unstable();
        let first_chunk = run * CHUNKS_PER_RUN + 1;
        let mut journal = Self { dir, segments: Vec::new(), files: HashMap::new(), first_chunk };
        for path in names {
            if let Some(record) = atomic::read_json::<Record>(&path)? {
                journal.add(record);
            }
        }
        Ok(journal)
    }

    /// Takes note of a segment that stands in staging.
    pub fn append(&mut self, record: Record) -> Result<(), RootError> {
        let path = self.dir.join(format!("{:06}.json", record.reference.number));
        atomic::write_json(&path, &record, Durable::No)?;
        self.add(record);
        Ok(())
    }

    fn add(&mut self, record: Record) {
        self.segments.push(record.reference);
        for (entry, identity) in record.segment.entries.into_iter().zip(record.identities) {
            let EntryKind::File { slices, .. } = entry.kind else { continue };
            let fresh = || StagedFile { identity, slices: Vec::new() };
            let file = self.files.entry(entry.path).or_insert_with(fresh);
            if file.identity != identity {
                *file = fresh();
            }
            for slice in slices {
                let at = file.slices.partition_point(|s| s.offset < slice.offset);
                // The same bytes may have been staged twice around a crash: one is enough.
                if file.slices.get(at).is_none_or(|s| s.offset != slice.offset) {
                    file.slices.insert(at, slice);
                }
            }
        }
    }

    /// The segments so far.
    pub fn segments(&self) -> &[SegmentRef] {
        &self.segments
    }

    /// Number of the next segment.
    pub fn next_number(&self) -> u32 {
        self.segments.iter().map(|s| s.number).max().unwrap_or(0) + 1
    }

    /// Number of this run's first chunk.
    pub fn first_chunk(&self) -> u32 {
        self.first_chunk
    }

    /// What of a file is staged, if it still is what it was then; sorted by offset.
    pub fn slices(&self, path: &TreePath, identity: &Identity) -> &[Slice] {
        match self.files.get(path) {
            Some(file) if file.identity == *identity => &file.slices,
            _ => &[],
        }
    }

    /// Bytes staged so far, repetitions included.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes).sum()
    }
}

fn segments_dir(job_dir: &Path) -> PathBuf {
    job_dir.join("segments")
}
