//! Verifying an arriving tree against its manifest: every slice is read back and hashed; what is
//! wrong is fetched again, written, and read back once more.

use crate::{
    context::{Context, Stop},
    fault, fetch,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Write,
    path::Path,
    sync::Arc,
};
use tokio_util::task::AbortOnDropHandle;
use tourbus_domain::{ErrorClass, JobError};
use tourbus_mediaroot::{Beneath, Identity, WriteFile, atomic::Durable};
use tourbus_protocol::{Entry, EntryKind, Manifest, Slice, TreePath, manifest::Digest, names};
use tourbus_staging::Staging;

/// Threads that read and hash.
const THREADS: usize = 2;
/// A thread's unit of work: about this many bytes, ...
const UNIT_BYTES: u64 = 64 << 20;
/// ... of at most this many files.
const UNIT_FILES: usize = 128;
/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Files that were verified, and are still what they were then. Survives the death of a worker,
/// but not a restart of the machine: after that only the disk can say what is on it.
pub struct Ledger {
    file: File,
    present: HashMap<TreePath, Identity>,
    verified: HashMap<TreePath, Verified>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Verified {
    path: TreePath,
    identity: Identity,
    /// Hash over mode, mtime and all slices' hashes.
    content: Digest,
}

#[derive(Serialize, Deserialize)]
struct Head {
    boot_id: String,
}

impl Ledger {
    /// Reads a job's ledger; `present`: the files as they are now. Blocks.
    pub fn open(job_dir: &Path, present: HashMap<TreePath, Identity>) -> Result<Self, JobError> {
        let path = job_dir.join("verified.jsonl");
        let failed =
            |e: std::io::Error| fault::from_io(&e, format!("cannot keep {}: {e}", path.display()));
        // A kernel without it counts as always just started.
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_else(|_| uuid::Uuid::new_v4().to_string());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed(e)),
        };
        let mut lines = text.lines();
        let head = lines.next().and_then(|l| serde_json::from_str::<Head>(l).ok());
        let valid = head.is_some_and(|h| h.boot_id == boot_id);
        let mut verified = HashMap::new();
        let mut file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        if valid {
            // The last line may be torn.
            for line in lines.filter_map(|l| serde_json::from_str::<Verified>(l).ok()) {
                verified.insert(line.path.clone(), line);
            }
            // After a torn line the next one must begin on its own.
            file.write_all(b"\n").map_err(failed)?;
        } else {
            file.set_len(0).map_err(failed)?;
            append(&mut file, &Head { boot_id }).map_err(failed)?;
        }
        Ok(Self { file, present, verified })
    }

    /// Whether an entry was verified, and is unchanged since.
    fn knows(&self, entry: &Entry) -> bool {
        let now = self.present.get(&entry.path);
        self.verified
            .get(&entry.path)
            .is_some_and(|v| Some(&v.identity) == now && v.content == content(entry))
    }

    fn add(&mut self, verified: &[Verified]) -> Result<(), JobError> {
        for line in verified {
            append(&mut self.file, line)
                .map_err(|e| fault::from_io(&e, format!("cannot keep the ledger: {e}")))?;
        }
        Ok(())
    }
}

