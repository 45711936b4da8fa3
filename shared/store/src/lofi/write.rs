//! Writing the jobs of songs.

use super::{LofiParams, enqueue::LofiRequest};
use crate::{
    Action, Deed, StoreError, audit,
    jobs_core::{self, Held, column, trace_parent},
    notify, orders, outbox, steps,
};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use std::collections::HashSet;
use tourbus_domain::{
    ArtistId, BatchId, Job, JobId, JobKind, Lane, MoveSettings, ServerId, Totals, job::Context,
};
use tourbus_protocol::{ArtistRef, LofiSong, TreePath};
use uuid::Uuid;

/// A song that is to be converted.
pub(crate) struct Picked {
    bytes: u64,
    artist: ArtistRef,
    home: ServerId,
    params: LofiParams,
}

impl Picked {
    pub(super) fn new(
        song: Uuid,
        path: &str,
        bytes: i64,
        (artist, slug, home): (Uuid, &str, Uuid),
        (profile, spec): (&str, Option<Value>),
        anew: bool,
    ) -> Result<Self, StoreError> {
        let bad = |e: String| StoreError::undecodable("songs", format!("{song}: {e}"));
        let path = TreePath::new(path.as_bytes()).map_err(|e| bad(e.to_string()))?;
        let slug = slug.parse().map_err(|e| StoreError::undecodable("artists", e))?;
        Ok(Self {
            bytes: bytes.unsigned_abs(),
            artist: ArtistRef { id: ArtistId(artist), slug },
            home: ServerId(home),
            params: LofiParams {
                song: LofiSong { id: song, path },
                profile: profile.to_owned(),
                spec,
                anew,
            },
        })
    }
}

/// What came of it.
pub(super) struct Written {
    /// None when no song was left.
    pub(super) batch: Option<BatchId>,
    /// Songs whose jobs are ours.
    pub(super) songs: HashSet<Uuid>,
}

/// Queues these songs as one batch; without those that somebody else has queued meanwhile.
pub(super) async fn batch(
    conn: &mut PgConnection,
    request: &LofiRequest,
    picked: &[Picked],
    lane: Lane,
) -> Result<Written, StoreError> {
    let id = BatchId::new();
    sqlx::query(
        "INSERT INTO batches (id, kind, account_id, requested_by, reason)
         VALUES ($1, 'lofi', $2, $3, $4)",
    )
    .bind(id.0)
    .bind(request.by.account_id)
    .bind(&request.by.actor)
    .bind(&request.reason)
    .execute(&mut *conn)
    .await?;
    let jobs = insert(conn, Some(id), picked, lane).await?;
    if jobs.is_empty() {
        sqlx::query("DELETE FROM batches WHERE id = $1").bind(id.0).execute(conn).await?;
        return Ok(Written { batch: None, songs: HashSet::new() });
    }
    sqlx::query(
        "UPDATE batches SET jobs_total = $2, jobs_queued = $2, bytes_total = $3 WHERE id = $1",
    )
    .bind(id.0)
    .bind(jobs.len() as i32)
    .bind(jobs.iter().map(|h| h.job.totals.bytes).sum::<u64>() as i64)
    .execute(&mut *conn)
    .await?;
    let detail = json!({
        "accepted": jobs.len(),
        "profile": request.profile,
        "which": request.which,
        "express": request.express,
    });
    let deed = Deed::done(&request.by, Action::LofiQueue, format!("batch:{id}"))
        .reason(&request.reason)
        .detail(detail);
    audit::record(conn, &[deed]).await?;
    notify::changed(conn, &[], &[id.0]).await?;
    let songs = jobs.iter().filter_map(|h| song_of(&h.params)).collect();
    Ok(Written { batch: Some(id), songs })
}

/// The song that a job's parameters name.
fn song_of(params: &Value) -> Option<Uuid> {
    params["song"]["id"].as_str().and_then(|id| id.parse().ok())
}

#[derive(FromRow)]
struct FreshRow {
    id: Uuid,
    path: String,
    bytes: i64,
    slug: String,
    server_id: Uuid,
    profile: String,
    spec: Option<Value>,
    awaits_lofi: bool,
}

