//! `/healthz` (the process lives), `/readyz` (all it needs is there), `/metrics` (Prometheus).

use crate::catalog::{self, Process};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

/// How often what histograms have gathered is put into their buckets, scraped or not: until then
/// each sample is kept by itself.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What a process needs, and whether it is there. Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<&'static str, Result<(), String>>>>,
    metrics: PrometheusHandle,
}

impl Health {
    /// Installs the metrics recorder of this process, with every metric at zero, and starts with
    /// every part missing. Call once per process, within the runtime.
    pub fn install(process: Process, parts: &[&'static str]) -> Result<Self, BuildError> {
        let builder = catalog::buckets(process, PrometheusBuilder::new())?;
        let metrics = builder.install_recorder()?;
        catalog::register(process);
        metrics::gauge!("tourbus_build_info", "version" => env!("CARGO_PKG_VERSION"),
            "process" => process.as_str())
        .set(1.0);
        let upkeep = metrics.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP_EVERY);
            loop {
                ticks.tick().await;
                upkeep.run_upkeep();
            }
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics::gauge!("process_start_time_seconds").set(now.as_secs_f64());
        let missing = |p: &&'static str| (*p, Err("not connected yet".to_owned()));
        Ok(Self { parts: Arc::new(RwLock::new(parts.iter().map(missing).collect())), metrics })
    }

    /// Says that a part is there (`Ok`) or why it is not.
    pub fn set(&self, part: &'static str, state: Result<(), String>) {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        parts.insert(part, state);
    }

    /// The three routes, to be merged into a process's own router or served alone.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(|State(h): State<Self>| async move { h.metrics.render() }))
            .with_state(self.clone())
    }
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let parts = health.parts.read().unwrap_or_else(PoisonError::into_inner);
    let ready = parts.values().all(Result::is_ok);
    let shown: Map<String, Value> = parts
        .iter()
        .map(|(name, state)| {
            let text = state.as_ref().map_or_else(Clone::clone, |()| "ok".to_owned());
            ((*name).to_owned(), Value::String(text))
        })
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": shown })))
}

/// Serves the three routes alone until `shutdown` resolves.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, health.router()).with_graceful_shutdown(shutdown).await
}
