//! Jobs under lock: loaded whole, changed in memory by the domain, written back in bulk.

use crate::{StoreError, steps};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, types::Json};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::{
    ArtistId, BatchId, Job, JobError, JobId, JobKind, JobState, ServerId, Slug, Totals,
};
use tourbus_protocol::ArtistRef;
use uuid::Uuid;

/// A job whose row this transaction has locked.
#[derive(Debug)]
pub(crate) struct Held {
    /// None for a task that nobody asked for by hand.
    pub batch_id: Option<BatchId>,
    /// Somebody holds back what is queued of its batch.
    pub batch_paused: bool,
    pub artist: ArtistRef,
    /// What a task works on.
    pub params: Value,
    /// As the database has it.
    pub before: Job,
    /// As it shall be.
    pub job: Job,
}

/// What orders need to know of a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerRef {
    pub slug: Slug,
    pub url: String,
}

/// All servers, and the database's time: read after the locks are held, so that no wait for a
/// lock makes it stale. The database's clock is the only one that decides anything.
#[derive(Debug)]
pub(crate) struct Ground {
    pub now: DateTime<Utc>,
    pub servers: HashMap<ServerId, ServerRef>,
}

impl Ground {
    pub(crate) fn server(&self, id: ServerId) -> Result<&ServerRef, StoreError> {
        self.servers.get(&id).ok_or_else(|| StoreError::undecodable("servers", format!("no {id}")))
    }
}

#[derive(FromRow)]
struct JobRow {
    id: Uuid,
    batch_id: Option<Uuid>,
    kind: String,
    params: Value,
    state: String,
    artist_id: Uuid,
    artist_slug: String,
    source_server_id: Uuid,
    target_server_id: Uuid,
    epoch: i64,
    floor: i64,
    round: i32,
    files_total: i64,
    bytes_total: i64,
    bytes_staged: i64,
    bytes_done: i64,
    cancel_requested: bool,
    error: Option<Json<JobError>>,
}

impl TryFrom<JobRow> for Held {
    type Error = StoreError;
    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let bad = |message: String| StoreError::undecodable("jobs", message);
        let state: JobState = row.state.parse().map_err(|e| bad(format!("{}: {e}", row.id)))?;
        let kind: JobKind = row.kind.parse().map_err(|e| bad(format!("{}: {e}", row.id)))?;
        let slug: Slug = row.artist_slug.parse().map_err(|e| bad(format!("{}: {e}", row.id)))?;
        let before = Job {
            id: JobId(row.id),
            kind,
            artist_id: ArtistId(row.artist_id),
            source_id: ServerId(row.source_server_id),
            target_id: ServerId(row.target_server_id),
            state,
            epoch: row.epoch as u64,
            floor: row.floor as u64,
            round: row.round as u32,
            totals: Totals { files: row.files_total as u64, bytes: row.bytes_total as u64 },
            bytes_staged: row.bytes_staged as u64,
            bytes_done: row.bytes_done as u64,
            cancel_requested: row.cancel_requested,
            error: row.error.map(|e| e.0),
            steps: BTreeMap::new(),
        };
        let artist = ArtistRef { id: before.artist_id, slug };
        Ok(Self {
            batch_id: row.batch_id.map(BatchId),
            batch_paused: false,
            artist,
            params: row.params,
            job: before.clone(),
            before,
        })
    }
}

/// Locks these jobs, in the order of their ids, and loads them with their steps. Ids that name
/// no job are left out.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Held>, StoreError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT j.id, j.batch_id, j.kind, j.params, j.state, j.artist_id, a.slug AS artist_slug, \
             j.source_server_id, j.target_server_id, j.epoch, j.floor, j.round, j.files_total, \
             j.bytes_total, j.bytes_staged, j.bytes_done, j.cancel_requested, j.error \
         FROM jobs j JOIN artists a ON a.id = j.artist_id \
         WHERE j.id = ANY($1) ORDER BY j.id FOR NO KEY UPDATE OF j",
    )
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    let mut held: Vec<Held> = rows.into_iter().map(Held::try_from).collect::<Result<_, _>>()?;
    let mut steps = steps::load(conn, ids).await?;
    for one in &mut held {
        one.before.steps = steps.remove(&one.job.id).unwrap_or_default();
        one.job.steps.clone_from(&one.before.steps);
    }
    mark_paused(conn, &mut held).await?;
    Ok(held)
}

