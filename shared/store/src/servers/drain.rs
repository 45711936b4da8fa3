//! Emptying a server: one batch that moves everybody off, spread over those that take artists.
//!
//! ```text
//!  drain ─▶ draining = true: no new artists, no target ─▶ moves towards it cancelled
//!        ─▶ one batch: every artist, each to the server that spread() chooses
//!  undrain ─▶ draining = false ─▶ what is open of those batches cancelled
//! ```
//!
//! It can be asked for again: what could not leave the first time is then queued in a new batch.

use super::{ServerError, ServerLock, lock_rows, lock_servers};
use crate::{
    Action, BatchCancelled, By, Deed, Store, StoreError,
    audit::record,
    moves::{self, ServerLook, Verdict, Wish, admitted, lock_admissions},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::{
    ArtistId, BatchId, Candidate, JobId, Leaver, Refusal, ServerId, Taker, spread,
};
use uuid::Uuid;

/// Artists in one batch at most; the rest leave when it is asked for again.
const ARTISTS_MAX: i64 = 50_000;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct DrainRequest {
    /// Who asks.
    pub by: By,
    /// Which server is to be emptied.
    pub server: ServerId,
    /// Where its artists may go; empty for every server that takes artists.
    pub targets: Vec<ServerId>,
    /// Why, for people to read; may be empty.
    pub reason: String,
    /// Answer, but change nothing.
    pub dry_run: bool,
    /// Disk that admission leaves free on a target, in bytes.
    pub disk_reserve_bytes: u64,
    /// A server whose workers have been silent this long is offline, in seconds.
    pub offline_after_s: u32,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainAnswer {
    /// The batch; none for a dry run, and when nobody was queued.
    pub batch_id: Option<BatchId>,
    /// Artists that are (or would be) queued.
    pub accepted: u64,
    /// Where to, in the order of the targets.
    pub plan: Vec<DrainPlan>,
    /// Those that stay for now, each with the reason.
    pub refused: Vec<(ArtistId, Refusal)>,
    /// Moves to this server that were called off.
    pub cancelled: u64,
}

/// What one target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPlan {
    /// The target.
    pub server: ServerId,
    /// Artists.
    pub artists: u64,
    /// Size of their trees.
    pub bytes: u64,
    /// Their plays in the last 30 days.
    pub plays_30d: u64,
}

/// What stopping has called off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainStopped {
    /// Moves that are being undone: these artists stay.
    pub cancelled: u64,
    /// Moves past their cutover: these artists have left.
    pub too_late: u64,
}

/// A batch that empties, or emptied, a server.
#[derive(Debug, Clone, FromRow)]
pub struct DrainBatch {
    /// The batch.
    pub id: Uuid,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When its last job ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Jobs in all.
    pub jobs_total: i32,
    /// Jobs that succeeded.
    pub jobs_succeeded: i32,
    /// Jobs that failed or are stuck.
    pub jobs_failed: i32,
}

#[derive(FromRow)]
struct Resident {
    id: Uuid,
    slug: String,
    bytes: i64,
    plays_30d: i64,
    operating_job_id: Option<Uuid>,
}

type Changed<T> = Result<Result<T, ServerError>, StoreError>;

