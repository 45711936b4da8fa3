//! What the database knows of the queues, for the operator's page.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, types::Json};
use tourbus_domain::Quarantine;
use uuid::Uuid;

/// The order that has waited the longest on a lane.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct OldestWaiting {
    /// Whose lane.
    pub server_slug: String,
    /// Which.
    pub lane: String,
    /// For how long, in seconds.
    pub waits_s: f64,
}

/// What the database knows of the queues, at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueFacts {
    /// The oldest order of each lane that has one.
    pub oldest: Vec<OldestWaiting>,
    /// Orders that the broker has not been given yet.
    pub outbox_rows: i64,
    /// How long the oldest of them that is due has been due, in seconds.
    pub outbox_due_s: f64,
    /// Dead letters that wait for somebody.
    pub dead_letters: i64,
}

/// A worker, as it reported last.
#[derive(Debug, Clone, FromRow)]
pub struct WorkerRow {
    /// Whose.
    pub server_id: Uuid,
    /// The server's name for people.
    pub server_name: String,
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: i32,
    /// Steps in its hands.
    pub running: i32,
    /// When it reported.
    pub last_seen_at: DateTime<Utc>,
    /// How long ago that was, in seconds.
    pub seen_age_s: f64,
    /// Why it takes no work.
    pub quarantine: Option<Json<Quarantine>>,
}

impl Store {
    /// What the database knows of the queues.
    pub async fn queue_facts(&self) -> Result<QueueFacts, StoreError> {
        let oldest = sqlx::query_as(
            "SELECT v.slug AS server_slug, s.lane, \
                 extract(epoch FROM now() - min(s.sent_at))::float8 AS waits_s \
             FROM steps s JOIN servers v ON v.id = s.server_id \
             WHERE s.state = 'sent' AND s.sent_at <= now() GROUP BY v.slug, s.lane",
        )
        .fetch_all(self.pool())
        .await?;
        let depth = self.outbox_depth().await?;
        let dead_letters: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM dead_letters WHERE state IN ('waiting', 'requeueing')",
        )
        .fetch_one(self.pool())
        .await?;
        let outbox_due_s = depth.oldest_due_ms as f64 / 1000.0;
        Ok(QueueFacts { oldest, outbox_rows: depth.rows, outbox_due_s, dead_letters })
    }

    /// Every worker that has reported within a day, by server and name.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT w.server_id, s.name AS server_name, w.name, w.version, w.pid, w.running, \
                 w.last_seen_at, extract(epoch FROM now() - w.last_seen_at)::float8 AS seen_age_s, \
                 w.quarantine \
             FROM workers w JOIN servers s ON s.id = w.server_id \
             WHERE s.deleted_at IS NULL ORDER BY s.is_master DESC, s.name, w.name",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }
}
