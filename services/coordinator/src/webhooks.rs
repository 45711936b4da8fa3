//! Telling webhooks: what is written beside the change that causes it is sent from here, until it
//! has arrived or is given up.
//!
//! ```text
//!  pending ──claim, sign, post──▶ 2xx: delivered
//!     ▲                            else: again, later and later ──tries_max──▶ failed
//!     └──────────────────────────────────┘            nothing arrives for days, or 410: switched off
//! ```

mod send;
mod sign;

use crate::{Coordinator, CoordinatorError};
use futures_util::{StreamExt, stream::FuturesUnordered};
use send::{Told, Verdict};
use std::time::Duration;
use tourbus_config::WebhooksConfig;
use tourbus_store::{DueDelivery, Listener, StoreError, Tried};

/// Deliveries in hand at most.
const IN_HAND_MAX: usize = 32;
/// How much longer than one try a lease lasts, in seconds.
const LEASE_MARGIN_S: u32 = 30;
/// How often it is looked whether one is due, when nobody calls.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause after the database was away.
const PAUSE: Duration = Duration::from_secs(1);
/// Each wait is so many times the one before.
const RETRY_FACTOR: f64 = 3.5;
/// A wait is up to this part of it shorter or longer, so that not all come at once.
const JITTER: f64 = 0.2;

impl Coordinator {
    /// Sends what is due, until the end. Several coordinators send different ones.
    pub(crate) async fn tell_webhooks(&self) -> Result<(), CoordinatorError> {
        let mut listener: Option<Listener> = None;
        while !self.shutdown.is_cancelled() {
            let round = tokio::select! {
                () = self.shutdown.cancelled() => break,
                round = self.tell_some(&mut listener) => round,
            };
            if let Err(error) = round {
                tracing::warn!(%error, "webhooks.database_away");
                listener = None;
                self.pause(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Claims as much as there is room for, whenever one has ended, somebody calls, or time passes:
    /// a slow receiver holds up nobody else.
    async fn tell_some(&self, listener: &mut Option<Listener>) -> Result<(), StoreError> {
        if listener.is_none() {
            *listener = Some(self.store.listen_webhooks().await?);
        }
        let Some(listener) = listener else { return Ok(()) };
        let lease_s = u32::try_from(self.config.webhooks.timeout_ms / 1000).unwrap_or(u32::MAX);
        let lease_s = lease_s.saturating_add(LEASE_MARGIN_S);
        let mut in_hand = FuturesUnordered::new();
        loop {
            let room = IN_HAND_MAX - in_hand.len();
            if room > 0 {
                for due in self.store.claim_webhook_deliveries(room as u32, lease_s).await? {
                    in_hand.push(async move { self.tell_one(&due).await });
                }
            }
            tokio::select! {
                Some(told) = in_hand.next(), if !in_hand.is_empty() => told?,
                woken = listener.next() => { woken?; }
                () = tokio::time::sleep(LOOK_EVERY) => (),
            }
        }
    }

    async fn tell_one(&self, due: &DueDelivery) -> Result<(), StoreError> {
        let told = self.tell(due).await;
        let tried = self.verdict(due, &told).await?;
        let outcome = match &tried {
            Tried::Delivered => "delivered",
            Tried::Again { .. } => "again",
            Tried::GivenUp | Tried::SwitchOff(_) => "failed",
        };
        metrics::counter!("tourbus_webhook_tries_total", "outcome" => outcome).increment(1);
        if told.verdict != Verdict::Arrived {
            // Neither its URL nor what it answers: both may hold secrets of the receiver.
            tracing::warn!(webhook = %due.webhook_id, delivery = %due.id, tries = due.tries,
                status = told.body.status, ?tried, "webhook.not_delivered");
        }
        self.store.settle_webhook_delivery(due, &told.body, &tried).await
    }

    async fn verdict(&self, due: &DueDelivery, told: &Told) -> Result<Tried, StoreError> {
        let config = &self.config.webhooks;
        if told.verdict == Verdict::Arrived {
            return Ok(Tried::Delivered);
        }
        if told.verdict == Verdict::Gone {
            return Ok(Tried::SwitchOff(
                "It answered 410 Gone: it wants to be told no more.".to_owned(),
            ));
        }
        let failing_s = self.store.webhook_failing_s(due.webhook_id).await?.unwrap_or(0.0);
        if failing_s > config.off_after_s as f64 {
            let hours = (failing_s / 3600.0).round();
            return Ok(Tried::SwitchOff(format!("Nothing has arrived for {hours} hours.")));
        }
        if told.verdict == Verdict::NotAllowed || due.tries >= config.tries_max {
            return Ok(Tried::GivenUp);
        }
        Ok(Tried::Again { after_ms: wait_ms(config, due.tries, rand::random()) })
    }
}

/// How long to wait after so many tries; `unit` is by chance, from 0 to 1.
fn wait_ms(config: &WebhooksConfig, tries: u32, unit: f64) -> u64 {
    let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
    let wait = config.retry_base_ms as f64 * RETRY_FACTOR.powi(exponent);
    let wait = wait.min(config.retry_max_ms as f64);
    (wait * (1.0 - JITTER + 2.0 * JITTER * unit)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_spread_over_about_a_day() {
        let config = WebhooksConfig::default();
        let waits: Vec<u64> = (1..config.tries_max).map(|n| wait_ms(&config, n, 0.5)).collect();
        assert_eq!((waits[0], waits[1]), (5_000, 17_500));
        assert!(waits.windows(2).all(|w| w[0] <= w[1]), "{waits:?}");
        let hours = waits.iter().sum::<u64>() as f64 / 3_600_000.0;
        assert!((18.0..30.0).contains(&hours), "{hours} h");
        assert!(wait_ms(&config, 1, 0.0) < wait_ms(&config, 1, 1.0));
        assert!(wait_ms(&config, u32::MAX, 1.0) < 10 * 60 * 60 * 1000);
    }
}
