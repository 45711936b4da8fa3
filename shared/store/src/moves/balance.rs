//! What the balance planner looks at, and queuing what it suggests: moves to several servers at
//! once.

use super::{
    MoveAnswer, ServerLook, Verdict,
    admit::look_at_artists,
    admitted, lock_admissions, look_at_servers, room_of,
    write::{self, Wish},
};
use crate::{By, Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::{
    ArtistId, BalanceArtist, BalanceServer, Refusal, Role, ServerId, TargetRoom, admit,
};
use uuid::Uuid;

/// The cluster, as the planner sees it.
#[derive(Debug, Clone, Default)]
pub struct BalanceGround {
    /// Every server.
    pub servers: Vec<BalanceServer>,
    /// Every artist, where it lives or is going.
    pub artists: Vec<BalanceArtist>,
}

/// Moves to several servers, as one batch.
#[derive(Debug, Clone)]
pub struct AssignedMoves {
    /// Who asks.
    pub by: By,
    /// Whom to move where. An artist that is named again counts once, the first time.
    pub moves: Vec<(ArtistId, ServerId)>,
    /// Why, for people to read; may be empty.
    pub reason: String,
    /// On the express lane, before everything queued.
    pub express: bool,
    /// Answer, but change nothing.
    pub dry_run: bool,
    /// Disk that admission leaves free on the targets, in bytes.
    pub disk_reserve_bytes: u64,
    /// A server whose workers have been silent this long is offline, in seconds.
    pub offline_after_s: u32,
}

#[derive(FromRow)]
struct ArtistSeen {
    id: Uuid,
    server_id: Uuid,
    bytes: i64,
    plays_30d: i64,
    movable: bool,
}

impl Store {
    /// The cluster as it is: servers with their room, artists with their plays. Artists that have
    /// moved within `rest_days` rest; those that a job holds are where it takes them.
    pub async fn balance_ground(
        &self,
        rest_days: u32,
        disk_reserve_bytes: u64,
        offline_after_s: u32,
    ) -> Result<BalanceGround, StoreError> {
        let mut tx = self.pool().begin().await?;
        // Servers and artists of one moment.
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        let looks = look_at_servers(&mut tx, offline_after_s).await?;
        let mut servers = Vec::with_capacity(looks.len());
        for look in looks.values() {
            let room = room_of(&mut tx, look, disk_reserve_bytes).await?;
            servers.push(BalanceServer { room, role: role(look), weight: 1.0 });
        }
        servers.sort_by_key(|s| s.room.server_id);
        let rows: Vec<ArtistSeen> = sqlx::query_as(
            "SELECT a.id, coalesce(j.target_server_id, a.server_id) AS server_id, a.bytes, \
                 a.plays_30d, a.operating_job_id IS NULL AND r.artist_id IS NULL AS movable \
             FROM artists a \
             LEFT JOIN jobs j ON j.id = a.operating_job_id AND j.kind = 'move' \
                 AND j.state NOT IN ('rolling_back', 'failed', 'cancelled', 'stuck') \
             LEFT JOIN (SELECT DISTINCT artist_id FROM jobs WHERE kind = 'move' \
                     AND state = 'succeeded' AND finished_at > now() - $1 * interval '1 day' \
                     AND created_at > now() - ($1 + 30) * interval '1 day') r \
                 ON r.artist_id = a.id",
        )
        .bind(f64::from(rest_days))
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let artist = |r: ArtistSeen| BalanceArtist {
            artist_id: ArtistId(r.id),
            server_id: ServerId(r.server_id),
            bytes: r.bytes.unsigned_abs(),
            plays_30d: r.plays_30d.unsigned_abs(),
            movable: r.movable,
        };
        Ok(BalanceGround { servers, artists: rows.into_iter().map(artist).collect() })
    }

    /// Queues each of these moves that can be made, and refuses the others, in one transaction.
    pub async fn enqueue_assigned(
        &self,
        request: &AssignedMoves,
    ) -> Result<MoveAnswer, StoreError> {
        let mut tx = self.pool().begin().await?;
        let mut targets: Vec<ServerId> = request.moves.iter().map(|(_, to)| *to).collect();
        targets.sort_unstable();
        targets.dedup();
        // In the order of their ids, as everybody locks them.
        for target in &targets {
            lock_admissions(&mut tx, *target).await?;
        }
        let now: DateTime<Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *tx).await?;
        let verdict = decide(&mut tx, request, &targets).await?;
        let accepted = verdict.accepted.len() as u64;
        let batch_id = if request.dry_run || verdict.accepted.is_empty() {
            None
        } else {
            let wish = Wish {
                by: &request.by,
                reason: &request.reason,
                express: request.express,
                target: (targets.len() == 1).then(|| targets[0]),
                drains: None,
            };
            Some(write::all(&mut tx, &wish, &verdict, now).await?)
        };
        tx.commit().await?;
        Ok(MoveAnswer { batch_id, accepted, refused: verdict.refused })
    }
}

const fn role(look: &ServerLook) -> Role {
    match look.refusal() {
        None => Role::GivesAndTakes,
        Some(Refusal::ServerDraining) if look.online => Role::Draining,
        Some(Refusal::ServerQuarantined) if look.online => Role::GivesOnly,
        Some(_) => Role::Apart,
    }
}

async fn decide(
    conn: &mut PgConnection,
    request: &AssignedMoves,
    targets: &[ServerId],
) -> Result<Verdict, StoreError> {
    let servers = look_at_servers(conn, request.offline_after_s).await?;
    let mut rooms: BTreeMap<ServerId, Result<TargetRoom, Refusal>> = BTreeMap::new();
    for target in targets {
        let room = match servers.get(&target.0) {
            None => Err(Refusal::UnknownServer),
            Some(look) => match look.refusal() {
                Some(refusal) => Err(refusal),
                None => Ok(room_of(conn, look, request.disk_reserve_bytes).await?),
            },
        };
        rooms.insert(*target, room);
    }
    let mut wanted: HashMap<ArtistId, ServerId> = HashMap::with_capacity(request.moves.len());
    let mut order = Vec::with_capacity(request.moves.len());
    for (artist, target) in &request.moves {
        if wanted.insert(*artist, *target).is_none() {
            order.push((*artist, *target));
        }
    }
    let ids: Vec<ArtistId> = order.iter().map(|(artist, _)| *artist).collect();
    let artists = look_at_artists(conn, &ids, request.dry_run).await?;
    let mut verdict = Verdict { accepted: Vec::with_capacity(ids.len()), refused: Vec::new() };
    for (id, target) in order {
        let Some(artist) = artists.get(&id.0) else {
            verdict.refused.push((id, Refusal::UnknownArtist));
            continue;
        };
        let source = servers.get(&artist.server_id);
        let candidate = artist.candidate(source);
        let admitted_there = match rooms.get_mut(&target) {
            Some(Ok(room)) => admit(&candidate, room),
            Some(Err(refusal)) => Err(*refusal),
            None => Err(Refusal::UnknownServer),
        };
        match (admitted_there, source) {
            (Ok(()), Some(source)) => {
                verdict.accepted.push(admitted(id, &artist.slug, candidate.bytes, source, target)?);
            }
            (Ok(()), None) => verdict.refused.push((id, Refusal::SourceOffline)),
            (Err(refusal), _) => verdict.refused.push((id, refusal)),
        }
    }
    Ok(verdict)
}
