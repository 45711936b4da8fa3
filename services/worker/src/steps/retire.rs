//! Retire: the artist has moved. Leave a forwarding, set the old copy aside, empty staging.

use super::Step;
use crate::context::{Context, Outcome, Stop};
use chrono::{TimeDelta, Utc};
use tourbus_domain::{StepKind, StepResult};
use tourbus_mediaroot::{Retired, remove_tree};
use tourbus_protocol::{ArtistRef, Order};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Longest that an old copy is kept, in seconds (100 years): more would leave the calendar.
const KEEP_S_MAX: u64 = 100 * 365 * 24 * 60 * 60;

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
        // Its last act is to remove the job's notes. Without them it has been done, and the tree
        // that is here now, if any, is that of an artist who has come back.
        if !root.job(job).exists() {
            return Ok(StepResult::Retire { leftovers: None });
        }
        ctx.stop_earlier().await?;
        let artist = self.artist.clone();
        ctx.blocking(move || self.set_aside(&root, job)).await?;
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
        ctx.blocking(move || {
            remove_tree(&root.job(job), &|| false)?;
            Ok(())
        })
        .await?;
        Ok(StepResult::Retire { leftovers })
    }
}

impl Retire {
    /// In this order a listener is never without an answer: the forwarding counts as soon as
    /// the tree is gone.
    fn set_aside(
        &self,
        root: &tourbus_mediaroot::MediaRoot,
        job: tourbus_domain::JobId,
    ) -> Result<(), Stop> {
        let now = Utc::now();
        let keep = i64::try_from(self.keep_s.min(KEEP_S_MAX)).unwrap_or(0);
        let note = Retired {
            artist: self.artist.id,
            slug: self.artist.slug.clone(),
            retired_at: now,
            purge_at: now + TimeDelta::seconds(keep),
        };
        root.forward_slug(&self.artist.slug, &self.new_home_url)?;
        root.retire(&root.retired(job), &note)?;
        Ok(())
    }
}