fn append<T: Serialize>(file: &mut File, value: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Names everything that a file must be.
fn content(entry: &Entry) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut number = |n: u64| {
        hasher.update(&n.to_le_bytes());
    };
    number(entry.mode.into());
    number(entry.mtime.s.cast_unsigned());
    number(entry.mtime.ns.into());
    if let EntryKind::File { size, slices } = &entry.kind {
        number(*size);
        for slice in slices {
            hasher.update(&slice.offset.to_le_bytes());
            hasher.update(&slice.blake3.0);
        }
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Some slices of one file.
#[derive(Debug, Clone, Copy)]
struct Check {
    /// Which entry of the manifest.
    entry: usize,
    /// From which slice.
    from: usize,
    /// To which, exclusive.
    to: usize,
}

/// What a thread found.
#[derive(Default)]
struct Findings {
    /// Slices that are wrong on disk.
    wrong: Vec<(usize, usize)>,
    /// Whole files that are right, and have their final mode and mtime.
    verified: Vec<Verified>,
    bytes: u64,
}

/// One verification.
pub struct Verifying<'a, S> {
    /// The step's context.
    pub ctx: &'a Context<S>,
    /// The arriving tree, in the manifest's shape.
    pub incoming: Arc<Beneath>,
    /// What it must be.
    pub manifest: &'a Arc<Manifest>,
    /// Whether each file is flushed by itself.
    pub durable: Durable,
}

impl<S: Staging> Verifying<'_, S> {
    /// Verifies and mends every file, and gives each its final mode and mtime.
    pub async fn run(&self, mut ledger: Ledger) -> Result<(), Stop> {
        let unknown: Vec<usize> = (0..self.manifest.entries.len())
            .filter(|i| is_file(&self.manifest.entries[*i]))
            .filter(|i| !ledger.knows(&self.manifest.entries[*i]))
            .collect();
        // Files in several units, and files with something wrong, are finished at the end.
        let mut open: BTreeMap<usize, Vec<usize>> =
            unknown.iter().map(|i| (*i, Vec::new())).collect();
        let mut units = units(&self.manifest.entries, &unknown).into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < THREADS {
                let Some(unit) = units.next() else { break };
                self.ctx.check()?;
                under_way.push(self.look(unit));
            }
            let Some(found) = under_way.next().await else { break };
            let found = found?;
            metrics::counter!("tourbus_worker_verified_bytes_total").increment(found.bytes);
            for (entry, slice) in found.wrong {
                open.entry(entry).or_default().push(slice);
            }
            for verified in &found.verified {
                let entries = &self.manifest.entries;
                if let Ok(at) = entries.binary_search_by(|e| e.path.cmp(&verified.path)) {
                    open.remove(&at);
                }
            }
            ledger.add(&found.verified)?;
        }
        drop(under_way);
        for (entry, wrong) in open {
            self.ctx.check()?;
            for slice in wrong {
                self.mend(entry, slice).await?;
            }
            ledger.add(&[self.finish(entry).await?])?;
        }
        Ok(())
    }

    async fn look(&self, unit: Vec<Check>) -> Result<Findings, Stop> {
        let (incoming, manifest) = (Arc::clone(&self.incoming), Arc::clone(self.manifest));
        let durable = self.durable;
        let ctx = self.ctx.clone();
        let task = tokio::spawn(async move {
            ctx.blocking(move || {
                let mut found = Findings::default();
                for check in unit {
                    let entry = &manifest.entries[check.entry];
                    look(&incoming, entry, check, durable, &mut found)
                        .map_err(fault::at(&entry.path))?;
                }
                Ok(found)
            })
            .await
        });
        let task = AbortOnDropHandle::new(task).await;
        task.unwrap_or_else(|e| Err(crate::context::crashed(&e.to_string()).into()))
    }

    /// Fetches a slice again, writes it, and reads it back.
    async fn mend(&self, entry: usize, slice: usize) -> Result<(), Stop> {
        let (path, slice) = self.slice(entry, slice);
        let key = names::chunk(self.ctx.step.job_id, slice.chunk);
        tracing::warn!(job = %self.ctx.step.job_id, %path, offset = slice.offset, "promote.mending");
        metrics::counter!("tourbus_worker_mended_slices_total").increment(1);
        let room = self.ctx.buffers.room(slice.len).await?;
        self.ctx.pace(slice.len).await?;
        let bytes = self.ctx.staging.get_range(&key, slice.chunk_offset, slice.len).await?;
        if Digest::of(&bytes) != slice.blake3 {
            return Err(fetch::corrupt(&key).at(path.to_string()).into());
        }
        let (incoming, place) = (Arc::clone(&self.incoming), self.ctx.root.clone());
        let reserve = self.ctx.limiter.reserve_bytes();
        self.ctx
            .blocking(move || {
                super::import::keep_reserve(&place, slice.len, reserve)?;
                let write = || {
                    let file = incoming.write(&path)?;
                    file.write_at(&bytes, slice.offset)?;
                    is_right(&file, &slice)
                };
                let right = write().map_err(fault::at(&path))?;
                drop(bytes);
                drop(room);
                if right { Ok(()) } else { Err(verify_failed(&path).into()) }
            })
            .await
    }

    async fn finish(&self, entry: usize) -> Result<Verified, Stop> {
        let (incoming, manifest) = (Arc::clone(&self.incoming), Arc::clone(self.manifest));
        let durable = self.durable;
        self.ctx
            .blocking(move || {
                let entry = &manifest.entries[entry];
                let finish = || finish(&open(&incoming, entry)?, entry, durable);
                Ok(finish().map_err(fault::at(&entry.path))?)
            })
            .await
    }

    fn slice(&self, entry: usize, slice: usize) -> (TreePath, Slice) {
        let entry = &self.manifest.entries[entry];
        (entry.path.clone(), slices(entry)[slice].clone())
    }
}

