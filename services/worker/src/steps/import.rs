//! Import: fetch one segment into the arriving tree, every slice verified before it is written.

use super::{Step, demote};
use crate::{
    context::{Context, Outcome, Stop},
    fault, fetch,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tourbus_domain::{ErrorClass, JobError, SegmentRef, StepKind, StepResult};
use tourbus_mediaroot::{
    Beneath, MediaRoot,
    atomic::{self, Durable},
};
use tourbus_protocol::{
    ArtistRef, Entry, EntryKind, Order, Segment, Slice, TreePath,
    manifest::{ChunkId, Digest},
    names,
};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Largest chunk object that is taken: what the configuration allows at most.
pub const CHUNK_BYTES_MAX: usize = 64 << 20;
/// Segments with as many bytes are flushed as they arrive, beside the copying of others, so that
/// the promotion, which flushes everything, has little left to wait for.
const FLUSH_BYTES_MIN: u64 = 4 << 20;
/// Segments that are flushed at a time.
static FLUSHES: Semaphore = Semaphore::const_new(4);

/// Parameters.
pub struct Import {
    artist: ArtistRef,
    segment: SegmentRef,
}

impl Step for Import {
    const KIND: StepKind = StepKind::Import;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::ImportV1 { artist, segment } => Some(Self { artist, segment }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let ledger = ctx.root.job(ctx.step.job_id).join("imported");
        let marker = ledger.join(format!("{:06}", self.segment.number));
        if std::fs::read_to_string(&marker).is_ok_and(|m| m == self.segment.blake3) {
            return Ok(StepResult::Import);
        }
        let segment: Segment = fetch::description(&ctx, &self.segment).await?;
        let incoming = self.open_incoming(&ctx).await?;
        let files = files(&segment);
        import(&ctx, &incoming, segment).await?;
        if self.segment.bytes >= FLUSH_BYTES_MIN {
            begin_flush(&ctx, incoming, files).await?;
        }
        let blake3 = self.segment.blake3;
        ctx.blocking(move || {
            make_dir(&ledger)?;
            Ok(atomic::write(&marker, blake3.as_bytes(), Durable::No)?)
        })
        .await?;
        metrics::counter!("tourbus_worker_imported_bytes_total").increment(self.segment.bytes);
        Ok(StepResult::Import)
    }
}

impl Import {
    /// The arriving tree. One that was promoted already (the freeze ran out before the cutover)
    /// arrives again.
    async fn open_incoming<S: Staging>(&self, ctx: &Context<S>) -> Result<Arc<Beneath>, Stop> {
        let (root, artist, job) = (ctx.root.clone(), self.artist.clone(), ctx.step.job_id);
        ctx.blocking(move || {
            make_dir(&root.job(job))?;
            demote::demote(&root, &artist, job)?;
            let incoming = root.incoming(job);
            make_dir(&incoming)?;
            Ok(Arc::new(Beneath::open(&incoming)?))
        })
        .await
    }
}

/// Makes a directory of our own.
pub fn make_dir(path: &std::path::Path) -> Result<(), Stop> {
    std::fs::create_dir_all(path)
        .map_err(|e| fault::from_io(&e, format!("cannot make {}: {e}", path.display())).into())
}

fn files(segment: &Segment) -> BTreeSet<TreePath> {
    let with_bytes =
        |e: &&Entry| matches!(&e.kind, EntryKind::File { slices, .. } if !slices.is_empty());
    segment.entries.iter().filter(with_bytes).map(|e| e.path.clone()).collect()
}

/// Begins to flush files. The step need not wait: the promotion flushes again, and comes only when
/// this has ended, for it holds the try.
async fn begin_flush<S: Staging>(
    ctx: &Context<S>,
    incoming: Arc<Beneath>,
    files: BTreeSet<TreePath>,
) -> Result<(), Stop> {
    // Never closed.
    let Ok(turn) = FLUSHES.acquire().await else { return Ok(()) };
    ctx.check()?;
    let (entered, job) = (Arc::clone(&ctx.entered), ctx.step.job_id);
    tokio::task::spawn_blocking(move || {
        for path in files {
            let flushed = incoming.write(&path).and_then(|file| file.flush());
            if let Err(error) = flushed {
                // The kernel tells it once. What may not be on the disk must not look right to
                // the promotion, which fetches again what is missing.
                tracing::warn!(%job, %path, %error, "import.not_flushed");
                if let Err(error) = incoming.remove_entry(&path) {
                    tracing::error!(%job, %path, %error, "import.not_removed");
                }
            }
        }
        drop((turn, entered));
    });
    Ok(())
}

/// A slice and the file that it belongs to.
struct Target {
    path: TreePath,
    slice: Slice,
}

async fn import<S: Staging>(
    ctx: &Context<S>,
    incoming: &Arc<Beneath>,
    segment: Segment,
) -> Result<(), Stop> {
    let mut chunks: BTreeMap<ChunkId, Vec<Target>> = BTreeMap::new();
    for entry in segment.entries {
        let EntryKind::File { slices, .. } = entry.kind else { continue };
        for slice in slices {
            let path = entry.path.clone();
            chunks.entry(slice.chunk).or_default().push(Target { path, slice });
        }
    }
    let mut chunks = chunks.into_iter();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < ctx.buffers.count() {
            let Some((id, targets)) = chunks.next() else { break };
            ctx.check()?;
            let task = tokio::spawn(take(ctx.clone(), Arc::clone(incoming), id, targets));
            under_way.push(AbortOnDropHandle::new(task));
        }
        match under_way.next().await {
            None => return Ok(()),
            Some(Ok(taken)) => taken?,
            Some(Err(e)) => return Err(crate::context::crashed(&e.to_string()).into()),
        }
    }
}