impl Store {
    /// Begins to empty a server, or goes on with what could not leave before. Nothing is changed
    /// when it is refused; but if its last target closes at that very moment, it stays closed
    /// itself, with its artists, until it is asked for again or stopped.
    pub async fn drain_server(&self, request: &DrainRequest) -> Changed<DrainAnswer> {
        if request.dry_run {
            let mut tx = self.pool().begin().await?;
            return Ok(match why_not(&mut tx, request).await? {
                Err(error) => Err(error),
                Ok(_) => enqueue(&mut tx, request).await?,
            });
        }
        if let Err(error) = self.close_for_drain(request).await? {
            return Ok(Err(error));
        }
        let arriving: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE target_server_id = $1 AND kind = 'move'
                 AND state IN ('queued', 'copying', 'syncing', 'cutover') ORDER BY id",
        )
        .bind(request.server.0)
        .fetch_all(self.pool())
        .await?;
        let BatchCancelled { cancelled, .. } = self.cancel_each(&arriving, &request.by).await?;
        let mut tx = self.pool().begin().await?;
        let answer = match enqueue(&mut tx, request).await? {
            Ok(answer) => DrainAnswer { cancelled, ..answer },
            Err(error) => return Ok(Err(error)),
        };
        tx.commit().await?;
        Ok(Ok(answer))
    }

    /// From its commit on nobody new comes. Whoever is just queuing moves there has committed
    /// before, or finds it draining.
    async fn close_for_drain(&self, request: &DrainRequest) -> Changed<()> {
        let id = request.server;
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        lock_admissions(&mut tx, id).await?;
        let before = match why_not(&mut tx, request).await? {
            Ok(before) => before,
            Err(error) => return Ok(Err(error)),
        };
        sqlx::query("UPDATE servers SET draining = true WHERE id = $1")
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        let detail = json!({
            "server": before.name, "artists": before.artists, "again": before.draining,
            "targets": request.targets,
        });
        let deed = Deed::done(&request.by, Action::ServerDrain, format!("server:{id}"))
            .reason(&request.reason)
            .detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Takes artists again, and calls off the moves that were emptying it.
    pub async fn undrain_server(&self, by: &By, id: ServerId) -> Changed<DrainStopped> {
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        let Some(before) = lock_rows(&mut tx, id).await? else {
            return Ok(Err(ServerError::Unknown));
        };
        if !before.draining {
            return Ok(Err(ServerError::NotDraining));
        }
        sqlx::query("UPDATE servers SET draining = false WHERE id = $1")
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        let deed = Deed::done(by, Action::ServerUndrain, format!("server:{id}"))
            .detail(json!({ "server": before.name, "artists": before.artists }));
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        let leaving: Vec<Uuid> = sqlx::query_scalar(
            "SELECT j.id FROM jobs j JOIN batches b ON b.id = j.batch_id
             WHERE b.drains_server_id = $1
                 AND j.state IN ('queued', 'copying', 'syncing', 'cutover', 'retiring')
             ORDER BY j.id",
        )
        .bind(id.0)
        .fetch_all(self.pool())
        .await?;
        let BatchCancelled { cancelled, too_late } = self.cancel_each(&leaving, by).await?;
        Ok(Ok(DrainStopped { cancelled, too_late }))
    }

    /// The batches that empty or emptied a server, the newest first; a few.
    pub async fn drain_batches(&self, id: ServerId) -> Result<Vec<DrainBatch>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT id, created_at, finished_at, jobs_total, jobs_succeeded, jobs_failed
             FROM batches WHERE drains_server_id = $1 ORDER BY created_at DESC, id DESC LIMIT 5",
        )
        .bind(id.0)
        .fetch_all(self.pool())
        .await?)
    }
}

/// Locks the server, or says why it is not drained.
async fn why_not(conn: &mut PgConnection, request: &DrainRequest) -> Changed<ServerLock> {
    let Some(before) = lock_rows(conn, request.server).await? else {
        return Ok(Err(ServerError::Unknown));
    };
    if before.is_default {
        return Ok(Err(ServerError::Default));
    }
    // An empty server needs nowhere to go to; what is named must do even so.
    if (before.artists > 0 || !request.targets.is_empty())
        && let Err(error) = look(conn, request).await?
    {
        return Ok(Err(error));
    }
    Ok(Ok(before))
}

/// The source and its targets, in the order of their ids.
struct Ground {
    servers: HashMap<Uuid, ServerLook>,
    targets: Vec<ServerId>,
}

/// Looks where the artists could go, or says why they cannot.
async fn look(
    conn: &mut PgConnection,
    request: &DrainRequest,
) -> Result<Result<Ground, ServerError>, StoreError> {
    let servers = moves::look_at_servers(conn, request.offline_after_s).await?;
    let Some(source) = servers.get(&request.server.0) else {
        return Ok(Err(ServerError::Unknown));
    };
    if !source.online {
        return Ok(Err(ServerError::Offline));
    }
    let mut targets: Vec<ServerId> = if request.targets.is_empty() {
        let takes = |s: &&ServerLook| s.id != request.server.0 && s.refusal().is_none();
        servers.values().filter(takes).map(|s| ServerId(s.id)).collect()
    } else {
        for target in &request.targets {
            let refusal = match servers.get(&target.0) {
                _ if *target == request.server => Some(Refusal::ServerDraining),
                Some(server) => server.refusal(),
                None => Some(Refusal::UnknownServer),
            };
            if let Some(refusal) = refusal {
                let known = servers.get(&target.0).map(|s| s.name.clone());
                let server = known.unwrap_or_else(|| target.to_string());
                return Ok(Err(ServerError::BadTarget { server, refusal }));
            }
        }
        request.targets.clone()
    };
    targets.sort_unstable();
    targets.dedup();
    if targets.is_empty() {
        return Ok(Err(ServerError::NowhereToGo));
    }
    Ok(Ok(Ground { servers, targets }))
}

