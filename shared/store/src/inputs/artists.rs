//! What a job's inputs do to its artist: home and hold.

use super::{
    InputError,
    apply::{Touched, Work},
};
use crate::{StoreError, moves::lock_admissions};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};
use tourbus_domain::{JobKind, JobState, ServerId};
use uuid::Uuid;

/// Home server and holding job of an artist.
type Place = (Uuid, Option<Uuid>);

/// Locks the artists that change, and takes back the jobs that may not change theirs: a cutover
/// of an artist that the job does not hold, or a retry that another job or home stands against.
pub(super) async fn check(conn: &mut PgConnection, work: &mut Work<'_>) -> Result<(), StoreError> {
    refuse_closed_servers(conn, work).await?;
    refuse_where_another_works(conn, work).await?;
    let concerned = work
        .touched
        .iter()
        .filter(|t| t.cut_over || t.release || t.acquires() || t.report.is_some());
    let mut ids: Vec<Uuid> = concerned.map(|t| t.held.job.artist_id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    ids.sort_unstable();
    let rows: Vec<(Uuid, Uuid, Option<Uuid>)> = sqlx::query_as(
        "SELECT id, server_id, operating_job_id FROM artists WHERE id = ANY($1) \
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut *conn)
    .await?;
    let places: HashMap<Uuid, Place> = rows.into_iter().map(|(id, s, j)| (id, (s, j))).collect();
    work.fail_where(|touched| {
        let job = &touched.held.job;
        let (home, holder) = *places.get(&job.artist_id.0)?;
        if touched.acquires() {
            if holder.is_some_and(|h| h != job.id.0) {
                return Some(InputError::ArtistHeld);
            }
            return (home != job.source_id.0).then_some(InputError::HomeChanged);
        }
        if touched.cut_over && (home != job.source_id.0 || holder != Some(job.id.0)) {
            let job = job.id;
            tracing::error!(%job, %home, ?holder, "move.cutover_refused: it does not hold the artist");
            return Some(InputError::Broken("it does not hold its artist".to_owned()));
        }
        None
    });
    lock_servers(conn, work).await
}

/// Takes back the jobs that begin again between servers that are not there for them any more.
async fn refuse_closed_servers(
    conn: &mut PgConnection,
    work: &mut Work<'_>,
) -> Result<(), StoreError> {
    let anew = work.touched.iter().filter(|t| t.acquires()).map(|t| &t.held.job);
    let ids: BTreeSet<ServerId> = anew.flat_map(|j| [j.source_id, j.target_id]).collect();
    // Before their rows are looked at, so that who is just closing one of them has committed.
    for id in &ids {
        lock_admissions(conn, *id).await?;
    }
    if ids.is_empty() {
        return Ok(());
    }
    let rows: Vec<(Uuid, bool, bool)> = sqlx::query_as(
        "SELECT id, deleted_at IS NOT NULL, draining FROM servers WHERE id = ANY($1)",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let closed: HashMap<Uuid, (bool, bool)> =
        rows.into_iter().map(|(id, deleted, draining)| (id, (deleted, draining))).collect();
    let is = |id: ServerId| closed.get(&id.0).copied().unwrap_or((true, false));
    work.fail_where(|touched: &Touched| {
        let job = &touched.held.job;
        if !touched.acquires() {
            None
        } else if is(job.source_id).0 || is(job.target_id).0 {
            Some(InputError::ServerDeleted)
        } else {
            // Undoing what is stuck goes on, and so does what is done to an artist who is there.
            let moves = job.kind == JobKind::Move && job.state == JobState::Queued;
            let to_draining = moves && is(job.target_id).1;
            to_draining.then_some(InputError::TargetDraining)
        }
    });
    Ok(())
}

/// Takes back the jobs that begin again for a song of which another job makes the rendition now, or
/// for an artist whose files another job reads.
async fn refuse_where_another_works(
    conn: &mut PgConnection,
    work: &mut Work<'_>,
) -> Result<(), StoreError> {
    let anew = work.touched.iter().filter(|t| t.begins_anew() && !t.acquires());
    let ids: Vec<Uuid> = anew.map(|t| t.held.job.id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let taken: Vec<Uuid> = sqlx::query_scalar(
        "SELECT j.id FROM jobs j JOIN jobs o ON o.id <> j.id AND (o.song_id = j.song_id \
             OR (j.kind = 'verify' AND o.kind = 'verify' AND o.artist_id = j.artist_id)) \
         WHERE j.id = ANY($1) AND o.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')",
    )
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    // Of several that begin again for one song, the unique index lets one through.
    work.fail_where(|t| {
        let job = &t.held.job;
        let held = match job.kind {
            JobKind::Verify => InputError::VerifyHeld,
            JobKind::Move | JobKind::Provision | JobKind::Lofi => InputError::SongHeld,
        };
        taken.contains(&job.id.0).then_some(held)
    });
    Ok(())
}

/// Cutovers change the counters of two servers each, by a trigger: lock them in order first.
async fn lock_servers(conn: &mut PgConnection, work: &Work<'_>) -> Result<(), StoreError> {
    let jobs = work.touched.iter().filter(|t| t.cut_over).map(|t| &t.held.job);
    let servers: Vec<Uuid> = jobs.flat_map(|j| [j.source_id.0, j.target_id.0]).collect();
    if !servers.is_empty() {
        sqlx::query("SELECT FROM servers WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(servers)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Changes homes, gives artists free, takes them back. The rows are locked and checked.
pub(super) async fn write(conn: &mut PgConnection, work: &Work<'_>) -> Result<(), StoreError> {
    cut_over(conn, work).await?;
    let release = work.touched.iter().filter(|t| t.release);
    let (artists, jobs): (Vec<Uuid>, Vec<Uuid>) =
        release.map(|t| (t.held.job.artist_id.0, t.held.job.id.0)).unzip();
    if !artists.is_empty() {
        sqlx::query(
            "UPDATE artists a SET operating_job_id = NULL \
             FROM UNNEST($1::uuid[], $2::uuid[]) AS u(artist, job) \
             WHERE a.id = u.artist AND a.operating_job_id = u.job",
        )
        .bind(artists)
        .bind(jobs)
        .execute(&mut *conn)
        .await?;
    }
    let acquire = work.touched.iter().filter(|t| t.acquires());
    let (artists, jobs): (Vec<Uuid>, Vec<Uuid>) =
        acquire.map(|t| (t.held.job.artist_id.0, t.held.job.id.0)).unzip();
    if !artists.is_empty() {
        sqlx::query(
            "UPDATE artists a SET operating_job_id = u.job \
             FROM UNNEST($1::uuid[], $2::uuid[]) AS u(artist, job) WHERE a.id = u.artist",
        )
        .bind(artists)
        .bind(jobs)
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// The pivot.
async fn cut_over(conn: &mut PgConnection, work: &Work<'_>) -> Result<(), StoreError> {
    let jobs: Vec<_> = work.touched.iter().filter(|t| t.cut_over).map(|t| &t.held.job).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let changed = sqlx::query(
        "UPDATE artists a SET server_id = u.target, bytes = u.bytes \
         FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[]) \
             AS u(artist, source, target, job, bytes) \
         WHERE a.id = u.artist AND a.server_id = u.source AND a.operating_job_id = u.job",
    )
    .bind(jobs.iter().map(|j| j.artist_id.0).collect::<Vec<_>>())
    .bind(jobs.iter().map(|j| j.source_id.0).collect::<Vec<_>>())
    .bind(jobs.iter().map(|j| j.target_id.0).collect::<Vec<_>>())
    .bind(jobs.iter().map(|j| j.id.0).collect::<Vec<_>>())
    .bind(jobs.iter().map(|j| j.totals.bytes as i64).collect::<Vec<_>>())
    .execute(conn)
    .await?
    .rows_affected();
    if changed == jobs.len() as u64 {
        return Ok(());
    }
    let message = format!("{} cutovers changed {changed} artists", jobs.len());
    Err(StoreError::Undecodable { table: "artists", message })
}