/// Fetches one chunk, verifies and writes it.
async fn take<S: Staging>(
    ctx: Context<S>,
    incoming: Arc<Beneath>,
    id: ChunkId,
    targets: Vec<Target>,
) -> Result<(), Stop> {
    let key = names::chunk(ctx.step.job_id, id);
    let bytes = targets.iter().map(|t| t.slice.chunk_offset + t.slice.len).max().unwrap_or(0);
    let room = ctx.buffers.room(bytes).await?;
    ctx.pace(bytes).await?;
    ctx.check()?;
    let body = ctx.staging.get(&key, CHUNK_BYTES_MAX).await?;
    hold::point("import.fetched").await;
    let (place, reserve) = (ctx.root.clone(), ctx.limiter.reserve_bytes());
    ctx.blocking(move || {
        keep_reserve(&place, bytes, reserve)?;
        write(&incoming, &key, &body, &targets)?;
        give_back(body, room);
        Ok(())
    })
    .await
}

/// The memory first, then the right to it.
fn give_back(body: Bytes, room: OwnedSemaphorePermit) {
    drop(body);
    drop(room);
}

/// An import must not fill the disk that the server serves from.
pub fn keep_reserve(root: &MediaRoot, bytes: u64, reserve_bytes: u64) -> Result<(), Stop> {
    let free = root.space()?.free_bytes;
    if free < reserve_bytes.saturating_add(bytes) {
        return Err(fault::disk_full(free, bytes, reserve_bytes).into());
    }
    Ok(())
}

fn write(incoming: &Beneath, key: &str, body: &Bytes, targets: &[Target]) -> Result<(), JobError> {
    let mut sound = Vec::with_capacity(targets.len());
    for target in targets {
        sound.push((target, verified(key, body, &target.slice)?));
    }
    for (target, bytes) in sound {
        let blame = fault::at(&target.path);
        let file = incoming.write(&target.path).map_err(&blame)?;
        file.write_at(bytes, target.slice.offset).map_err(&blame)?;
    }
    Ok(())
}

fn verified<'a>(key: &str, body: &'a Bytes, slice: &Slice) -> Result<&'a [u8], JobError> {
    let bytes = usize::try_from(slice.chunk_offset)
        .ok()
        .zip(usize::try_from(slice.len).ok())
        .and_then(|(from, len)| body.get(from..from.checked_add(len)?));
    match bytes {
        Some(bytes) if Digest::of(bytes) == slice.blake3 => Ok(bytes),
        Some(_) => Err(fetch::corrupt(key)),
        None => Err(JobError::new(
            ErrorClass::Transient,
            "staged_corrupt",
            format!("the staged object {key} is shorter than its description says"),
            "If it happens again, check the staging store's disks, then retry the move",
        )),
    }
}
