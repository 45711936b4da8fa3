//! Abandon an export: the move is off; lift the freeze, forget the export, empty staging. The
//! artist's tree is not touched.

use super::Step;
use crate::context::{Context, Outcome};
use tourbus_domain::{ArtistId, StepKind, StepResult};
use tourbus_protocol::Order;
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Parameters.
pub struct AbandonExport {
    artist: ArtistId,
}

impl Step for AbandonExport {
    const KIND: StepKind = StepKind::AbandonExport;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::AbandonExportV1 { artist } => Some(Self { artist: artist.id }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        ctx.stop_earlier().await?;
        let (root, job) = (ctx.root.clone(), ctx.step.job_id);
        ctx.blocking(move || Ok(root.lift_freeze(self.artist, job)?)).await?;
        hold::point("abandon_export.thawed").await;
        let leftovers = ctx.empty_staging().await;
        let (root, stop) = (ctx.root.clone(), ctx.should_stop());
        ctx.blocking(move || Ok(root.forget_job(job, &stop)?)).await?;
        Ok(StepResult::AbandonExport { leftovers })
    }
}
