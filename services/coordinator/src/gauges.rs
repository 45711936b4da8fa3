//! Health and gauges: what an operator looks at.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tourbus_telemetry::Health;

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(2);

impl Coordinator {
    /// Keeps `/readyz` and the gauges current until the end.
    pub(crate) async fn watch(&self, health: Health) -> Result<(), CoordinatorError> {
        let mut broker = self.broker.watch();
        loop {
            health.set("broker", broker.borrow_and_update().ready());
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = broker.changed() => {
                    // The sender lives as long as the broker that this process holds.
                    if changed.is_err() && !self.pause(EVERY).await {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(EVERY) => self.measure(&health).await,
            }
        }
    }

    async fn measure(&self, health: &Health) {
        match self.store.outbox_depth().await {
            Ok(depth) => {
                health.set("database", Ok(()));
                metrics::gauge!("tourbus_outbox_rows").set(depth.rows as f64);
                let age_s = depth.oldest_due_ms as f64 / 1000.0;
                metrics::gauge!("tourbus_outbox_oldest_due_seconds").set(age_s);
            }
            Err(error) => health.set("database", Err(error.to_string())),
        }
    }
}
