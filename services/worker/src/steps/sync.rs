//! Sync: freeze writes, stage what changed since the export, stage the final manifest.

use super::{Step, tree};
use crate::{
    context::{Context, Outcome, Stop},
    copy::{Journal, Writers, file, stage, to_json},
    fault,
};
use chrono::{TimeDelta, Utc};
use std::{sync::Arc, time::Duration};
use tourbus_domain::{ArtistId, ErrorClass, JobError, SegmentRef, StepKind, StepResult};
use tourbus_mediaroot::{Beneath, Freeze, Walked, WalkedKind};
use tourbus_protocol::{
    Entry, EntryKind, Manifest, Order, TreePath,
    manifest::{Digest, LinkTarget},
    names,
};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Walks of a tree that changes although it is frozen, before that is an error.
const WALKS_MAX: usize = 4;

/// Parameters.
pub struct Sync {
    artist: ArtistId,
    round: u32,
    freeze_lease_s: u32,
}

impl Step for Sync {
    const KIND: StepKind = StepKind::Sync;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::SyncV1 { artist, round, freeze_lease_s } => {
                Some(Self { artist: artist.id, round, freeze_lease_s })
            }
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        if !Journal::exists(&ctx.root, ctx.step.job_id) {
            return Err(fault::job_state_missing().into());
        }
        // A late repetition of the export would write the same journal.
        ctx.stop_earlier().await?;
        self.freeze(&ctx).await?;
        let (root, artist) = (ctx.root.clone(), self.artist);
        ctx.blocking(move || Ok(root.settle_writers(artist)?)).await?;
        hold::point("sync.frozen").await;
        let renewing = async {
            let third = Duration::from_secs(u64::from(self.freeze_lease_s.max(3)) / 3);
            loop {
                tokio::time::sleep(third).await;
                if let Err(stop) = self.freeze(&ctx).await {
                    break stop;
                }
            }
        };
        let result = tokio::select! {
            result = self.under_freeze(&ctx) => result?,
            stop = renewing => return Err(stop),
        };
        // The target's part begins: it gets the whole lease.
        self.freeze(&ctx).await?;
        Ok(result)
    }
}

impl Sync {
    async fn freeze<S: Staging>(&self, ctx: &Context<S>) -> Result<(), Stop> {
        let (root, artist, job_id) = (ctx.root.clone(), self.artist, ctx.step.job_id);
        let lease = TimeDelta::seconds(self.freeze_lease_s.into());
        ctx.blocking(move || {
            let now = Utc::now();
            let freeze = Freeze { job_id, expires_at: now + lease };
            root.take_freeze(artist, freeze, now).map_err(|e| fault::from_freeze(&e).into())
        })
        .await
    }

    async fn under_freeze<S: Staging>(&self, ctx: &Context<S>) -> Outcome {
        let artist_tree = tree::open(ctx, self.artist).await?;
        let (root, job) = (ctx.root.clone(), ctx.step.job_id);
        let mut journal = ctx.blocking(move || Ok(Journal::open(&root, job)?)).await?;
        let walked = self.settle(ctx, &artist_tree, &mut journal).await?;

        let entries = walked.iter().map(|w| entry(w, &journal)).collect::<Result<_, _>>()?;
        let manifest = Manifest { job_id: ctx.step.job_id, round: self.round, entries };
        let body = to_json(&manifest)?;
        let key = names::manifest(ctx.step.job_id, ctx.step.epoch, self.round);
        let blake3 = Digest::of(&body).to_string();
        ctx.staging.put(&key, body).await?;

        let totals = tree::totals(&walked);
        let (number, round, bytes) = (self.round, self.round, totals.bytes);
        let manifest = SegmentRef { number, round, key, blake3, bytes };
        let of_round = |s: &&SegmentRef| s.round == self.round;
        let segments = journal.segments().iter().filter(of_round).cloned().collect();
        Ok(StepResult::Sync { segments, manifest, files: totals.files, bytes })
    }

    /// Walks and stages until nothing differs from what was walked.
    async fn settle<S: Staging>(
        &self,
        ctx: &Context<S>,
        artist_tree: &Arc<Beneath>,
        journal: &mut Journal,
    ) -> Result<Arc<Vec<Walked>>, Stop> {
        let mut changing = TreePath::default();
        for _ in 0..WALKS_MAX {
            let walked = tree::walk(ctx, artist_tree).await?;
            let copied =
                stage(ctx, artist_tree, &walked, journal, self.round, Writers::Frozen).await?;
            match copied.changed.into_iter().next() {
                None => return Ok(walked),
                Some(path) => changing = path,
            }
        }
        Err(file_changing(&changing).into())
    }
}

fn file_changing(path: &TreePath) -> JobError {
    JobError::new(
        ErrorClass::Transient,
        "file_changing",
        "the file keeps changing although the artist's uploads are frozen",
        "Find what writes to the media root other than Tourbus (lsof, fuser), and stop it",
    )
    .at(path.to_string())
}

fn entry(walked: &Walked, journal: &Journal) -> Result<Entry, JobError> {
    let kind = match &walked.kind {
        WalkedKind::Dir => EntryKind::Dir,
        WalkedKind::Symlink(target) => EntryKind::Symlink { target: LinkTarget(target.clone()) },
        WalkedKind::File(identity) => {
            let slices = journal.slices(&walked.path, identity);
            let mut at = 0;
            for slice in slices {
                if slice.offset != at {
                    return Err(file_changing(&walked.path));
                }
                at += slice.len;
            }
            if at != identity.size {
                return Err(file_changing(&walked.path));
            }
            return Ok(file(walked, identity.size, slices.to_vec()));
        }
    };
    Ok(Entry { path: walked.path.clone(), mode: walked.mode, mtime: walked.mtime, kind })
}
