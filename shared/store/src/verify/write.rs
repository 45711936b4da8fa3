//! Writing the jobs that read artists' files back.

use super::VerifyParams;
use crate::{
    StoreError,
    jobs_core::{self, Held, column, trace_parent},
    orders, outbox, steps,
};
use sqlx::{FromRow, PgConnection};
use std::collections::{HashMap, HashSet};
use tourbus_domain::{
    Accepted, ArtistId, BatchId, Job, JobId, JobKind, MoveSettings, ServerId, StepKind, Totals,
    job::Context,
};
use tourbus_protocol::ArtistRef;
use uuid::Uuid;

/// Accepted findings that one order carries at most; the next one carries the rest.
const ACCEPTED_MAX: usize = 1000;

/// An artist whose files are to be read.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Picked {
    pub(super) id: Uuid,
    pub(super) slug: String,
    pub(super) server_id: Uuid,
    pub(super) bytes: i64,
}

#[derive(FromRow)]
struct AcceptedRow {
    artist_id: Uuid,
    path: String,
    state: String,
}

/// Writes a job for each, in the order given, which must be that of the artists' ids: two that write
/// the same artists' jobs then wait for each other, and never in a circle. Who has an open one is
/// passed over.
pub(super) async fn jobs(
    conn: &mut PgConnection,
    batch: Option<BatchId>,
    picked: &[Picked],
    rate_bytes_s: u64,
) -> Result<Vec<Held>, StoreError> {
    if picked.is_empty() {
        return Ok(Vec::new());
    }
    let mut accepted = accepted(conn, picked).await?;
    let ground = jobs_core::ground(conn).await?;
    // Nothing that the settings steer happens at a first try.
    let settings = MoveSettings::default();
    let ctx = Context { now: ground.now, unit: 0.0, settings: settings.clone() };
    let new = |p: &Picked| {
        let slug = p.slug.parse().map_err(|e| StoreError::undecodable("artists", e))?;
        let artist = ArtistRef { id: ArtistId(p.id), slug };
        let (kind, lane) = (JobKind::Verify, StepKind::Verify.lane());
        let home = ServerId(p.server_id);
        let (mut job, _) = Job::task(JobId::new(), kind, artist.id, home, lane, &ctx);
        job.totals = Totals { files: 0, bytes: p.bytes.unsigned_abs() };
        let params =
            VerifyParams { rate_bytes_s, accepted: accepted.remove(&p.id).unwrap_or_default() };
        let params = serde_json::to_value(params)
            .map_err(|e| StoreError::undecodable("jobs", e.to_string()))?;
        Ok(Held { batch_id: batch, batch_paused: false, artist, params, before: job.clone(), job })
    };
    let mut jobs = picked.iter().map(new).collect::<Result<Vec<Held>, StoreError>>()?;
    let written = insert(conn, batch, &jobs.iter().collect::<Vec<_>>()).await?;
    jobs.retain(|h| written.contains(&h.job.id.0));
    let first: Vec<_> =
        jobs.iter().flat_map(|h| h.job.steps.values().map(move |s| (h.job.id, s))).collect();
    steps::insert(conn, &first).await?;
    let owed = jobs
        .iter()
        .flat_map(|h| h.job.steps.values().map(move |s| (h, s)))
        .map(|(h, s)| orders::of_step(h, s, &ground, &settings))
        .collect::<Result<Vec<_>, _>>()?;
    outbox::owe(conn, &owed).await?;
    let artists: Vec<Uuid> = jobs.iter().map(|h| h.job.artist_id.0).collect();
    sqlx::query("SELECT FROM artists WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
        .bind(&artists)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE artists SET verify_queued_at = now() WHERE id = ANY($1)")
        .bind(artists)
        .execute(conn)
        .await?;
    Ok(jobs)
}

async fn insert(
    conn: &mut PgConnection,
    batch: Option<BatchId>,
    rows: &[&Held],
) -> Result<HashSet<Uuid>, StoreError> {
    let written: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO jobs (id, batch_id, kind, params, state, artist_id, source_server_id,
             target_server_id, epoch, bytes_total, trace_parent)
         SELECT id, $1, 'verify', params, 'queued', artist, home, home, epoch, bytes, $8
         FROM UNNEST($2::uuid[], $3::jsonb[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[])
             AS u(id, params, artist, home, epoch, bytes)
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(batch.map(|b| b.0))
    .bind(column(rows, |h| h.job.id.0))
    .bind(column(rows, |h| h.params.clone()))
    .bind(column(rows, |h| h.job.artist_id.0))
    .bind(column(rows, |h| h.job.target_id.0))
    .bind(column(rows, |h| h.job.epoch as i64))
    .bind(column(rows, |h| h.job.totals.bytes as i64))
    .bind(trace_parent())
    .fetch_all(conn)
    .await?;
    Ok(written.into_iter().collect())
}

/// What people have accepted, and the artists' home servers do not know yet.
async fn accepted(
    conn: &mut PgConnection,
    picked: &[Picked],
) -> Result<HashMap<Uuid, Vec<Accepted>>, StoreError> {
    let rows: Vec<AcceptedRow> = sqlx::query_as(
        "SELECT artist_id, path, state FROM verify_findings
         WHERE to_be_told AND artist_id = ANY($1) ORDER BY resolved_at",
    )
    .bind(picked.iter().map(|p| p.id).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let mut all: HashMap<Uuid, Vec<Accepted>> = HashMap::new();
    for AcceptedRow { artist_id, path, state } in rows {
        let one = all.entry(artist_id).or_default();
        if one.len() < ACCEPTED_MAX {
            one.push(Accepted { path, state });
        }
    }
    Ok(all)
}