fn verify_failed(path: &TreePath) -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "verify_failed",
        "what is read back from the disk is not what was written",
        "The target's disk loses data: check it (smartctl, dmesg), or choose another server",
    )
    .at(path.to_string())
}

const fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File { .. })
}

fn slices(entry: &Entry) -> &[Slice] {
    match &entry.kind {
        EntryKind::File { slices, .. } => slices,
        _ => &[],
    }
}

/// Cuts the work into units, in the order of the manifest.
fn units(entries: &[Entry], files: &[usize]) -> Vec<Vec<Check>> {
    let mut units = vec![Vec::new()];
    let mut bytes = 0;
    for &entry in files {
        let all = slices(&entries[entry]);
        let mut from = 0;
        while {
            let mut to = from;
            while to < all.len() && bytes < UNIT_BYTES {
                bytes += all[to].len;
                to += 1;
            }
            let unit = units.len() - 1;
            units[unit].push(Check { entry, from, to });
            if bytes >= UNIT_BYTES || units[unit].len() >= UNIT_FILES {
                units.push(Vec::new());
                bytes = 0;
            }
            from = to;
            from < all.len()
        } {}
    }
    units.retain(|u| !u.is_empty());
    units
}

type RootResult<T> = Result<T, tourbus_mediaroot::RootError>;

/// Reads some slices back, and finishes a file that is wholly among them and right.
fn look(
    incoming: &Beneath,
    entry: &Entry,
    check: Check,
    durable: Durable,
    found: &mut Findings,
) -> RootResult<()> {
    let file = open(incoming, entry)?;
    let all = slices(entry);
    let mut right = true;
    let some = all.iter().enumerate().take(check.to).skip(check.from);
    for (at, slice) in some {
        found.bytes += slice.len;
        if !is_right(&file, slice)? {
            found.wrong.push((check.entry, at));
            right = false;
        }
    }
    if right && check.from == 0 && check.to == all.len() {
        found.verified.push(finish(&file, entry, durable)?);
    }
    Ok(())
}

/// The file in its right length.
fn open(incoming: &Beneath, entry: &Entry) -> RootResult<WriteFile> {
    let file = incoming.write(&entry.path)?;
    if let EntryKind::File { size, .. } = entry.kind
        && file.identity()?.size != size
    {
        file.set_len(size)?;
    }
    Ok(file)
}

fn finish(file: &WriteFile, entry: &Entry, durable: Durable) -> RootResult<Verified> {
    let identity = file.finish(entry.mode, entry.mtime)?;
    if durable == Durable::Yes {
        file.sync()?;
    }
    Ok(Verified { path: entry.path.clone(), identity, content: content(entry) })
}

fn is_right(file: &WriteFile, slice: &Slice) -> RootResult<bool> {
    let mut buffer = vec![0; READ_BYTES.min(usize::try_from(slice.len).unwrap_or(READ_BYTES))];
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < slice.len {
        let want = buffer.len().min(usize::try_from(slice.len - at).unwrap_or(usize::MAX));
        let read = file.read_at(&mut buffer[..want], slice.offset + at)?;
        if read < want {
            return Ok(false);
        }
        hasher.update(&buffer[..want]);
        at += want as u64;
    }
    Ok(Digest(*hasher.finalize().as_bytes()) == slice.blake3)
}
