//! Export: walk the artist's tree at home, and stage it while the home goes on serving it.
//!
//! Files that change meanwhile are left to the sync, which freezes writes first.

use super::{Step, tree};
use crate::{
    context::{Context, Outcome},
    copy::{Journal, Writers, stage},
};
use tourbus_domain::{ArtistId, StepKind, StepResult};
use tourbus_protocol::{EventBody, Order};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Parameters.
pub struct Export {
    artist: ArtistId,
}

impl Step for Export {
    const KIND: StepKind = StepKind::Export;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::ExportV1 { artist } => Some(Self { artist: artist.id }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let artist_tree = tree::open(&ctx, self.artist).await?;
        let walked = tree::walk(&ctx, &artist_tree).await?;
        hold::point("export.walked").await;
        let (root, job) = (ctx.root.clone(), ctx.step.job_id);
        let mut journal = ctx.blocking(move || Ok(Journal::open(&root, job)?)).await?;

        let totals = Some(tree::totals(&walked));
        ctx.events.emit(EventBody::Progress { step: ctx.step, bytes: journal.bytes(), totals });
        // What an earlier try has staged may not have been heard of.
        for segment in journal.segments() {
            ctx.events.emit(EventBody::Staged { step: ctx.step, segment: segment.clone() });
        }

        let writers = Writers::Active;
        let copied = stage(&ctx, &artist_tree, &walked, &mut journal, 0, writers).await?;
        if !copied.changed.is_empty() {
            tracing::debug!(%job, files = copied.changed.len(), "export.left_to_sync");
        }
        hold::point("export.done").await;
        Ok(StepResult::Export { segments: journal.segments().to_vec() })
    }
}
