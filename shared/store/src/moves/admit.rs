//! Who of a request is moved, and why the others are not.

use super::MoveRequest;
use crate::StoreError;
use sqlx::{FromRow, PgConnection};
use std::collections::{HashMap, HashSet};
use tourbus_domain::{ArtistId, Candidate, JobId, Refusal, ServerId, Slug, TargetRoom, admit};
use tourbus_protocol::ArtistRef;
use uuid::Uuid;

/// Who is moved and who is not, each in the order of the request.
pub(super) struct Verdict {
    pub(super) accepted: Vec<Admitted>,
    pub(super) refused: Vec<(ArtistId, Refusal)>,
}

/// One that is moved.
pub(super) struct Admitted {
    pub(super) artist: ArtistRef,
    pub(super) source_id: ServerId,
    pub(super) source_slug: Slug,
    pub(super) bytes: u64,
}

// The flags are columns, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(FromRow)]
struct ServerLook {
    id: Uuid,
    slug: String,
    active: bool,
    draining: bool,
    free_bytes: Option<i64>,
    online: bool,
    quarantined: bool,
}

#[derive(FromRow)]
struct ArtistLook {
    id: Uuid,
    slug: String,
    server_id: Uuid,
    bytes: i64,
    operating_job_id: Option<Uuid>,
}

/// Decides for each artist, holding the rows of all (unless it is a dry run).
pub(super) async fn all(
    conn: &mut PgConnection,
    request: &MoveRequest,
) -> Result<Verdict, StoreError> {
    let mut seen = HashSet::with_capacity(request.artist_ids.len());
    let ids: Vec<ArtistId> =
        request.artist_ids.iter().copied().filter(|id| seen.insert(*id)).collect();
    let servers = look_at_servers(conn, request).await?;
    let target = match target_of(&servers, request) {
        Ok(target) => target,
        Err(refusal) => {
            let refused = ids.into_iter().map(|id| (id, refusal)).collect();
            return Ok(Verdict { accepted: Vec::new(), refused });
        }
    };
    let mut room = TargetRoom {
        server_id: request.target,
        room_bytes: room_of(conn, target, request.disk_reserve_bytes).await?,
    };
    let artists = look_at_artists(conn, &ids, request.dry_run).await?;
    let mut verdict = Verdict { accepted: Vec::with_capacity(ids.len()), refused: Vec::new() };
    for id in ids {
        let Some(artist) = artists.get(&id.0) else {
            verdict.refused.push((id, Refusal::UnknownArtist));
            continue;
        };
        let source = servers.get(&artist.server_id);
        let candidate = Candidate {
            artist_id: id,
            server_id: ServerId(artist.server_id),
            bytes: artist.bytes as u64,
            operating_job_id: artist.operating_job_id.map(JobId),
            source_online: source.is_some_and(|s| s.online),
        };
        match (admit(&candidate, &mut room), source) {
            (Ok(()), Some(source)) => verdict.accepted.push(admitted(artist, source)?),
            (Ok(()), None) => verdict.refused.push((id, Refusal::SourceOffline)),
            (Err(refusal), _) => verdict.refused.push((id, refusal)),
        }
    }
    Ok(verdict)
}

fn admitted(artist: &ArtistLook, source: &ServerLook) -> Result<Admitted, StoreError> {
    let slug = artist.slug.parse().map_err(|e| StoreError::undecodable("artists", e))?;
    Ok(Admitted {
        artist: ArtistRef { id: ArtistId(artist.id), slug },
        source_id: ServerId(source.id),
        source_slug: source.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
        bytes: artist.bytes as u64,
    })
}

async fn look_at_servers(
    conn: &mut PgConnection,
    request: &MoveRequest,
) -> Result<HashMap<Uuid, ServerLook>, StoreError> {
    let rows: Vec<ServerLook> = sqlx::query_as(
        "SELECT id, slug, active, draining, free_bytes, \
             COALESCE(last_seen_at > now() - $1 * interval '1 s', false) AS online, \
             EXISTS (SELECT FROM workers w WHERE w.server_id = servers.id \
                 AND w.quarantine IS NOT NULL \
                 AND w.last_seen_at > now() - interval '1 minute') AS quarantined \
         FROM servers",
    )
    .bind(f64::from(request.offline_after_s))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|s| (s.id, s)).collect())
}

/// The target, or why it takes nobody.
fn target_of<'a>(
    servers: &'a HashMap<Uuid, ServerLook>,
    request: &MoveRequest,
) -> Result<&'a ServerLook, Refusal> {
    let target = servers.get(&request.target.0).ok_or(Refusal::UnknownServer)?;
    if !target.active {
        Err(Refusal::ServerInactive)
    } else if target.draining {
        Err(Refusal::ServerDraining)
    } else if !target.online {
        Err(Refusal::ServerOffline)
    } else if target.quarantined {
        Err(Refusal::ServerQuarantined)
    } else {
        Ok(target)
    }
}

/// Free disk, less the reserve, less what open moves still have to bring.
async fn room_of(
    conn: &mut PgConnection,
    target: &ServerLook,
    reserve: u64,
) -> Result<u64, StoreError> {
    let coming: i64 = sqlx::query_scalar(
        "SELECT COALESCE(sum(GREATEST(bytes_total - bytes_done, 0)), 0)::bigint FROM jobs \
         WHERE target_server_id = $1 \
             AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')",
    )
    .bind(target.id)
    .fetch_one(conn)
    .await?;
    let free = target.free_bytes.unwrap_or(0) as u64;
    Ok(free.saturating_sub(reserve).saturating_sub(coming as u64))
}

async fn look_at_artists(
    conn: &mut PgConnection,
    ids: &[ArtistId],
    dry_run: bool,
) -> Result<HashMap<Uuid, ArtistLook>, StoreError> {
    let sql = if dry_run {
        "SELECT id, slug, server_id, bytes, operating_job_id FROM artists WHERE id = ANY($1)"
    } else {
        "SELECT id, slug, server_id, bytes, operating_job_id FROM artists WHERE id = ANY($1) \
         ORDER BY id FOR NO KEY UPDATE"
    };
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<ArtistLook> = sqlx::query_as(sql).bind(ids).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|a| (a.id, a)).collect())
}
