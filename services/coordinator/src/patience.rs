//! Waiting for the database.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tourbus_config::DatabaseConfig;
use tourbus_store::{Store, StoreError};

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Connects, however long that takes; `None` when the process is to end first.
pub(crate) async fn connect(
    config: &DatabaseConfig,
    shutdown: &CancellationToken,
) -> Result<Option<Store>, CoordinatorError> {
    loop {
        let connected = tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            connected = Store::connect(config) => connected,
        };
        match connected {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "coordinator.waiting_for_database");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Tries of one call to the database, with growing pauses.
pub(crate) struct Patience {
    what: &'static str,
    pause: Duration,
}

impl Patience {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, pause: Duration::from_millis(100) }
    }

    /// Waits before another try; false when there must be none: the error is not one that
    /// passes, or the process is to end.
    pub(crate) async fn after(&mut self, error: &StoreError, coordinator: &Coordinator) -> bool {
        if !error.is_transient() {
            tracing::error!(%error, what = self.what, "coordinator.database_refuses");
            return false;
        }
        tracing::warn!(%error, what = self.what, "coordinator.database_away");
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        coordinator.pause(pause).await
    }
}
