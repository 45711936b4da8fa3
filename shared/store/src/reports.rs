//! Reports of moves: owed with a move's success, written by the coordinator, which can sign.

use crate::{Store, StoreError, jobs_core::Held};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use tourbus_domain::{JobId, JobKind, JobState};
use uuid::Uuid;

/// What the database knows of a move that has succeeded.
#[derive(Debug, Clone, FromRow)]
pub struct ReportFacts {
    /// The job.
    pub job_id: Uuid,
    /// Who was moved.
    pub artist_id: Uuid,
    /// The name now.
    pub artist_name: String,
    /// From where.
    pub source_id: Uuid,
    /// That server's name.
    pub source_name: String,
    /// To where.
    pub target_id: Uuid,
    /// That server's name.
    pub target_name: String,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// When it was asked for.
    pub queued_at: DateTime<Utc>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the new server became the home.
    pub cut_over_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: DateTime<Utc>,
    /// Files of the tree.
    pub files: i64,
    /// Bytes of the tree.
    pub bytes: i64,
    /// BLAKE3 of the final manifest, hex.
    pub manifest_blake3: Option<String>,
    /// The round that sealed it.
    pub round: i32,
    /// Imports.
    pub segments: i64,
    /// Tries that failed.
    pub retries: i64,
    /// The last epoch.
    pub epoch: i64,
}

/// Notes the moves among these that have just succeeded: a report of each is owed.
pub(crate) async fn owe(conn: &mut PgConnection, held: &[Held]) -> Result<(), StoreError> {
    let succeeded = |h: &&Held| {
        let now = h.job.state == JobState::Succeeded && h.before.state != JobState::Succeeded;
        now && h.job.kind == JobKind::Move
    };
    let jobs: Vec<Uuid> = held.iter().filter(succeeded).map(|h| h.job.id.0).collect();
    if !jobs.is_empty() {
        let sql = "INSERT INTO move_reports (job_id) SELECT * FROM UNNEST($1::uuid[]) \
             ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(jobs).execute(conn).await?;
    }
    Ok(())
}

impl Store {
    /// Moves whose report is owed, at most `limit`.
    pub async fn reports_owed(&self, limit: u32) -> Result<Vec<ReportFacts>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT j.id AS job_id, j.artist_id, a.name AS artist_name, \
                 s.id AS source_id, s.name AS source_name, t.id AS target_id, \
                 t.name AS target_name, coalesce(b.requested_by, '') AS requested_by, \
                 coalesce(b.reason, '') AS reason, j.created_at AS queued_at, j.started_at, \
                 (SELECT max(e.at) FROM job_events e WHERE e.job_id = j.id AND e.name = 'state_changed' \
                      AND e.detail->>'to' = 'retiring') AS cut_over_at, \
                 coalesce(j.finished_at, j.updated_at) AS finished_at, \
                 j.files_total AS files, j.bytes_total AS bytes, \
                 (SELECT p.input->>'blake3' FROM steps p WHERE p.job_id = j.id \
                      AND p.kind = 'promote' AND p.state = 'done' ORDER BY p.seq DESC LIMIT 1) \
                      AS manifest_blake3, \
                 j.round, \
                 (SELECT count(*) FROM steps i WHERE i.job_id = j.id AND i.kind = 'import') \
                      AS segments, \
                 (SELECT coalesce(sum(i.attempts), 0)::bigint FROM steps i WHERE i.job_id = j.id) \
                      AS retries, \
                 j.epoch \
             FROM (SELECT job_id FROM move_reports WHERE report IS NULL ORDER BY job_id LIMIT $1) o \
             JOIN jobs j ON j.id = o.job_id JOIN artists a ON a.id = j.artist_id \
             JOIN servers s ON s.id = j.source_server_id JOIN servers t ON t.id = j.target_server_id \
             LEFT JOIN batches b ON b.id = j.batch_id",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Keeps a report, unless another coordinator has written it meanwhile.
    pub async fn keep_report(&self, job: JobId, report: &Value) -> Result<(), StoreError> {
        let sql = "UPDATE move_reports SET report = $2, written_at = now() \
             WHERE job_id = $1 AND report IS NULL";
        sqlx::query(sql).bind(job.0).bind(report).execute(self.pool()).await?;
        Ok(())
    }

    /// Whether the report of a move is owed, and not written yet.
    pub async fn owes_report(&self, job: JobId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT FROM move_reports WHERE job_id = $1 AND report IS NULL)";
        Ok(sqlx::query_scalar(sql).bind(job.0).fetch_one(self.pool()).await?)
    }

    /// The report of a move, if it is written.
    pub async fn report(&self, job: JobId) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT report FROM move_reports WHERE job_id = $1 AND report IS NOT NULL";
        Ok(sqlx::query_scalar(sql).bind(job.0).fetch_optional(self.pool()).await?)
    }
}
