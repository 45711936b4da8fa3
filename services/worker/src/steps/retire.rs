//! Retire: the artist has moved. Leave a forwarding, set the old copy aside, empty staging.

use super::Step;
use crate::{
    context::{Context, Outcome, Stop},
    copy::Journal,
    fault,
};
use chrono::{TimeDelta, Utc};
use std::path::Path;
use tourbus_domain::{ErrorClass, JobError, JobId, StepKind, StepResult};
use tourbus_mediaroot::{Beneath, Identity, MediaRoot, RETIRED_TREE, Retired, WalkedKind};
use tourbus_protocol::{ArtistRef, EventBody, Order, TreePath};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Longest that an old copy is kept, in seconds (100 years): more would leave the calendar.
const KEEP_S_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// The first file of the old copy that is not as it was staged.
fn written_late(root: &MediaRoot, job: JobId) -> Result<Option<TreePath>, Stop> {
    let tree = root.retired(job).join(RETIRED_TREE);
    if !tree.exists() {
        return Ok(None);
    }
    let walked = Beneath::open(&tree)?.walk().map_err(|e| fault::from_walk(&e))?;
    let journal = Journal::open(root, job)?;
    let staged = |path: &TreePath, identity: &Identity| {
        let slices = journal.slices(path, identity);
        slices.iter().map(|s| s.len).sum::<u64>() == identity.size
    };
    let late = walked.into_iter().find(|w| match &w.kind {
        WalkedKind::File(identity) => !staged(&w.path, identity),
        WalkedKind::Dir | WalkedKind::Symlink(_) => false,
    });
    Ok(late.map(|w| w.path))
}

fn late(path: Option<&TreePath>, place: &Path) -> JobError {
    let kept = place.display();
    let error = JobError::new(
        ErrorClass::Permanent,
        "written_after_sync",
        "something other than Tourbus wrote to the artist's files after the final copy was taken; \
         what it wrote is not on the new server",
        format!(
            "The old copy is kept in {kept} until you delete that directory: compare it with the \
             new one, copy what is missing, and point the program that wrote at the new server"
        ),
    );
    match path {
        Some(path) => error.at(path.to_string()),
        None => error,
    }
}

/// Parameters.
pub struct Retire {
    artist: ArtistRef,
    new_home_url: String,
    keep_s: u64,
}

impl Step for Retire {
    const KIND: StepKind = StepKind::Retire;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::RetireV1 { artist, new_home_url, keep_s } => {
                Some(Self { artist, new_home_url, keep_s })
            }
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let (root, job) = (ctx.root.clone(), ctx.step.job_id);
        // Its last act is to forget the job's notes. Without them it has been done, and the tree
        // that is here now, if any, is that of an artist who has come back. But the try that did it
        // may have died before it told what it found.
        if !root.job(job).exists() {
            let place = root.retired(job);
            if root.is_kept(&place).map_err(|e| fault::from_root(&e))? {
                let notice = late(None, &place);
                ctx.events.emit(EventBody::Noticed { step: ctx.step, notice });
            }
            return Ok(StepResult::Retire { leftovers: None });
        }
        ctx.stop_earlier().await?;
        let artist = self.artist.clone();
        let late = ctx.blocking(move || self.set_aside(&root, job)).await?;
        if let Some(notice) = late {
            ctx.events.emit(EventBody::Noticed { step: ctx.step, notice });
        }
        hold::point("retire.renamed").await;
        let root = ctx.root.clone();
        ctx.blocking(move || {
            root.unlink_slug(&artist.slug, artist.id)?;
            root.lift_freeze(artist.id, job)?;
            Ok(())
        })
        .await?;
        let leftovers = ctx.empty_staging().await;
        let root = ctx.root.clone();
        ctx.blocking(move || Ok(root.forget_job(job, &|| false)?)).await?;
        Ok(StepResult::Retire { leftovers })
    }
}

impl Retire {
    /// In this order a listener is never without an answer: the forwarding counts as soon as
    /// the tree is gone. Then looks whether somebody who knows no freeze has written to the tree
    /// after the sync: what has not moved is kept until a person removes it.
    fn set_aside(&self, root: &MediaRoot, job: JobId) -> Result<Option<JobError>, Stop> {
        let now = Utc::now();
        let keep = i64::try_from(self.keep_s.min(KEEP_S_MAX)).unwrap_or(0);
        let note = Retired {
            artist: self.artist.id,
            slug: self.artist.slug.clone(),
            retired_at: now,
            purge_at: now + TimeDelta::seconds(keep),
            keep: false,
        };
        root.forward_slug(&self.artist.slug, &self.new_home_url)?;
        let place = root.retired(job);
        root.retire(&place, &note)?;
        let Some(path) = written_late(root, job)? else { return Ok(None) };
        root.keep_retired(&place)?;
        Ok(Some(late(Some(&path), &place)))
    }
}
