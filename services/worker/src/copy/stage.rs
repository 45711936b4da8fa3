//! Staging what is not staged yet: several chunks at once, announced in order.

use super::{
    fill::{Filled, Writers, fill},
    journal::Journal,
    plan::{Piece, Plan},
    segment::Gathering,
};
use crate::context::{Context, Stop};
use futures_util::{StreamExt, stream::FuturesOrdered};
use std::{collections::BTreeSet, future, sync::Arc};
use tokio_util::task::AbortOnDropHandle;
use tourbus_mediaroot::{Beneath, Walked};
use tourbus_protocol::{Slice, TreePath, manifest::ChunkId, names};

/// What came of it.
#[derive(Debug, Default)]
pub struct Copied {
    /// Files that were not what the walk had seen.
    pub changed: BTreeSet<TreePath>,
}

/// A chunk that stands in staging.
struct Put {
    slices: Vec<(usize, Slice)>,
    changed: Vec<TreePath>,
}

/// Stages everything of `walked` that the journal lacks, as segments of `round`. When it is
/// interrupted or fails, what stands in staging by then is in the journal.
pub async fn stage<S: tourbus_staging::Staging>(
    ctx: &Context<S>,
    tree: &Arc<Beneath>,
    walked: &[Walked],
    journal: &mut Journal,
    round: u32,
    writers: Writers,
) -> Result<Copied, Stop> {
    let mut run = Run {
        ctx,
        tree,
        writers,
        plan: Plan::new(walked, journal, ctx.limits.chunk_bytes as u64),
        next_chunk: journal.first_chunk(),
        under_way: FuturesOrdered::new(),
        stop: None,
    };
    let mut gathering = Gathering::default();
    let mut copied = Copied::default();
    loop {
        run.start_more();
        let due = gathering.due(ctx.limits.segment_age_ms);
        let put = tokio::select! {
            biased;
            put = run.under_way.next() => put,
            () = until(due) => {
                gathering.close(ctx, round, journal).await?;
                continue;
            }
        };
        match put {
            None => break,
            Some(Err(e)) => run.stop(Stop::Failed(crash(&e))),
            Some(Ok(Err(stop))) => run.stop(stop),
            Some(Ok(Ok(put))) => {
                gathering.add(walked, put.slices);
                copied.changed.extend(put.changed);
            }
        }
        if gathering.is_full(ctx.limits.segment_bytes, ctx.limits.segment_entries) {
            gathering.close(ctx, round, journal).await?;
        }
    }
    if run.stop == Some(Stop::Void) {
        return Err(Stop::Void);
    }
    let closed = gathering.close(ctx, round, journal).await;
    match run.stop {
        // The first trouble is the one to tell.
        Some(stop) => Err(stop),
        None => closed.map(|_| copied),
    }
}

struct Run<'a, S> {
    ctx: &'a Context<S>,
    tree: &'a Arc<Beneath>,
    writers: Writers,
    plan: Plan,
    next_chunk: u32,
    under_way: FuturesOrdered<AbortOnDropHandle<Result<Put, Stop>>>,
    stop: Option<Stop>,
}

impl<S: tourbus_staging::Staging> Run<'_, S> {
    /// Keeps as many chunks under way as there are buffers; the buffers are shared with others,
    /// so fewer may really move.
    fn start_more(&mut self) {
        while self.stop.is_none() && self.under_way.len() < self.ctx.buffers.count() {
            if let Err(stop) = self.ctx.check() {
                self.stop(stop);
                return;
            }
            let Some(pieces) = self.plan.next() else { return };
            let id = ChunkId { epoch: self.ctx.step.epoch, n: self.next_chunk };
            self.next_chunk += 1;
            let (ctx, tree) = (self.ctx.clone(), Arc::clone(self.tree));
            let task = tokio::spawn(put(ctx, tree, pieces, id, self.writers));
            self.under_way.push_back(AbortOnDropHandle::new(task));
        }
    }

    /// Starts nothing more; what is under way still counts.
    fn stop(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }
}

async fn put<S: tourbus_staging::Staging>(
    ctx: Context<S>,
    tree: Arc<Beneath>,
    pieces: Vec<Piece>,
    id: ChunkId,
    writers: Writers,
) -> Result<Put, Stop> {
    let buffer = ctx.buffers.take().await?;
    let filled = ctx.blocking(move || Ok(fill(&tree, &pieces, id, buffer, writers)?)).await?;
    let Filled { buffer, slices, changed } = filled;
    if !buffer.is_empty() {
        ctx.entered.check()?;
        let bytes = buffer.len() as u64;
        ctx.pace(bytes).await?;
        ctx.staging.put(&names::chunk(ctx.step.job_id, id), buffer.freeze()).await?;
        metrics::counter!("tourbus_worker_staged_bytes_total").increment(bytes);
    }
    Ok(Put { slices, changed })
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => future::pending().await,
    }
}

fn crash(error: &tokio::task::JoinError) -> tourbus_domain::JobError {
    crate::context::crashed(&error.to_string())
}