/// Asked once the jobs are locked: who pauses a batch says so first and then waits for these locks,
/// so that either this sees the pause or the pause sees what becomes of the jobs here.
async fn mark_paused(conn: &mut PgConnection, held: &mut [Held]) -> Result<(), StoreError> {
    let mut batches: Vec<Uuid> = held.iter().filter_map(|h| h.batch_id.map(|b| b.0)).collect();
    batches.sort_unstable();
    batches.dedup();
    if batches.is_empty() {
        return Ok(());
    }
    let paused: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM batches WHERE id = ANY($1) AND paused_at IS NOT NULL")
            .bind(batches)
            .fetch_all(conn)
            .await?;
    for one in held {
        one.batch_paused = one.batch_id.is_some_and(|b| paused.contains(&b.0));
    }
    Ok(())
}

/// Reads the servers and the time.
pub(crate) async fn ground(conn: &mut PgConnection) -> Result<Ground, StoreError> {
    let now = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *conn).await?;
    let rows: Vec<(Uuid, String, String)> =
        sqlx::query_as("SELECT id, slug, url FROM servers").fetch_all(conn).await?;
    let mut servers = HashMap::with_capacity(rows.len());
    for (id, slug, url) in rows {
        let slug = slug.parse().map_err(|e| StoreError::undecodable("servers", e))?;
        servers.insert(ServerId(id), ServerRef { slug, url });
    }
    Ok(Ground { now, servers })
}

/// Writes the rows of new jobs, of one kind and batch.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    batch: Option<BatchId>,
    jobs: &[&Job],
    params: &Value,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO jobs (id, batch_id, kind, params, state, artist_id, source_server_id, \
             target_server_id, epoch, bytes_total, trace_parent) \
         SELECT id, $1, kind, $2, state, artist, source, target, epoch, bytes, $11 \
         FROM UNNEST($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::uuid[], \
             $9::bigint[], $10::bigint[]) \
             AS u(id, kind, state, artist, source, target, epoch, bytes)",
    )
    .bind(batch.map(|b| b.0))
    .bind(params)
    .bind(column(jobs, |j| j.id.0))
    .bind(column(jobs, |j| j.kind.as_str()))
    .bind(column(jobs, |j| j.state.as_str()))
    .bind(column(jobs, |j| j.artist_id.0))
    .bind(column(jobs, |j| j.source_id.0))
    .bind(column(jobs, |j| j.target_id.0))
    .bind(column(jobs, |j| j.epoch as i64))
    .bind(column(jobs, |j| j.totals.bytes as i64))
    .bind(trace_parent())
    .execute(conn)
    .await?;
    Ok(())
}

/// The request that new jobs follow from, if this task answers one.
pub(crate) fn trace_parent() -> Option<String> {
    tourbus_telemetry::trace::current().map(|trace| trace.to_string())
}

/// A job that began or ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lap {
    kind: JobKind,
    /// How long it waited, if it has begun, in seconds.
    wait_s: Option<f64>,
    /// How it ended and how long it ran, in seconds.
    run_s: Option<(JobState, f64)>,
}

impl Lap {
    fn of(held: &Held, wait_s: Option<f64>, run_s: Option<f64>) -> Option<Self> {
        let (before, now) = (held.before.state, held.job.state);
        let began = before == JobState::Queued && !now.is_final() && now != JobState::Queued;
        let ended = now.is_final() && !before.is_final();
        let lap = Self {
            kind: held.job.kind,
            wait_s: wait_s.filter(|_| began),
            run_s: run_s.filter(|_| ended).map(|run_s| (now, run_s)),
        };
        (lap.wait_s.is_some() || lap.run_s.is_some()).then_some(lap)
    }

