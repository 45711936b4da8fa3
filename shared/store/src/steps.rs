//! The steps of moves: loaded and written in bulk.

use crate::{StoreError, jobs_core::column};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, types::Json};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::{JobError, JobId, SegmentRef, ServerId, Step, StepKey};
use uuid::Uuid;

#[derive(FromRow)]
struct StepRow {
    job_id: Uuid,
    kind: String,
    seq: i32,
    state: String,
    epoch: i64,
    attempts: i32,
    server_id: Uuid,
    lane: String,
    input: Option<Json<SegmentRef>>,
    run_after: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    seen_at: Option<DateTime<Utc>>,
    error: Option<Json<JobError>>,
}

impl TryFrom<StepRow> for Step {
    type Error = StoreError;
    fn try_from(row: StepRow) -> Result<Self, StoreError> {
        let bad = |message: String| StoreError::undecodable("steps", message);
        Ok(Self {
            key: step_key(&row.kind, row.seq)?,
            state: row.state.parse().map_err(|e| bad(format!("{}: {e}", row.job_id)))?,
            epoch: row.epoch as u64,
            attempts: row.attempts as u32,
            server_id: ServerId(row.server_id),
            lane: row.lane.parse().map_err(|e| bad(format!("{}: {e}", row.job_id)))?,
            input: row.input.map(|i| i.0),
            run_after: row.run_after,
            sent_at: row.sent_at,
            seen_at: row.seen_at,
            error: row.error.map(|e| e.0),
        })
    }
}

/// The key of a step as two columns name it.
pub(crate) fn step_key(kind: &str, seq: i32) -> Result<StepKey, StoreError> {
    let kind = kind.parse().map_err(|e| StoreError::undecodable("steps", e))?;
    Ok(StepKey { kind, seq: seq as u32 })
}

/// The steps of these jobs, whose rows the caller holds: a step changes only under its job's lock
/// (but for `seen_at`, which heartbeats move on).
pub(crate) async fn load(
    conn: &mut PgConnection,
    jobs: &[Uuid],
) -> Result<HashMap<JobId, BTreeMap<StepKey, Step>>, StoreError> {
    let rows: Vec<StepRow> = sqlx::query_as(
        "SELECT job_id, kind, seq, state, epoch, attempts, server_id, lane, input, run_after, \
             sent_at, seen_at, error FROM steps WHERE job_id = ANY($1)",
    )
    .bind(jobs)
    .fetch_all(conn)
    .await?;
    let mut steps: HashMap<JobId, BTreeMap<StepKey, Step>> = HashMap::new();
    for row in rows {
        let job = JobId(row.job_id);
        let step = Step::try_from(row)?;
        steps.entry(job).or_default().insert(step.key, step);
    }
    Ok(steps)
}

macro_rules! insert_steps {
    ($rest:literal) => {
        concat!(
            "INSERT INTO steps (job_id, kind, seq, state, epoch, attempts, server_id, lane, \
                 input, run_after, sent_at, seen_at, error) \
             SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::int[], $4::text[], $5::bigint[], \
                 $6::int[], $7::uuid[], $8::text[], $9::jsonb[], $10::timestamptz[], \
                 $11::timestamptz[], $12::timestamptz[], $13::jsonb[])",
            $rest
        )
    };
}

/// Writes the first steps of new jobs.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    steps: &[(JobId, &Step)],
) -> Result<(), StoreError> {
    write(conn, steps, insert_steps!("")).await
}

/// Writes these steps, new or not.
pub(crate) async fn save(
    conn: &mut PgConnection,
    steps: &[(JobId, &Step)],
) -> Result<(), StoreError> {
    let sql = insert_steps!(
        " ON CONFLICT (job_id, kind, seq) DO UPDATE SET state = EXCLUDED.state, \
             epoch = EXCLUDED.epoch, attempts = EXCLUDED.attempts, \
             server_id = EXCLUDED.server_id, lane = EXCLUDED.lane, input = EXCLUDED.input, \
             run_after = EXCLUDED.run_after, sent_at = EXCLUDED.sent_at, \
             seen_at = EXCLUDED.seen_at, error = EXCLUDED.error"
    );
    write(conn, steps, sql).await
}

async fn write(
    conn: &mut PgConnection,
    steps: &[(JobId, &Step)],
    sql: &'static str,
) -> Result<(), StoreError> {
    if steps.is_empty() {
        return Ok(());
    }
    let rows: Vec<&(JobId, &Step)> = steps.iter().collect();
    sqlx::query(sql)
        .bind(column(&rows, |(job, _)| job.0))
        .bind(column(&rows, |(_, s)| s.key.kind.as_str()))
        .bind(column(&rows, |(_, s)| s.key.seq as i32))
        .bind(column(&rows, |(_, s)| s.state.as_str()))
        .bind(column(&rows, |(_, s)| s.epoch as i64))
        .bind(column(&rows, |(_, s)| s.attempts as i32))
        .bind(column(&rows, |(_, s)| s.server_id.0))
        .bind(column(&rows, |(_, s)| s.lane.as_str()))
        .bind(column(&rows, |(_, s)| s.input.clone().map(Json)))
        .bind(column(&rows, |(_, s)| s.run_after))
        .bind(column(&rows, |(_, s)| s.sent_at))
        .bind(column(&rows, |(_, s)| s.seen_at))
        .bind(column(&rows, |(_, s)| s.error.clone().map(Json)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes which workers have begun these steps.
pub(crate) async fn note_workers(
    conn: &mut PgConnection,
    began: &[(JobId, StepKey, &str)],
) -> Result<(), StoreError> {
    if began.is_empty() {
        return Ok(());
    }
    let rows: Vec<&(JobId, StepKey, &str)> = began.iter().collect();
    sqlx::query(
        "UPDATE steps s SET worker = u.worker \
         FROM UNNEST($1::uuid[], $2::text[], $3::int[], $4::text[]) AS u(job_id, kind, seq, worker) \
         WHERE s.job_id = u.job_id AND s.kind = u.kind AND s.seq = u.seq",
    )
    .bind(column(&rows, |(job, ..)| job.0))
    .bind(column(&rows, |(_, step, _)| step.kind.as_str()))
    .bind(column(&rows, |(_, step, _)| step.seq as i32))
    .bind(column(&rows, |(.., worker)| *worker))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets every step of these jobs: they begin anew.
pub(crate) async fn forget(conn: &mut PgConnection, jobs: &[Uuid]) -> Result<(), StoreError> {
    if !jobs.is_empty() {
        sqlx::query("DELETE FROM steps WHERE job_id = ANY($1)").bind(jobs).execute(conn).await?;
    }
    Ok(())
}
