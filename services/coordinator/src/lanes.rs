//! Telling servers again which of their lanes are paused, when what a worker reports differs: the
//! order was lost, or what the server had noted is.

use crate::{Coordinator, CoordinatorError};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tourbus_domain::ServerId;

/// How often the reports are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A change is on its way for this long; and a server is told again no sooner than after it.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

impl Coordinator {
    /// Until the end.
    pub(crate) async fn keep_lanes(&self) -> Result<(), CoordinatorError> {
        // A hint only: losing it costs repetition.
        let mut told: HashMap<ServerId, Instant> = HashMap::new();
        while self.pause(EVERY).await {
            told.retain(|_, at| at.elapsed() < AGAIN_AFTER);
            let lately: Vec<ServerId> = told.keys().copied().collect();
            match self.store.tell_lanes_again(&lately, AGAIN_AFTER).await {
                Ok(again) => {
                    for server in again {
                        tracing::info!(%server, "lanes.told_again");
                        told.insert(server, Instant::now());
                    }
                }
                Err(error) => tracing::warn!(%error, "lanes.not_looked_after"),
            }
        }
        Ok(())
    }
}