    /// Counts it; once its transaction is committed.
    pub(crate) fn record(self) {
        let kind = self.kind.as_str();
        if let Some(wait_s) = self.wait_s {
            metrics::histogram!("tourbus_job_wait_seconds", "kind" => kind).record(wait_s);
        }
        if let Some((state, run_s)) = self.run_s {
            metrics::histogram!("tourbus_job_run_seconds", "kind" => kind,
                "outcome" => state.as_str())
            .record(run_s);
        }
    }
}

/// Writes back the jobs' own rows; only those that have changed. Returns which, and what began or
/// ended of them.
pub(crate) async fn save(
    conn: &mut PgConnection,
    held: &[Held],
) -> Result<(Vec<Uuid>, Vec<Lap>), StoreError> {
    let changed: Vec<&Job> =
        held.iter().filter(|h| head(&h.job) != head(&h.before)).map(|h| &h.job).collect();
    if changed.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let ids: Vec<Uuid> = changed.iter().map(|j| j.id.0).collect();
    let written: Vec<(Uuid, Option<f64>, Option<f64>)> = sqlx::query_as(
        "UPDATE jobs j SET source_server_id = u.source, target_server_id = u.target, \
             state = u.state, epoch = u.epoch, floor = u.floor, round = u.round, \
             files_total = u.files_total, bytes_total = u.bytes_total, \
             bytes_staged = u.bytes_staged, bytes_done = u.bytes_done, \
             cancel_requested = u.cancel_requested, error = u.error, updated_at = now(), \
             started_at = CASE \
                 WHEN u.state = 'queued' THEN NULL \
                 WHEN u.state IN ('running', 'copying', 'syncing', 'cutover', 'retiring') \
                     THEN COALESCE(j.started_at, now()) \
                 ELSE j.started_at END, \
             finished_at = CASE WHEN u.final THEN COALESCE(j.finished_at, now()) END \
         FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::bigint[], \
                 $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[], $11::jsonb[], \
                 $12::boolean[], $13::uuid[], $14::uuid[]) \
             AS u(id, state, epoch, floor, round, files_total, bytes_total, bytes_staged, \
                 bytes_done, cancel_requested, error, final, source, target) \
         WHERE j.id = u.id \
         RETURNING j.id, extract(epoch FROM j.started_at - j.created_at)::float8, \
             extract(epoch FROM j.finished_at - j.started_at)::float8",
    )
    .bind(&ids)
    .bind(column(&changed, |j| j.state.as_str()))
    .bind(column(&changed, |j| j.epoch as i64))
    .bind(column(&changed, |j| j.floor as i64))
    .bind(column(&changed, |j| j.round as i32))
    .bind(column(&changed, |j| j.totals.files as i64))
    .bind(column(&changed, |j| j.totals.bytes as i64))
    .bind(column(&changed, |j| j.bytes_staged as i64))
    .bind(column(&changed, |j| j.bytes_done as i64))
    .bind(column(&changed, |j| j.cancel_requested))
    .bind(column(&changed, |j| j.error.clone().map(Json)))
    .bind(column(&changed, |j| j.state.is_final()))
    .bind(column(&changed, |j| j.source_id.0))
    .bind(column(&changed, |j| j.target_id.0))
    .fetch_all(conn)
    .await?;
    debug_assert_eq!(written.len(), ids.len(), "the rows are locked");
    let by_id: HashMap<Uuid, &Held> = held.iter().map(|h| (h.job.id.0, h)).collect();
    let lap = |(id, wait_s, run_s)| Lap::of(by_id.get(&id)?, wait_s, run_s);
    Ok((ids, written.into_iter().filter_map(lap).collect()))
}

/// One column of a bulk statement.
pub(crate) fn column<'a, R, T>(rows: &[&'a R], get: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| get(row)).collect()
}

/// All that a job's own row holds.
fn head(job: &Job) -> impl PartialEq + '_ {
    (
        (job.state, job.epoch, job.floor, job.round, job.totals, job.source_id, job.target_id),
        (job.bytes_staged, job.bytes_done, job.cancel_requested, &job.error),
    )
}
