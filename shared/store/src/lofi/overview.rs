//! How far the renditions are: per server, and what failed.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use tourbus_domain::{JobId, ServerId};
use uuid::Uuid;

/// Songs whose last conversion failed are counted up to here.
const FAILED_MAX: i64 = 200;

/// Songs whose last conversion failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LofiFailed {
    /// How many, as far as they are counted; the newest.
    pub songs: u64,
    /// Of these, those that serve no rendition.
    pub without_lofi: u64,
    /// There are more than were counted.
    pub more: bool,
}

/// How far one server is.
#[derive(Debug, Clone, FromRow)]
pub struct LofiServer {
    /// The server.
    pub server_id: Uuid,
    /// Songs of the artists who live there.
    pub songs: i64,
    /// Of these, those that have a rendition.
    pub lofis: i64,
    /// Conversions that wait.
    pub queued: i64,
    /// Conversions at work.
    pub running: i64,
    /// Conversions that its workers do at a time, of those heard of in the last minute.
    pub slots: i64,
    /// Conversions that ended well in the last hour.
    pub made: i64,
    /// How much audio of it was encoded, in milliseconds.
    pub audio_ms: i64,
    /// How long they took, added up, in milliseconds.
    pub took_ms: i64,
}

/// The same of all servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LofiTotals {
    /// Songs.
    pub songs: u64,
    /// Songs that have a rendition.
    pub lofis: u64,
    /// Conversions that wait or are at work.
    pub open: u64,
}

impl LofiTotals {
    /// Adds up.
    pub fn of(servers: &[LofiServer]) -> Self {
        servers.iter().fold(Self::default(), |all, one| Self {
            songs: all.songs + one.songs.unsigned_abs(),
            lofis: all.lofis + one.lofis.unsigned_abs(),
            open: all.open + (one.queued + one.running).unsigned_abs(),
        })
    }
}

/// A song whose last conversion failed.
#[derive(Debug, Clone, FromRow)]
pub struct LofiFailure {
    /// The job that failed.
    pub job_id: Uuid,
    /// The song.
    pub song_id: Uuid,
    /// Its title.
    pub title: String,
    /// Where it is in the artist's tree.
    pub path: String,
    /// Whose.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// Where the artist lives.
    pub server_id: Uuid,
    /// Whether an older rendition serves.
    pub has_lofi: bool,
    /// Why, a `JobError`.
    pub error: Option<Value>,
    /// When.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Store {
    /// How far each server is, by name.
    pub async fn lofi_servers(&self) -> Result<Vec<LofiServer>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT v.id AS server_id, v.songs, v.lofis, coalesce(j.queued, 0) AS queued,
                 coalesce(j.running, 0) AS running,
                 coalesce((SELECT sum(w.lofi_slots) FROM workers w WHERE w.server_id = v.id
                     AND w.last_seen_at > now() - interval '1 minute'), 0)::bigint AS slots,
                 coalesce(d.made, 0) AS made, coalesce(d.audio_ms, 0)::bigint AS audio_ms,
                 coalesce(d.took_ms, 0)::bigint AS took_ms
             FROM servers v
             LEFT JOIN (SELECT target_server_id, count(*) FILTER (WHERE state = 'queued') AS queued,
                     count(*) FILTER (WHERE state = 'running') AS running
                 FROM jobs WHERE kind = 'lofi'
                     AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
                 GROUP BY target_server_id) j ON j.target_server_id = v.id
             LEFT JOIN (SELECT j.target_server_id, count(*) AS made,
                     sum((e.detail->>'audio_ms')::bigint) FILTER (WHERE e.detail->>'made' = 'encoded')
                         AS audio_ms,
                     sum((e.detail->>'took_ms')::bigint) FILTER (WHERE e.detail->>'made' = 'encoded')
                         AS took_ms
                 FROM job_events e JOIN jobs j ON j.id = e.job_id
                 WHERE e.name = 'lofi_made' AND e.at > now() - interval '1 hour'
                 GROUP BY j.target_server_id) d ON d.target_server_id = v.id
             WHERE v.deleted_at IS NULL
             ORDER BY NOT v.is_master, lower(v.name), v.id",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Songs whose last conversion failed, the newest first.
    pub async fn lofi_failures(&self, limit: u32) -> Result<Vec<LofiFailure>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT j.id AS job_id, s.id AS song_id, s.title, s.path, a.id AS artist_id,
                 a.name AS artist_name, a.server_id, s.has_lofi, j.error, j.finished_at
             FROM jobs j JOIN songs s ON s.id = j.song_id JOIN artists a ON a.id = s.artist_id
             WHERE j.kind = 'lofi' AND j.state = 'failed'
                 AND NOT EXISTS (SELECT FROM jobs n WHERE n.song_id = j.song_id
                     AND (n.created_at, n.id) > (j.created_at, j.id))
             ORDER BY j.finished_at DESC, j.id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// How many those are, as far as they are counted.
    pub async fn lofi_failed(&self) -> Result<LofiFailed, StoreError> {
        let (all, bare): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE NOT has_lofi AND n <= $1)
             FROM (SELECT s.has_lofi, row_number() OVER (ORDER BY j.finished_at DESC, j.id) AS n
                 FROM jobs j JOIN songs s ON s.id = j.song_id
                 WHERE j.kind = 'lofi' AND j.state = 'failed'
                     AND NOT EXISTS (SELECT FROM jobs n WHERE n.song_id = j.song_id
                         AND (n.created_at, n.id) > (j.created_at, j.id))
                 ORDER BY j.finished_at DESC, j.id LIMIT $1 + 1) newest",
        )
        .bind(FAILED_MAX)
        .fetch_one(self.pool())
        .await?;
        Ok(LofiFailed {
            songs: all.min(FAILED_MAX).unsigned_abs(),
            without_lofi: bare.unsigned_abs(),
            more: all > FAILED_MAX,
        })
    }

    /// The jobs of those, to be tried again.
    pub async fn lofi_failed_jobs(&self, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let failures = self.lofi_failures(limit).await?;
        Ok(failures.into_iter().map(|f| JobId(f.job_id)).collect())
    }

    /// Open jobs that follow their artist and were sent to a server that is not the home any more,
    /// with the home.
    pub async fn strayed_jobs(&self, limit: u32) -> Result<Vec<(JobId, ServerId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "SELECT j.id, a.server_id FROM jobs j JOIN artists a ON a.id = j.artist_id
             WHERE j.kind IN ('lofi', 'verify')
                 AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
                 AND j.target_server_id <> a.server_id
             ORDER BY j.id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(job, home)| (JobId(job), ServerId(home))).collect())
    }
}
