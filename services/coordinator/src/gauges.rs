//! Health and gauges: what an operator looks at.

use crate::{Coordinator, CoordinatorError};
use std::{collections::BTreeSet, time::Duration};
use tourbus_domain::{FindingKind, JobKind, JobState};
use tourbus_store::{ClusterGauges, ServerGauges};
use tourbus_telemetry::Health;

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(2);
/// The same, for what costs it more.
const CLUSTER_EVERY: Duration = Duration::from_secs(10);

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

    /// Keeps the gauges of the whole cluster current until the end.
    pub(crate) async fn measure_cluster(&self) -> Result<(), CoordinatorError> {
        let mut servers = Servers::default();
        loop {
            match self.store.cluster_gauges().await {
                Ok(seen) => {
                    show(&seen);
                    servers.show(&seen.servers);
                }
                Err(error) => tracing::debug!(%error, "gauges.database_away"),
            }
            if !self.pause(CLUSTER_EVERY).await {
                return Ok(());
            }
        }
    }

    async fn measure(&self, health: &Health) {
        match self.store.outbox_depth().await {
            Ok(depth) => {
                health.set("database", Ok(()));
                metrics::gauge!("tourbus_outbox_rows").set(depth.rows as f64);
                metrics::gauge!("tourbus_outbox_due_rows").set(depth.due as f64);
                let age_s = depth.oldest_due_ms as f64 / 1000.0;
                metrics::gauge!("tourbus_outbox_oldest_due_seconds").set(age_s);
            }
            Err(error) => health.set("database", Err(error.to_string())),
        }
    }
}

/// Everything but the servers. What is not there any more is zero.
fn show(seen: &ClusterGauges) {
    for kind in JobKind::ALL {
        for group in ["queued", "running", "rolling_back"] {
            let here = |(of, state, _): &&(String, String, i64)| {
                of == kind.as_str() && group_of(state) == Some(group)
            };
            let n: i64 = seen.jobs.iter().filter(here).map(|(.., n)| n).sum();
            metrics::gauge!("tourbus_open_jobs", "kind" => kind.as_str(), "state" => group)
                .set(n as f64);
        }
    }
    let stuck = seen.jobs.iter().filter(|(_, state, _)| state == JobState::Stuck.as_str());
    metrics::gauge!("tourbus_stuck_jobs").set(stuck.map(|(.., n)| *n).sum::<i64>() as f64);
    for kind in FindingKind::ALL {
        let n: i64 = seen.findings.iter().filter(|(k, _)| k == kind.as_str()).map(|(_, n)| n).sum();
        metrics::gauge!("tourbus_open_findings", "kind" => kind.as_str()).set(n as f64);
    }
    metrics::gauge!("tourbus_waiting_dead_letters").set(seen.dead_letters as f64);
    metrics::gauge!("tourbus_balance_skew_ratio").set(seen.skew());
}

fn group_of(state: &str) -> Option<&'static str> {
    match state.parse::<JobState>().ok()? {
        JobState::Queued => Some("queued"),
        JobState::RollingBack => Some("rolling_back"),
        state if state.is_final() || state == JobState::Stuck => None,
        _ => Some("running"),
    }
}

/// The servers whose gauges are shown.
#[derive(Default)]
struct Servers(BTreeSet<String>);

impl Servers {
    fn show(&mut self, seen: &[ServerGauges]) {
        let gauge = |name: &'static str, server: &str, value: f64| {
            metrics::gauge!(name, "server" => server.to_owned()).set(value);
        };
        for server in seen {
            let slug = server.slug.as_str();
            if let Some(silent_s) = server.silent_s {
                gauge("tourbus_server_silent_seconds", slug, silent_s);
            }
            gauge("tourbus_server_free_bytes", slug, server.free_bytes.unwrap_or(0) as f64);
            gauge("tourbus_server_disk_bytes", slug, server.total_bytes.unwrap_or(0) as f64);
            gauge("tourbus_server_artists", slug, server.artists as f64);
            gauge("tourbus_server_recent_plays", slug, server.plays_30d as f64);
        }
        let now: BTreeSet<String> = seen.iter().map(|s| s.slug.clone()).collect();
        // A series cannot be taken back: of a server that was deleted nothing is to be said.
        for gone in self.0.difference(&now) {
            for name in [
                "tourbus_server_silent_seconds",
                "tourbus_server_free_bytes",
                "tourbus_server_disk_bytes",
                "tourbus_server_artists",
                "tourbus_server_recent_plays",
            ] {
                gauge(name, gone, f64::NAN);
            }
        }
        self.0 = now;
    }
}
