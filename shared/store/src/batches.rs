//! Batches, as pages and scripts see them.

mod bulk;

pub use bulk::{
    BATCHES_PER_ASK_MAX, BatchAsk, BatchAsked, BatchOutcome, BatchRefused, BatchesAsked,
    BatchesCounted, BatchesWhich,
};

use crate::{
    Action, By, Deed, NewestCursor, Store, StoreError, Teller, Told, jobs::Meant, tally::progress,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{ArtistId, BatchId, Input, JobId, MoveSettings, ServerId};
use uuid::Uuid;

/// What one person asked for in one go.
#[derive(Debug, Clone, FromRow)]
pub struct BatchRow {
    /// The batch.
    pub id: Uuid,
    /// `move`.
    pub kind: String,
    /// Where its artists go.
    pub target_server_id: Option<Uuid>,
    /// Who asked: an email address.
    pub requested_by: String,
    /// Why, in that person's words.
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
    /// Artists that were refused.
    pub refused: i64,
    /// Files that its readings found wrong and that nobody has resolved.
    pub findings: i64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When the last job ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Since when its queued jobs are held back.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who holds them back.
    pub paused_by: Option<String>,
}

/// Whether a batch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStage {
    /// Some of its jobs are open.
    Open,
    /// Its queued jobs are held back.
    Paused,
    /// Its last job has ended.
    Ended,
}

/// Which batches. An empty query means all.
#[derive(Debug, Clone, Default)]
pub struct BatchQuery {
    /// At this stage.
    pub stage: Option<BatchStage>,
    /// Of this kind.
    pub kind: Option<String>,
    /// To this server.
    pub target_server_id: Option<ServerId>,
    /// With a job of an artist whose name has this in it, or of the one with this id.
    pub artist: Option<String>,
    /// Asked for by this person, exactly.
    pub requested_by: Option<String>,
    /// Asked for at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Asked for before this time.
    pub until: Option<DateTime<Utc>>,
    /// Behind this one.
    pub after: Option<NewestCursor>,
    /// How many at most.
    pub limit: u32,
}

/// How far a batch is, added up from its jobs.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct BatchProgress {
    /// The batch.
    pub batch_id: Uuid,
    /// Bytes that its jobs have to move.
    pub bytes_total: i64,
    /// Bytes that are at their target, verified.
    pub bytes_done: i64,
    /// Of these, the bytes of jobs that succeeded.
    pub bytes_moved: i64,
    /// When its first job began.
    pub started_at: Option<DateTime<Utc>>,
}

/// What came of retrying a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchRetried {
    /// Jobs that are queued (or being undone) again.
    pub retried: u64,
    /// Jobs that could not be: another job holds the artist, or the artist's home has changed.
    pub refused: u64,
    /// Jobs that are still being undone, and can be retried when that has ended.
    pub undoing: u64,
}

/// An artist that a batch did not take.
#[derive(Debug, Clone, FromRow)]
pub struct RefusalRow {
    /// The artist.
    pub artist_id: Uuid,
    /// Its name, if there is such an artist.
    pub artist_name: Option<String>,
    /// A stable name, as in the API.
    pub reason: String,
}

macro_rules! batches {
    ($rest:literal) => {
        concat!(
            "SELECT b.id, b.kind, b.target_server_id, b.requested_by, b.reason, b.jobs_total, \
             b.jobs_queued, b.jobs_running, b.jobs_succeeded, b.jobs_failed, b.jobs_cancelled, \
             (SELECT count(*) FROM refusals r WHERE r.batch_id = b.id) AS refused, \
             CASE WHEN b.kind = 'verify' THEN (SELECT count(*) FROM verify_findings f \
                 JOIN jobs j ON j.id = f.job_id \
                 WHERE f.resolved_at IS NULL AND j.batch_id = b.id) ELSE 0 END AS findings, \
             b.created_at, b.finished_at, b.paused_at, b.paused_by FROM batches b ",
            $rest
        )
    };
}

