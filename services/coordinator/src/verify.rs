//! Every artist's files are read back once in so many days, without anybody asking for it.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;

/// How often it is looked whose turn has come.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The first look comes this long after the start.
const FIRST_AFTER: Duration = Duration::from_secs(20);

impl Coordinator {
    /// Queues whose turn has come, until the end. Several coordinators doing so is harmless.
    pub(crate) async fn verify_in_turn(&self) -> Result<(), CoordinatorError> {
        let mut wait = FIRST_AFTER;
        while self.pause(wait).await {
            wait = LOOK_EVERY;
            match self.store.queue_due_verifies().await {
                Ok(0) => {}
                Ok(artists) => {
                    metrics::counter!("tourbus_verify_turns_total").increment(artists);
                    tracing::info!(artists, "verify.queued");
                }
                Err(error) => tracing::warn!(%error, "verify.not_queued"),
            }
        }
        Ok(())
    }
}
