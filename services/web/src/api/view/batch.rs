//! Batches as scripts see them.

use crate::feed::{Estimate, Feed, Progress};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tourbus_domain::BatchId;
use tourbus_store::{BatchProgress, BatchRow, Store, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

/// What one person asked for in one go.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Batch)]
pub struct BatchView {
    /// The batch.
    pub id: Uuid,
    /// `move`, `lofi` or `verify`.
    pub kind: String,
    /// `running` until the last job has ended, then `finished`; `paused` while its queued jobs are
    /// held back.
    pub state: &'static str,
    /// Where its artists go.
    pub target_server_id: Option<Uuid>,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// Jobs in all.
    pub jobs_total: i32,
    /// Jobs that wait.
    pub jobs_queued: i32,
    /// Jobs that run, or are being undone.
    pub jobs_running: i32,
    /// Jobs that succeeded.
    pub jobs_succeeded: i32,
    /// Jobs that failed or are stuck.
    pub jobs_failed: i32,
    /// Jobs that were cancelled.
    pub jobs_cancelled: i32,
    /// Artists that were refused: see `/batches/{id}/refusals`.
    pub refused: i64,
    /// Files that its readings found wrong and that nobody has resolved yet: see
    /// `/verify/findings`.
    pub findings: i64,
    /// Bytes of the jobs that are not failed or cancelled.
    pub bytes_total: i64,
    /// Bytes at their target, verified.
    pub bytes_done: i64,
    /// Of these, the bytes of jobs that succeeded.
    pub bytes_moved: i64,
    /// How fast it goes, and when it may end.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When its first job began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last job ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Since when its queued jobs are held back.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who holds them back.
    pub paused_by: Option<String>,
}

impl BatchView {
    /// Jobs that have ended.
    pub const fn jobs_ended(&self) -> i32 {
        self.jobs_succeeded + self.jobs_failed + self.jobs_cancelled
    }

    /// Reads these batches and how far they are.
    pub async fn read(
        store: &Store,
        feed: &Feed,
        ids: &[BatchId],
    ) -> Result<Vec<Self>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = store.batches_by_ids(ids).await?;
        Self::with_progress(store, feed, rows).await
    }

    /// Adds to these rows how far they are.
    pub async fn with_progress(
        store: &Store,
        feed: &Feed,
        rows: Vec<BatchRow>,
    ) -> Result<Vec<Self>, StoreError> {
        let ids: Vec<BatchId> = rows.iter().map(|r| BatchId(r.id)).collect();
        let progress = store.batch_progress(&ids).await?;
        let found = |id| progress.iter().find(|p| p.batch_id == id);
        Ok(rows.into_iter().map(|row| Self::new(feed, found(row.id), row)).collect())
    }

    fn new(feed: &Feed, progress: Option<&BatchProgress>, row: BatchRow) -> Self {
        let mut view = Self {
            id: row.id,
            kind: row.kind,
            state: match (row.finished_at, row.paused_at) {
                (Some(_), _) => "finished",
                (None, Some(_)) => "paused",
                (None, None) => "running",
            },
            target_server_id: row.target_server_id,
            requested_by: row.requested_by,
            reason: row.reason,
            jobs_total: row.jobs_total,
            jobs_queued: row.jobs_queued,
            jobs_running: row.jobs_running,
            jobs_succeeded: row.jobs_succeeded,
            jobs_failed: row.jobs_failed,
            jobs_cancelled: row.jobs_cancelled,
            refused: row.refused,
            findings: row.findings,
            bytes_total: progress.map_or(0, |p| p.bytes_total),
            bytes_done: progress.map_or(0, |p| p.bytes_done),
            bytes_moved: progress.map_or(0, |p| p.bytes_moved),
            estimate: Estimate::default(),
            created_at: row.created_at,
            started_at: progress.and_then(|p| p.started_at),
            finished_at: row.finished_at,
            paused_at: row.paused_at,
            paused_by: row.paused_by,
        };
        if view.finished_at.is_none() {
            let estimate = feed.note(view.id, &view.progress());
            // What is held back has no end in sight.
            let goes_on = view.state != "paused" || view.jobs_running > 0;
            view.estimate = if goes_on { estimate } else { Estimate::default() };
        }
        view
    }

    fn progress(&self) -> Progress {
        let number = |n: i32| u64::from(n.unsigned_abs());
        Progress {
            jobs_total: number(self.jobs_total),
            jobs_ended: number(self.jobs_ended()),
            jobs_left: number(self.jobs_queued + self.jobs_running),
            bytes_total: self.bytes_total.unsigned_abs(),
            bytes_done: self.bytes_done.unsigned_abs(),
            running_s: self
                .started_at
                .map(|at| (Utc::now() - at).num_milliseconds() as f64 / 1000.0),
        }
    }
}
