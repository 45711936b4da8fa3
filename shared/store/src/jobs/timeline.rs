//! What happened to a job, and where its steps stand.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use tourbus_domain::JobId;
use uuid::Uuid;

/// Most entries of a timeline that are shown; the newest are kept.
const TIMELINE_MAX: i64 = 500;
/// Most steps that are shown; a huge artist has one import per segment.
const STEPS_MAX: i64 = 200;

/// One entry of a job's timeline.
#[derive(Debug, Clone, FromRow)]
pub struct JobEventRow {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub name: String,
    /// More about it.
    pub detail: Value,
}

/// One step of a job.
#[derive(Debug, Clone, FromRow)]
pub struct JobStepRow {
    /// A `StepKind`'s name.
    pub kind: String,
    /// Which one of its kind.
    pub seq: i32,
    /// A `StepState`'s name.
    pub state: String,
    /// Its current try.
    pub epoch: i64,
    /// Tries that cost something.
    pub attempts: i32,
    /// Whose lane it is on.
    pub server_id: Uuid,
    /// Which lane.
    pub lane: String,
    /// Which worker began its last try.
    pub worker: Option<String>,
    /// Not before this time.
    pub run_after: DateTime<Utc>,
    /// When its current try was sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// When a worker last named its current try.
    pub seen_at: Option<DateTime<Utc>>,
    /// Its last failure.
    pub error: Option<Value>,
}

impl Store {
    /// What happened to a job, the oldest first.
    pub async fn job_timeline(&self, job: JobId) -> Result<Vec<JobEventRow>, StoreError> {
        let mut rows: Vec<JobEventRow> = sqlx::query_as(
            "SELECT id, at, name, detail FROM job_events WHERE job_id = $1
             ORDER BY id DESC LIMIT $2",
        )
        .bind(job.0)
        .bind(TIMELINE_MAX)
        .fetch_all(self.pool())
        .await?;
        rows.reverse();
        Ok(rows)
    }

    /// The steps of a job, those that still run first.
    pub async fn job_steps(&self, job: JobId) -> Result<Vec<JobStepRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT kind, seq, state, epoch, attempts, server_id, lane, worker, run_after, sent_at,
                    seen_at, error
             FROM steps WHERE job_id = $1
             ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'sent' THEN 1 WHEN 'waiting' THEN 2
                      ELSE 3 END, epoch DESC, seq LIMIT $2",
        )
        .bind(job.0)
        .bind(STEPS_MAX)
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }
}
