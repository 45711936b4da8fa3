//! The counters of batches, kept by deltas in the transaction that changes the jobs.

use crate::{StoreError, jobs_core::Held, webhooks::tell};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use tourbus_domain::{Job, JobState};
use uuid::Uuid;

/// What one batch's counters change by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Delta {
    queued: i64,
    running: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    bytes_total: i64,
    bytes_done: i64,
}

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    batches: BTreeMap<Uuid, Delta>,
}

impl Delta {
    fn add(&mut self, job: &Job, sign: i64) {
        let counter = match job.state {
            JobState::Queued => &mut self.queued,
            JobState::Running
            | JobState::Copying
            | JobState::Syncing
            | JobState::Cutover
            | JobState::Retiring
            | JobState::RollingBack => &mut self.running,
            JobState::Succeeded => &mut self.succeeded,
            JobState::Failed | JobState::Stuck => &mut self.failed,
            JobState::Cancelled => &mut self.cancelled,
        };
        *counter += sign;
        self.bytes_total += sign * job.totals.bytes as i64;
        self.bytes_done += sign * job.bytes_done as i64;
    }
}

impl Tally {
    /// Counts what has changed of one job.
    pub(crate) fn count(&mut self, held: &Held) {
        let Some(batch) = held.batch_id else { return };
        let delta = self.batches.entry(batch.0).or_default();
        delta.add(&held.before, -1);
        delta.add(&held.job, 1);
    }

    /// Writes the changes, in the order of the batches' ids. Returns which have changed.
    pub(crate) async fn save(self, conn: &mut PgConnection) -> Result<Vec<Uuid>, StoreError> {
        let rows: Vec<(Uuid, Delta)> =
            self.batches.into_iter().filter(|(_, d)| *d != Delta::default()).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
        let column = |get: fn(&Delta) -> i64| rows.iter().map(|(_, d)| get(d)).collect::<Vec<_>>();
        let open: Vec<Uuid> = sqlx::query_as(
            "SELECT id, finished_at IS NULL FROM batches WHERE id = ANY($1) ORDER BY id \
             FOR NO KEY UPDATE",
        )
        .bind(&ids)
        .fetch_all(&mut *conn)
        .await?
        .into_iter()
        .filter_map(|(id, open): (Uuid, bool)| open.then_some(id))
        .collect();
        let ended: Vec<(Uuid, bool)> = sqlx::query_as(
            "UPDATE batches b SET jobs_queued = b.jobs_queued + u.queued, \
                 jobs_running = b.jobs_running + u.running, \
                 jobs_succeeded = b.jobs_succeeded + u.succeeded, \
                 jobs_failed = b.jobs_failed + u.failed, \
                 jobs_cancelled = b.jobs_cancelled + u.cancelled, \
                 bytes_total = b.bytes_total + u.bytes_total, \
                 bytes_done = b.bytes_done + u.bytes_done, \
                 finished_at = CASE WHEN b.jobs_queued + u.queued + b.jobs_running + u.running = 0 \
                     THEN COALESCE(b.finished_at, now()) END \
             FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
                 $6::bigint[], $7::bigint[], $8::bigint[]) \
                 AS u(id, queued, running, succeeded, failed, cancelled, bytes_total, bytes_done) \
             WHERE b.id = u.id RETURNING b.id, b.finished_at IS NOT NULL",
        )
        .bind(&ids)
        .bind(column(|d| d.queued))
        .bind(column(|d| d.running))
        .bind(column(|d| d.succeeded))
        .bind(column(|d| d.failed))
        .bind(column(|d| d.cancelled))
        .bind(column(|d| d.bytes_total))
        .bind(column(|d| d.bytes_done))
        .fetch_all(&mut *conn)
        .await?;
        let ended: Vec<Uuid> =
            ended.into_iter().filter_map(|(id, ended)| ended.then_some(id)).collect();
        keep_ends(conn, &ended).await?;
        let now: Vec<Uuid> = ended.into_iter().filter(|id| open.contains(id)).collect();
        tell::batches_ended(conn, &now).await?;
        Ok(ids)
    }
}

/// How far a batch is, of its jobs in a condition. What succeeded is done whole; what ended otherwise has
/// nothing left to do.
macro_rules! progress {
    ($jobs:literal) => {
        concat!(
            "SELECT batch_id, \
                 coalesce(sum(bytes_total) FILTER ( \
                     WHERE state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint AS bytes_total, \
                 coalesce(sum(CASE WHEN state = 'succeeded' THEN bytes_total \
                          ELSE least(bytes_done, bytes_total) END) FILTER ( \
                     WHERE state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint AS bytes_done, \
                 coalesce(sum(bytes_total) FILTER (WHERE state = 'succeeded'), 0)::bigint \
                     AS bytes_moved, \
                 min(started_at) AS started_at \
             FROM jobs WHERE ",
            $jobs,
            " GROUP BY batch_id"
        )
    };
}
pub(crate) use progress;

/// Keeps how far batches were when they ended, so that nobody adds that up again; with the time, for one
/// that goes on ends anew.
async fn keep_ends(conn: &mut PgConnection, batches: &[Uuid]) -> Result<(), StoreError> {
    if batches.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "INSERT INTO batch_ends (batch_id, finished_at, bytes_total, bytes_done, bytes_moved, \
             started_at) \
         SELECT b.id, b.finished_at, p.bytes_total, p.bytes_done, p.bytes_moved, p.started_at FROM (",
        progress!("batch_id = ANY($1)"),
        ") p JOIN batches b ON b.id = p.batch_id WHERE b.finished_at IS NOT NULL \
         ON CONFLICT (batch_id) DO UPDATE SET finished_at = excluded.finished_at, \
             bytes_total = excluded.bytes_total, bytes_done = excluded.bytes_done, \
             bytes_moved = excluded.bytes_moved, started_at = excluded.started_at"
    ))
    .bind(batches)
    .execute(conn)
    .await?;
    Ok(())
}