/// The conditions of a query, but for how many.
fn push_query(sql: &mut QueryBuilder<Postgres>, query: &BatchQuery, artists: &Meant) {
    match artists {
        Meant::Any => {}
        Meant::Few(ids) => {
            sql.push(" AND b.id IN (SELECT j.batch_id FROM jobs j WHERE j.artist_id = ANY(");
            sql.push_bind(ids.clone()).push("))");
        }
        Meant::Many(pattern) => {
            sql.push(
                " AND EXISTS (SELECT FROM jobs j JOIN artists a ON a.id = j.artist_id \
                 WHERE j.batch_id = b.id AND lower(a.name) LIKE ",
            );
            sql.push_bind(pattern.clone()).push(")");
        }
    }
    match query.stage {
        None => {}
        Some(BatchStage::Open) => drop(sql.push(" AND b.finished_at IS NULL")),
        Some(BatchStage::Paused) => {
            sql.push(" AND b.finished_at IS NULL AND b.paused_at IS NOT NULL");
        }
        Some(BatchStage::Ended) => drop(sql.push(" AND b.finished_at IS NOT NULL")),
    }
    if let Some(kind) = &query.kind {
        sql.push(" AND b.kind = ").push_bind(kind.clone());
    }
    if let Some(server) = query.target_server_id {
        sql.push(" AND b.target_server_id = ").push_bind(server.0);
    }
    if let Some(person) = &query.requested_by {
        sql.push(" AND b.requested_by = ").push_bind(person.clone());
    }
    if let Some(since) = query.since {
        sql.push(" AND b.created_at >= ").push_bind(since);
    }
    if let Some(until) = query.until {
        sql.push(" AND b.created_at < ").push_bind(until);
    }
    if let Some(after) = query.after {
        sql.push(" AND (b.created_at, b.id) < (").push_bind(after.created_at);
        sql.push(", ").push_bind(after.id).push(")");
    }
}

impl Store {
    async fn artists_meant_by(&self, query: &BatchQuery) -> Result<Meant, StoreError> {
        match &query.artist {
            None => Ok(Meant::Any),
            Some(artist) => self.artists_meant(artist).await,
        }
    }

    /// The batches that fit, the newest first.
    pub async fn batches(&self, query: &BatchQuery) -> Result<Vec<BatchRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(batches!("WHERE true"));
        push_query(&mut sql, query, &self.artists_meant_by(query).await?);
        sql.push(" ORDER BY b.created_at DESC, b.id DESC LIMIT ");
        sql.push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// One batch.
    pub async fn batch(&self, id: BatchId) -> Result<Option<BatchRow>, StoreError> {
        let rows = self.batches_by_ids(&[id]).await?;
        Ok(rows.into_iter().next())
    }

    /// These batches, in no particular order.
    pub async fn batches_by_ids(&self, ids: &[BatchId]) -> Result<Vec<BatchRow>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_as(batches!("WHERE b.id = ANY($1)"))
            .bind(ids)
            .fetch_all(self.pool())
            .await?;
        Ok(rows)
    }

    /// How far these batches are.
    pub async fn batch_progress(&self, ids: &[BatchId]) -> Result<Vec<BatchProgress>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_as(concat!(
            "SELECT e.batch_id, e.bytes_total, e.bytes_done, e.bytes_moved, e.started_at \
             FROM batch_ends e JOIN batches b ON b.id = e.batch_id \
             WHERE b.id = ANY($1) AND b.finished_at = e.finished_at \
             UNION ALL ",
            progress!(
                "batch_id = ANY(ARRAY(SELECT b.id FROM batches b WHERE b.id = ANY($1) \
                     AND NOT EXISTS (SELECT FROM batch_ends e \
                         WHERE e.batch_id = b.id AND e.finished_at = b.finished_at)))"
            ),
        ))
        .bind(ids)
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// The artists that a batch did not take, by id.
    pub async fn refusals(
        &self,
        batch: BatchId,
        after: Option<ArtistId>,
        limit: u32,
    ) -> Result<Vec<RefusalRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT r.artist_id, a.name AS artist_name, r.reason
             FROM refusals r LEFT JOIN artists a ON a.id = r.artist_id
             WHERE r.batch_id = $1 AND ($2::uuid IS NULL OR r.artist_id > $2)
             ORDER BY r.artist_id LIMIT $3",
        )
        .bind(batch.0)
        .bind(after.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Tries every job of a batch again that failed or is stuck; also what was cancelled, if
    /// `include_cancelled`.
    pub async fn retry_batch(
        &self,
        batch: BatchId,
        include_cancelled: bool,
        by: &By,
    ) -> Result<BatchRetried, StoreError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE batch_id = $1 \
                 AND (state IN ('failed', 'stuck') OR $2 AND state = 'cancelled') ORDER BY id",
        )
        .bind(batch.0)
        .bind(include_cancelled)
        .fetch_all(self.pool())
        .await?;
        let retry =
            |id| Told { job_id: JobId(id), input: Input::Retry, by: Teller::OneOfMany(by.clone()) };
        let told: Vec<Told> = ids.into_iter().map(retry).collect();
        let outcomes = self.apply_inputs(&told, &MoveSettings::default()).await?;
        let retried = outcomes.iter().filter(|o| o.is_ok()).count() as u64;
        let refused = outcomes.len() as u64 - retried;
        let detail = json!({ "retried": retried, "refused": refused });
        let undoing: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs WHERE batch_id = $1 AND state = 'rolling_back'",
        )
        .bind(batch.0)
        .fetch_one(self.pool())
        .await?;
        let undoing = undoing.unsigned_abs();
        let deed = Deed::done(by, Action::BatchRetry, format!("batch:{batch}")).detail(detail);
        self.record(&[deed]).await?;
        Ok(BatchRetried { retried, refused, undoing })
    }
}