/// Queues what an artist has uploaded: songs that have no rendition, and never had a job. Those
/// that nobody sees until then go before all others.
pub(crate) async fn fresh(conn: &mut PgConnection, artist: Uuid) -> Result<(), StoreError> {
    let rows: Vec<FreshRow> = sqlx::query_as(
        "SELECT s.id, s.path, s.bytes, s.awaits_lofi, a.slug, a.server_id, w.profile, p.spec
         FROM songs s JOIN artists a ON a.id = s.artist_id CROSS JOIN cluster_settings c
         CROSS JOIN LATERAL (SELECT coalesce(a.lofi_profile, c.lofi_profile) AS profile) w
         LEFT JOIN lofi_profiles p ON p.name = w.profile
         WHERE s.artist_id = $1 AND NOT s.has_lofi
             AND NOT EXISTS (SELECT FROM jobs j WHERE j.song_id = s.id)
         ORDER BY s.id",
    )
    .bind(artist)
    .fetch_all(&mut *conn)
    .await?;
    let (awaited, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|r| r.awaits_lofi);
    let mut ids = Vec::new();
    for (rows, lane) in [(awaited, Lane::Lofi), (others, Lane::LofiBulk)] {
        let picked = rows
            .into_iter()
            .map(|r| {
                let home = (artist, r.slug.as_str(), r.server_id);
                Picked::new(r.id, &r.path, r.bytes, home, (&r.profile, r.spec), false)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let jobs = insert(conn, None, &picked, lane).await?;
        ids.extend(jobs.iter().map(|h| h.job.id.0));
    }
    notify::changed(conn, &ids, &[]).await
}

/// Open jobs of an artist's songs that are no more.
pub(crate) async fn gone(conn: &mut PgConnection, artist: Uuid) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT j.id FROM jobs j WHERE j.artist_id = $1 AND j.kind = 'lofi'
             AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
             AND NOT EXISTS (SELECT FROM songs s WHERE s.id = j.song_id)",
    )
    .bind(artist)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// Writes a job for each, in the order given, which must be that of the songs' ids: two that write
/// the same songs then wait for each other, and never in a circle. What has an open job is passed
/// over.
async fn insert(
    conn: &mut PgConnection,
    batch: Option<BatchId>,
    picked: &[Picked],
    lane: Lane,
) -> Result<Vec<Held>, StoreError> {
    if picked.is_empty() {
        return Ok(Vec::new());
    }
    let ground = jobs_core::ground(conn).await?;
    // Nothing that the settings steer happens at a first try.
    let settings = MoveSettings::default();
    let ctx = Context { now: ground.now, unit: 0.0, settings: settings.clone() };
    let new = |p: &Picked| {
        let (kind, artist) = (JobKind::Lofi, p.artist.clone());
        let (mut job, _) = Job::task(JobId::new(), kind, artist.id, p.home, lane, &ctx);
        job.totals = Totals { files: 1, bytes: p.bytes };
        let params = serde_json::to_value(&p.params)
            .map_err(|e| StoreError::undecodable("jobs", e.to_string()))?;
        Ok(Held { batch_id: batch, batch_paused: false, artist, params, before: job.clone(), job })
    };
    let mut jobs = picked.iter().map(new).collect::<Result<Vec<Held>, StoreError>>()?;
    let rows: Vec<&Held> = jobs.iter().collect();
    let written: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO jobs (id, batch_id, kind, params, state, artist_id, source_server_id,
             target_server_id, epoch, files_total, bytes_total, song_id, trace_parent)
         SELECT id, $1, 'lofi', params, 'queued', artist, home, home, epoch, 1, bytes, song, $9
         FROM UNNEST($2::uuid[], $3::jsonb[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
             $8::uuid[]) AS u(id, params, artist, home, epoch, bytes, song)
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(batch.map(|b| b.0))
    .bind(column(&rows, |h| h.job.id.0))
    .bind(column(&rows, |h| h.params.clone()))
    .bind(column(&rows, |h| h.job.artist_id.0))
    .bind(column(&rows, |h| h.job.target_id.0))
    .bind(column(&rows, |h| h.job.epoch as i64))
    .bind(column(&rows, |h| h.job.totals.bytes as i64))
    .bind(picked.iter().map(|p| p.params.song.id).collect::<Vec<_>>())
    .bind(trace_parent())
    .fetch_all(&mut *conn)
    .await?;
    let written: HashSet<Uuid> = written.into_iter().collect();
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
    Ok(jobs)
}
