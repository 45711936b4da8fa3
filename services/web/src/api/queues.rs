//! `/queues`, `/workers`: what waits, and who works.

use super::view::QuarantineView;
use crate::{
    app::App,
    cursor::Page,
    problem::Problem,
    queues::{BrokerNode, QueueDepth, QueueHistory, Snapshot},
};
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::sync::Arc;
use tourbus_domain::Slug;
use tourbus_store::WorkerRow;
use utoipa::ToSchema;
use uuid::Uuid;

/// Everything about the queues; the API's and the pages' way.
pub async fn snapshot(app: &App) -> Result<Arc<Snapshot>, Problem> {
    app.queues.snapshot().await.map_err(|e| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broker_unknown", "The queues are not known")
            .detail(format!("{e}."))
            .remedy("Check that RabbitMQ runs and that its management plugin is enabled.")
            .retry_after(5)
    })
}

/// Our queues among them, the lanes of every server first.
pub async fn ours(app: &App, snapshot: &Snapshot) -> Result<Vec<QueueDepth>, Problem> {
    let servers = app.store.servers().await?;
    let slugs: Vec<Slug> = servers.into_iter().filter_map(|s| s.slug.parse().ok()).collect();
    // Not of the snapshot: who has just paused a lane sees it.
    Ok(snapshot.ours(&slugs, &app.store.lane_pauses().await?))
}

/// Depths of the queues.
pub async fn depths(app: &App) -> Result<Vec<QueueDepth>, Problem> {
    ours(app, &*snapshot(app).await?).await
}

/// The lanes of every server, then the cluster's own queues; at most two seconds old.
#[utoipa::path(get, path = "/queues", tag = "queues", operation_id = "list_queues",
    responses((status = 200, body = Page<QueueDepth>), (status = 503, body = Problem)))]
pub async fn list(State(app): State<App>) -> Result<Json<Page<QueueDepth>>, Problem> {
    depths(&app).await.map(Page::whole).map(Json)
}

/// The last hour of every queue, in quarters of a minute, as far as this web process has seen it:
/// it begins when the process does.
#[utoipa::path(get, path = "/queues/history", tag = "queues", operation_id = "list_queue_history",
    responses((status = 200, body = Page<QueueHistory>)))]
pub async fn history(State(app): State<App>) -> Json<Page<QueueHistory>> {
    Json(Page::whole(app.queues.history()))
}

/// How the broker is, and what it has not been given yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BrokerView {
    /// When this was so.
    pub at: DateTime<Utc>,
    /// Whether it takes no messages at the moment: a node is short of memory or disk.
    pub publishing_blocked: bool,
    /// Its nodes.
    pub nodes: Vec<BrokerNode>,
    /// Orders that it has not been given yet; null while the database is away.
    pub outbox_rows: Option<i64>,
    /// How long the oldest of them that is due has been due, in seconds.
    pub outbox_due_s: Option<f64>,
    /// Dead letters that wait for somebody.
    pub dead_letters: Option<i64>,
}

impl From<&Snapshot> for BrokerView {
    fn from(snapshot: &Snapshot) -> Self {
        let facts = snapshot.facts.as_ref();
        Self {
            at: snapshot.at,
            publishing_blocked: snapshot.alarms().next().is_some(),
            nodes: snapshot.nodes.clone(),
            outbox_rows: facts.map(|f| f.outbox_rows),
            outbox_due_s: facts.map(|f| f.outbox_due_s),
            dead_letters: facts.map(|f| f.dead_letters),
        }
    }
}

/// How the broker is; at most two seconds old.
#[utoipa::path(get, path = "/queues/broker", tag = "queues", operation_id = "get_broker",
    responses((status = 200, body = BrokerView), (status = 503, body = Problem)))]
pub async fn broker(State(app): State<App>) -> Result<Json<BrokerView>, Problem> {
    Ok(Json(BrokerView::from(&*snapshot(&app).await?)))
}

/// A worker.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Worker)]
pub struct WorkerView {
    /// Whose.
    pub server_id: Uuid,
    /// The server's name for people.
    pub server_name: String,
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process on that server.
    pub pid: i32,
    /// Steps in its hands.
    pub running: i32,
    /// When it reported last.
    pub last_seen_at: DateTime<Utc>,
    /// Whether that was so long ago that it counts as offline.
    pub offline: bool,
    /// Why it takes no work; null if it does.
    pub quarantine: Option<QuarantineView>,
}

/// Every worker that has reported within a day; the API's and the pages' way.
pub async fn all_workers(app: &App) -> Result<Vec<WorkerView>, Problem> {
    let offline_after_s = f64::from(app.config.offline_after_s);
    let view = |row: WorkerRow| WorkerView {
        server_id: row.server_id,
        server_name: row.server_name,
        name: row.name,
        version: row.version,
        pid: row.pid,
        running: row.running,
        last_seen_at: row.last_seen_at,
        offline: row.seen_age_s > offline_after_s,
        quarantine: row.quarantine.map(|q| q.0.into()),
    };
    Ok(app.store.workers().await?.into_iter().map(view).collect())
}

/// Every worker that has reported within a day.
#[utoipa::path(get, path = "/workers", tag = "queues", operation_id = "list_workers",
    responses((status = 200, body = Page<WorkerView>)))]
pub async fn workers(State(app): State<App>) -> Result<Json<Page<WorkerView>>, Problem> {
    all_workers(&app).await.map(Page::whole).map(Json)
}
