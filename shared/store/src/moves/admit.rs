//! Who of a request is moved, and why the others are not.

use super::MoveRequest;
use crate::StoreError;
use sqlx::{FromRow, PgConnection};
use std::collections::{HashMap, HashSet};
use tourbus_domain::{ArtistId, Candidate, JobId, Refusal, ServerId, Slug, TargetRoom, admit};
use tourbus_protocol::ArtistRef;
use uuid::Uuid;

/// Who is moved and who is not, each in the order of the request.
pub(crate) struct Verdict {
    pub(crate) accepted: Vec<Admitted>,
    pub(crate) refused: Vec<(ArtistId, Refusal)>,
}

/// One that is moved.
pub(crate) struct Admitted {
    pub(crate) artist: ArtistRef,
    pub(crate) source_id: ServerId,
    pub(crate) source_slug: Slug,
    pub(crate) target_id: ServerId,
    pub(crate) bytes: u64,
}

// The flags are columns, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(FromRow)]
pub(crate) struct ServerLook {
    pub(crate) id: Uuid,
    pub(crate) slug: String,
    pub(crate) name: String,
    active: bool,
    draining: bool,
    free_bytes: Option<i64>,
    pub(crate) plays_30d: i64,
    joined: bool,
    pub(crate) online: bool,
    quarantined: bool,
    /// Its own disk reserve, in bytes; none for the cluster's.
    disk_reserve_bytes: Option<i64>,
}

impl ServerLook {
    /// Why it takes nobody; none if it does.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        if !self.active {
            Some(Refusal::ServerInactive)
        } else if self.draining {
            Some(Refusal::ServerDraining)
        } else if !self.joined {
            Some(Refusal::ServerNotJoined)
        } else if !self.online {
            Some(Refusal::ServerOffline)
        } else if self.quarantined {
            Some(Refusal::ServerQuarantined)
        } else {
            None
        }
    }
}

#[derive(FromRow)]
pub(super) struct ArtistLook {
    pub(super) id: Uuid,
    pub(super) slug: String,
    pub(super) server_id: Uuid,
    pub(super) bytes: i64,
    pub(super) operating_job_id: Option<Uuid>,
}

impl ArtistLook {
    /// What there is to decide about, given the home server.
    pub(super) fn candidate(&self, source: Option<&ServerLook>) -> Candidate {
        Candidate {
            artist_id: ArtistId(self.id),
            server_id: ServerId(self.server_id),
            bytes: self.bytes as u64,
            operating_job_id: self.operating_job_id.map(JobId),
            source_online: source.is_some_and(|s| s.online),
        }
    }
}

/// Decides for each artist, holding the rows of all (unless it is a dry run).
pub(super) async fn all(
    conn: &mut PgConnection,
    request: &MoveRequest,
) -> Result<Verdict, StoreError> {
    let mut seen = HashSet::with_capacity(request.artist_ids.len());
    let ids: Vec<ArtistId> =
        request.artist_ids.iter().copied().filter(|id| seen.insert(*id)).collect();
    let servers = look_at_servers(conn, request.offline_after_s).await?;
    let target = servers.get(&request.target.0).ok_or(Refusal::UnknownServer);
    let target = match target.and_then(|t| t.refusal().map_or(Ok(t), Err)) {
        Ok(target) => target,
        Err(refusal) => {
            let refused = ids.into_iter().map(|id| (id, refusal)).collect();
            return Ok(Verdict { accepted: Vec::new(), refused });
        }
    };
    let mut room = room_of(conn, target, request.disk_reserve_bytes).await?;
    let artists = look_at_artists(conn, &ids, request.dry_run).await?;
    let mut verdict = Verdict { accepted: Vec::with_capacity(ids.len()), refused: Vec::new() };
    for id in ids {
        let Some(artist) = artists.get(&id.0) else {
            verdict.refused.push((id, Refusal::UnknownArtist));
            continue;
        };
        let source = servers.get(&artist.server_id);
        let candidate = artist.candidate(source);
        match (admit(&candidate, &mut room), source) {
            (Ok(()), Some(source)) => {
                let to = request.target;
                verdict.accepted.push(admitted(id, &artist.slug, candidate.bytes, source, to)?);
            }
            (Ok(()), None) => verdict.refused.push((id, Refusal::SourceOffline)),
            (Err(refusal), _) => verdict.refused.push((id, refusal)),
        }
    }
    Ok(verdict)
}

/// One that goes from its source to a target.
pub(crate) fn admitted(
    artist: ArtistId,
    slug: &str,
    bytes: u64,
    source: &ServerLook,
    target_id: ServerId,
) -> Result<Admitted, StoreError> {
    let slug = slug.parse().map_err(|e| StoreError::undecodable("artists", e))?;
    Ok(Admitted {
        artist: ArtistRef { id: artist, slug },
        source_id: ServerId(source.id),
        source_slug: source.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
        target_id,
        bytes,
    })
}

/// Every server that was not deleted.
pub(crate) async fn look_at_servers(
    conn: &mut PgConnection,
    offline_after_s: u32,
) -> Result<HashMap<Uuid, ServerLook>, StoreError> {
    let rows: Vec<ServerLook> = sqlx::query_as(
        "SELECT id, slug, name, active, draining, free_bytes, plays_30d, \
             joined_at IS NOT NULL OR last_seen_at IS NOT NULL AS joined, \
             COALESCE(last_seen_at > now() - $1 * interval '1 s', false) AS online, \
             EXISTS (SELECT FROM workers w WHERE w.server_id = servers.id \
                 AND w.quarantine IS NOT NULL \
                 AND w.last_seen_at > now() - interval '1 minute') AS quarantined, \
             (limits->>'disk_reserve_bytes')::bigint AS disk_reserve_bytes \
         FROM servers WHERE deleted_at IS NULL",
    )
    .bind(f64::from(offline_after_s))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|s| (s.id, s)).collect())
}

/// Free disk, less its own reserve or else this one, less what open moves still have to bring.
pub(crate) async fn room_of(
    conn: &mut PgConnection,
    target: &ServerLook,
    reserve: u64,
) -> Result<TargetRoom, StoreError> {
    let coming: i64 = sqlx::query_scalar(
        "SELECT COALESCE(sum(GREATEST(bytes_total - bytes_done, 0)), 0)::bigint FROM jobs \
         WHERE target_server_id = $1 AND kind = 'move' \
             AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')",
    )
    .bind(target.id)
    .fetch_one(conn)
    .await?;
    let reserve = target.disk_reserve_bytes.map_or(reserve, i64::unsigned_abs);
    let free = target.free_bytes.unwrap_or(0) as u64;
    let room_bytes = free.saturating_sub(reserve).saturating_sub(coming as u64);
    Ok(TargetRoom { server_id: ServerId(target.id), room_bytes })
}

pub(super) async fn look_at_artists(
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
