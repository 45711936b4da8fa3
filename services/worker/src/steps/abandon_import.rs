//! Abandon an import: the move is off; remove what the target holds of it.

use super::{Step, demote};
use crate::context::{Context, Outcome, Stop};
use tourbus_domain::{StepKind, StepResult};
use tourbus_mediaroot::{Removal, remove_tree};
use tourbus_protocol::{ArtistRef, Order};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Parameters.
pub struct AbandonImport {
    artist: ArtistRef,
}

impl Step for AbandonImport {
    const KIND: StepKind = StepKind::AbandonImport;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::AbandonImportV1 { artist } => Some(Self { artist }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        ctx.stop_earlier().await?;
        hold::point("abandon_import.stopped").await;
        let (root, job, stop) = (ctx.root.clone(), ctx.step.job_id, ctx.should_stop());
        ctx.blocking(move || {
            // A tree that this job promoted is no home: there was no cutover.
            if root.job(job).exists() {
                demote::demote(&root, &self.artist, job)?;
            }
            // The notes last: they tell a repetition what is left to do.
            if remove_tree(&root.incoming(job), &stop)? == Removal::Stopped {
                return Err(Stop::Interrupted);
            }
            Ok(root.forget_job(job, &stop)?)
        })
        .await?;
        Ok(StepResult::AbandonImport)
    }
}