/// The same, with the targets' admissions locked: looked at again under the locks, for one of them
/// may have been closed just before.
async fn look_and_lock(
    conn: &mut PgConnection,
    request: &DrainRequest,
) -> Result<Result<Ground, ServerError>, StoreError> {
    let before = match look(conn, request).await? {
        Ok(ground) => ground.targets,
        Err(error) => return Ok(Err(error)),
    };
    for target in &before {
        lock_admissions(conn, *target).await?;
    }
    let mut ground = match look(conn, request).await? {
        Ok(ground) => ground,
        Err(error) => return Ok(Err(error)),
    };
    ground.targets.retain(|t| before.contains(t));
    let left = !ground.targets.is_empty();
    Ok(if left { Ok(ground) } else { Err(ServerError::NowhereToGo) })
}

/// Queues everybody, within the caller's transaction.
async fn enqueue(
    conn: &mut PgConnection,
    request: &DrainRequest,
) -> Result<Result<DrainAnswer, ServerError>, StoreError> {
    let ground = match look_and_lock(conn, request).await? {
        Ok(ground) => ground,
        // Nobody lives there, so nobody needs to go anywhere.
        Err(_) if residents(conn, request).await?.is_empty() => {
            return Ok(Ok(DrainAnswer::default()));
        }
        Err(error) => return Ok(Err(error)),
    };
    let now: DateTime<Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *conn).await?;
    let (verdict, plan) = decide(conn, request, &ground).await?;
    let accepted = verdict.accepted.len() as u64;
    let batch_id = if request.dry_run || verdict.accepted.is_empty() {
        None
    } else {
        let wish = Wish {
            by: &request.by,
            reason: &request.reason,
            express: false,
            target: (ground.targets.len() == 1).then(|| ground.targets[0]),
            drains: Some(request.server),
        };
        Some(moves::write(conn, &wish, &verdict, now).await?)
    };
    Ok(Ok(DrainAnswer { batch_id, accepted, plan, refused: verdict.refused, cancelled: 0 }))
}

async fn decide(
    conn: &mut PgConnection,
    request: &DrainRequest,
    ground: &Ground,
) -> Result<(Verdict, Vec<DrainPlan>), StoreError> {
    let missing = || StoreError::undecodable("servers", "a server has gone meanwhile");
    let source = ground.servers.get(&request.server.0).ok_or_else(missing)?;
    let mut takers = Vec::with_capacity(ground.targets.len());
    for target in &ground.targets {
        let target = ground.servers.get(&target.0).ok_or_else(missing)?;
        let room = moves::room_of(conn, target, request.disk_reserve_bytes).await?;
        takers.push(Taker { room, plays_30d: target.plays_30d as u64 });
    }
    let residents = residents(conn, request).await?;
    let leavers: Vec<Leaver> = residents.iter().map(|r| leaver(r, request.server)).collect();
    let mut verdict = Verdict { accepted: Vec::new(), refused: Vec::new() };
    let mut plan: BTreeMap<ServerId, DrainPlan> = ground
        .targets
        .iter()
        .map(|t| (*t, DrainPlan { server: *t, artists: 0, bytes: 0, plays_30d: 0 }))
        .collect();
    for (resident, home) in residents.iter().zip(spread(&leavers, &takers)) {
        let (id, bytes) = (ArtistId(resident.id), resident.bytes as u64);
        match home {
            Ok(target) => {
                verdict.accepted.push(admitted(id, &resident.slug, bytes, source, target)?);
                if let Some(plan) = plan.get_mut(&target) {
                    plan.artists += 1;
                    plan.bytes += bytes;
                    plan.plays_30d += resident.plays_30d as u64;
                }
            }
            Err(refusal) => verdict.refused.push((id, refusal)),
        }
    }
    Ok((verdict, plan.into_values().collect()))
}

fn leaver(resident: &Resident, server: ServerId) -> Leaver {
    let candidate = Candidate {
        artist_id: ArtistId(resident.id),
        server_id: server,
        bytes: resident.bytes as u64,
        operating_job_id: resident.operating_job_id.map(JobId),
        // Looked at before: an offline server is not drained.
        source_online: true,
    };
    Leaver { candidate, plays_30d: resident.plays_30d as u64 }
}

/// Who lives there; locked, unless it is a dry run.
async fn residents(
    conn: &mut PgConnection,
    request: &DrainRequest,
) -> Result<Vec<Resident>, StoreError> {
    let sql = if request.dry_run {
        "SELECT id, slug, bytes, plays_30d, operating_job_id FROM artists WHERE server_id = $1
         ORDER BY id LIMIT $2"
    } else {
        "SELECT id, slug, bytes, plays_30d, operating_job_id FROM artists WHERE server_id = $1
         ORDER BY id LIMIT $2 FOR NO KEY UPDATE"
    };
    let rows = sqlx::query_as(sql).bind(request.server.0).bind(ARTISTS_MAX);
    Ok(rows.fetch_all(conn).await?)
}
