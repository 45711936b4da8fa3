//! Tells servers the limits that they are to keep to, until their workers say that they do.

use crate::{Coordinator, CoordinatorError};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tourbus_domain::Slug;
use tourbus_store::{OwedLimits, StoreError};

/// How often it is looked who is to be told.
const EVERY: Duration = Duration::from_secs(1);
/// A server that does not say that it keeps to them is told again after this long.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// What was announced to whom: revision, workers, when. A hint only: losing it costs repetition.
type Told = HashMap<Slug, (u64, u32, Instant)>;

impl Coordinator {
    /// Announces limits until the end.
    pub(crate) async fn announce_limits(&self) -> Result<(), CoordinatorError> {
        let mut told = Told::default();
        while self.pause(EVERY).await {
            if let Err(error) = self.limits_round(&mut told).await {
                tracing::warn!(%error, "limits.not_announced");
            }
        }
        Ok(())
    }

    async fn limits_round(&self, told: &mut Told) -> Result<(), StoreError> {
        let mut owed = self.store.owed_limits().await?;
        told.retain(|server, _| owed.iter().any(|o| o.server == *server));
        owed.retain(|one| is_due(told, one));
        if owed.is_empty() {
            return Ok(());
        }
        self.store.announce_limits(&owed).await?;
        for OwedLimits { server, revision, workers, .. } in owed {
            tracing::info!(%server, revision, workers, "limits.announced");
            told.insert(server, (revision, workers, Instant::now()));
        }
        Ok(())
    }
}

fn is_due(told: &Told, one: &OwedLimits) -> bool {
    told.get(&one.server).is_none_or(|(revision, workers, at)| {
        (*revision, *workers) != (one.revision, one.workers) || at.elapsed() >= AGAIN_AFTER
    })
}
