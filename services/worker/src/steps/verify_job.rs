//! Verify: all of an artist's files are read back and compared with what they were.
//!
//! Nothing in the tree is changed, and the artist is not held: whoever writes meanwhile notes it
//! (`mediaroot/src/record.rs`). What was read is kept piece by piece, so that a try that is handed
//! back or killed goes on where it was.

use super::{
    Step,
    lofi::{not_now, unreadable},
};
use crate::{
    context::{Context, Outcome, Stop, crashed},
    fault,
    reread::{Reader, Rest},
};
use chrono::Utc;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tourbus_domain::{Accepted, StepKind, StepResult, Totals};
use tourbus_mediaroot::{Commit, NotNow, Reading, Walked, WalkedKind, Writable};
use tourbus_protocol::{ArtistRef, EventBody, Order};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// How much the thread that reads gives way to others: half of what it can.
const NICE: i32 = 10;
/// How long to wait before reading anew what a move has overtaken, in seconds.
const OVERTAKEN_AGAIN_S: u32 = 5;

/// Parameters.
pub struct Verify {
    artist: ArtistRef,
    rate_bytes_s: u64,
    accepted: Vec<Accepted>,
}

impl Step for Verify {
    const KIND: StepKind = StepKind::Verify;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::VerifyV1 { artist, rate_bytes_s, accepted } => {
                Some(Self { artist, rate_bytes_s, accepted })
            }
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let (tree, reading, files) = self.begin(&ctx).await?;
        let totals =
            Totals { files: files.len() as u64, bytes: files.iter().map(|(_, bytes)| bytes).sum() };
        let step = ctx.step;
        ctx.events.emit(EventBody::Progress { step, bytes: 0, totals: Some(totals) });
        let (tree, reading) = self.read(&ctx, tree, reading, files).await?;
        hold::point("verify.read").await;
        ctx.check()?;
        let accepted = self.accepted;
        let committed = ctx
            .blocking(move || {
                let took_ms = reading.took_ms();
                let commit = tree.commit_reading(&reading, &accepted).map_err(unreadable)?;
                Ok((commit, took_ms))
            })
            .await?;
        match committed {
            (Commit::Done(compared), took_ms) => {
                let mut report = compared.report;
                report.took_ms = took_ms;
                Ok(StepResult::Verify(report))
            }
            (Commit::Gone, _) => Err(not_now(NotNow::Gone)),
            (Commit::Overtaken, _) => Err(Stop::Snoozed {
                reason: "the record was replaced by a move",
                after_s: OVERTAKEN_AGAIN_S,
            }),
        }
    }
}

/// What is to be read, with each file as the walk found it.
type Files = Vec<(Walked, u64)>;

impl Verify {
    /// Opens the tree and the reading, and sees what there is.
    async fn begin<S: Staging>(
        &self,
        ctx: &Context<S>,
    ) -> Result<(Writable, Reading, Files), Stop> {
        let (root, artist) = (ctx.root.clone(), self.artist.id);
        let (issued_at, job) = (ctx.issued_at, ctx.step.job_id);
        ctx.blocking(move || {
            let tree = root.writable(artist, issued_at, Utc::now()).map_err(not_now)?;
            let reading = Reading::open(&tree, job)?.ok_or_else(|| not_now(NotNow::Gone))?;
            let walked = tree.tree().walk().map_err(|e| fault::from_walk(&e))?;
            let file = |walked: Walked| match walked.kind {
                WalkedKind::File(identity) if Reading::concerns(&walked.path) => {
                    Some((walked, identity.size))
                }
                _ => None,
            };
            let files = walked.into_iter().filter_map(file).collect();
            Ok((tree, reading, files))
        })
        .await
    }

    /// Reads all of it in a thread of its own, which gives way to others.
    async fn read<S: Staging>(
        &self,
        ctx: &Context<S>,
        tree: Writable,
        reading: Reading,
        files: Files,
    ) -> Result<(Writable, Reading), Stop> {
        // Whoever drops this future ends the thread too.
        let dropped = CancellationToken::new();
        let _guard = dropped.clone().drop_guard();
        let asked = ctx.should_stop();
        let stop = move || dropped.is_cancelled() || asked();
        let mut reader = Reader {
            root: ctx.root.clone(),
            artist: self.artist.id,
            tree,
            reading,
            rest: Rest::new(self.rate_bytes_s),
            events: Arc::clone(&ctx.events),
            step: ctx.step,
            bytes: 0,
            stop: Box::new(stop),
        };
        let (done, ended) = oneshot::channel();
        let entered = Arc::clone(&ctx.entered);
        let act = move || {
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "verify.not_niced");
            }
            let read = reader.all(&files).map(|()| (reader.tree, reader.reading));
            // Nobody listens any more when the future was dropped.
            if done.send(read).is_err() {
                tracing::debug!("verify.nobody_waits");
            }
            drop(entered);
        };
        std::thread::Builder::new()
            .name("verify".to_owned())
            .spawn(act)
            .map_err(|e| fault::from_io(&e, format!("cannot start a thread: {e}")))?;
        let read = ended.await;
        read.unwrap_or_else(|_| Err(crashed("the thread that read the files has ended").into()))
            .map_err(|stop| match (stop, ctx.check()) {
                // Called off, or handed back: the thread cannot tell which.
                (Stop::Interrupted, Err(why)) => why,
                (stop, _) => stop,
            })
    }
}
