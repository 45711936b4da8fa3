//! Signs of life: to the coordinator, to the health page, and the janitor's rounds.

use crate::{
    errand::Desk, events::Events, held::Held, lanes::LaneGate, limiter::Limiter,
    quarantine::Watchman, trust::Trust,
};
use chrono::Utc;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tourbus_broker::Broker;
use tourbus_mediaroot::{Cleaned, MediaRoot, RootError, Space};
use tourbus_protocol::{EventBody, Heartbeat};
use tourbus_staging::Staging;
use tourbus_telemetry::Health;

/// How often staging is looked at, for the health page.
const STAGING_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for its answer.
const STAGING_WAIT: Duration = Duration::from_secs(9);
/// How often the janitor looks.
const CLEAN_EVERY: Duration = Duration::from_mins(1);

/// What a heartbeat tells of.
pub struct Pulse {
    pub events: Events,
    pub held: Held,
    pub root: MediaRoot,
    pub health: Health,
    pub watchman: Arc<Watchman>,
    pub trust: Arc<Trust>,
    pub limiter: Limiter,
    pub gate: Arc<LaneGate>,
    /// How many songs this worker converts at a time, in bulk.
    pub lofi_slots: u16,
}

impl Pulse {
    /// Sends a heartbeat every `period`, until it is dropped.
    pub async fn beat(self, period: Duration) {
        let Self { events, held, root, health, watchman, trust, limiter, gate, lofi_slots } = self;
        let mut ticks = interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let (place, watch, trusted) = (root.clone(), Arc::clone(&watchman), Arc::clone(&trust));
            let limits = limiter.clone();
            let lanes = Arc::clone(&gate);
            let looked = tokio::task::spawn_blocking(move || {
                watch.look();
                trusted.look();
                limits.look();
                lanes.look();
                (place.probe(), place.space())
            });
            // The runtime is ending.
            let Ok((probed, space)) = looked.await else { return };
            let none = Space { free_bytes: 0, total_bytes: 0 };
            let (space, fault) = match (space, probed) {
                (Ok(space), Ok(())) => (space, None),
                // A full disk takes no more, but it is there: artists can be moved off it.
                (Ok(space), Err(error)) if error.is_full() => (space, Some(error)),
                (Err(error), _) | (_, Err(error)) => (none, Some(error)),
            };
            health.set("media_root", fault.map_or(Ok(()), |e| Err(e.to_string())));
            metrics::gauge!("tourbus_worker_free_bytes").set(space.free_bytes as f64);
            let running = held.all();
            metrics::gauge!("tourbus_worker_held_steps").set(running.len() as f64);
            let heartbeat = Heartbeat {
                running,
                free_bytes: space.free_bytes,
                total_bytes: space.total_bytes,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                quarantine: watchman.standing(),
                trusts: trust.key_ids(),
                lofi_slots,
                limits: limiter.kept(),
                lanes: Some(gate.standing()),
            };
            if let Err(error) = events.publish(EventBody::Heartbeat(heartbeat)).await {
                tracing::debug!(%error, "heartbeat.lost");
            }
        }
    }
}

/// Shows the broker's state on the health page, until it is dropped.
pub async fn watch_broker(broker: Broker, health: Health) {
    let mut state = broker.watch();
    loop {
        let ready = state.borrow_and_update().ready();
        health.set("broker", ready);
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// Looks at staging now and then, for the health page, until it is dropped.
pub async fn watch_staging<S: Staging>(staging: S, health: Health) {
    match timeout(STAGING_WAIT, staging.probe()).await {
        Ok(Ok(report)) => {
            for warning in report.warnings {
                tracing::warn!(warning, "staging.probe");
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "staging.probe"),
        Err(_) => tracing::warn!("staging.probe: no answer in time"),
    }
    let mut ticks = interval(STAGING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let state = match timeout(STAGING_WAIT, staging.exists(".probe/health")).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", STAGING_WAIT.as_secs())),
        };
        health.set("staging", state);
    }
}

/// Purges what is due, now and then, until it is dropped.
pub async fn clean<S: Staging>(desk: Arc<Desk<S>>) {
    let mut ticks = interval(CLEAN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (root, stopping) = (desk.root.clone(), desk.phase.stopping.clone());
        let round = move || root.clean(Utc::now(), &|| stopping.is_cancelled());
        match tokio::task::spawn_blocking(round).await {
            Ok(cleaned) => tell(cleaned),
            Err(_) => return,
        }
    }
}

fn tell(cleaned: Result<Cleaned, RootError>) {
    match cleaned {
        Ok(cleaned) if cleaned == Cleaned::default() => (),
        Ok(Cleaned { retired, fences, jobs, freezes, half_done, uploads, records }) => {
            tracing::info!(
                retired,
                fences,
                jobs,
                freezes,
                half_done,
                uploads,
                records,
                "janitor.cleaned"
            );
        }
        Err(error) => tracing::warn!(%error, "janitor.failed"),
    }
}
