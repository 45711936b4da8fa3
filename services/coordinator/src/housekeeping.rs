//! Removing from the database what has expired.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tourbus_store::Pruned;

/// How often.
const EVERY: Duration = Duration::from_mins(10);

impl Coordinator {
    /// Prunes now and then until the end. Several coordinators doing so is harmless.
    pub(crate) async fn housekeep(&self) -> Result<(), CoordinatorError> {
        while self.pause(EVERY).await {
            match self.store.advance_plays_window().await {
                Ok(0) => {}
                Ok(days) => tracing::info!(days, "housekeeping.plays_window_advanced"),
                Err(error) => tracing::warn!(%error, "housekeeping.plays_window_stands"),
            }
            match self.store.prune_verifies().await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "housekeeping.verifies_pruned"),
                Err(error) => tracing::warn!(%error, "housekeeping.verifies_not_pruned"),
            }
            match self.store.prune_webhook_deliveries().await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "housekeeping.webhook_deliveries_pruned"),
                Err(error) => tracing::warn!(%error, "housekeeping.webhook_deliveries_not_pruned"),
            }
            match self.store.prune().await {
                Ok(pruned) if pruned == Pruned::default() => {}
                Ok(pruned) => tracing::info!(?pruned, "housekeeping.pruned"),
                Err(error) => tracing::warn!(%error, "housekeeping.not_pruned"),
            }
        }
        Ok(())
    }
}
