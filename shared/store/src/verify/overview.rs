//! What was verified when, and what is open.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use tourbus_domain::{ArtistId, JobId};
use uuid::Uuid;

/// Findings of the artists of one server that nobody has resolved.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OpenFindings {
    /// Where the artists live now.
    pub server_id: Uuid,
    /// Artists with findings.
    pub artists: i64,
    /// Findings.
    pub findings: i64,
    /// Of these, files that are damaged or lost: all but untracked ones.
    pub damaged: i64,
}

/// How far one server is.
#[derive(Debug, Clone, FromRow)]
pub struct VerifyServer {
    /// The server.
    pub server_id: Uuid,
    /// Artists who live there.
    pub artists: i64,
    /// Of these, those whose files were never read.
    pub never: i64,
    /// When the one was verified who waits longest, of the others.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When somebody was last.
    pub last_at: Option<DateTime<Utc>>,
    /// Readings that wait.
    pub queued: i64,
    /// Readings at work.
    pub running: i64,
    /// Artists whose files were read there in the last 7 days.
    pub read_7d: i64,
    /// Bytes in them.
    pub bytes_7d: i64,
    /// Findings that nobody has resolved.
    pub findings: i64,
}

/// The last reading of an artist's files.
#[derive(Debug, Clone, FromRow)]
pub struct VerifyLast {
    /// Its job.
    pub job_id: Uuid,
    /// Whose disk was read.
    pub server_id: Uuid,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Files that were read.
    pub files: i64,
    /// Bytes in them.
    pub bytes: i64,
    /// There was nothing to compare with.
    pub first_reading: bool,
    /// Files that are not what they were, of all kinds.
    pub found: i64,
    /// How many of these are listed.
    pub listed: i64,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
}

impl Store {
    /// Servers whose artists have findings that nobody has resolved: each needs a person.
    pub async fn open_findings(&self) -> Result<Vec<OpenFindings>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT a.server_id, count(DISTINCT f.artist_id) AS artists, count(*) AS findings,
                 count(*) FILTER (WHERE f.kind <> 'untracked') AS damaged
             FROM verify_findings f JOIN artists a ON a.id = f.artist_id
             WHERE f.resolved_at IS NULL GROUP BY a.server_id ORDER BY a.server_id",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// How far each server is, by name.
    pub async fn verify_servers(&self) -> Result<Vec<VerifyServer>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT v.id AS server_id, v.artists,
                 (SELECT count(*) FROM artists WHERE server_id = v.id AND verified_at IS NULL)
                     AS never,
                 (SELECT min(verified_at) FROM artists WHERE server_id = v.id) AS oldest_at,
                 (SELECT max(verified_at) FROM artists WHERE server_id = v.id) AS last_at,
                 coalesce(j.queued, 0) AS queued, coalesce(j.running, 0) AS running,
                 coalesce(r.read_7d, 0) AS read_7d, coalesce(r.bytes_7d, 0)::bigint AS bytes_7d,
                 coalesce(f.findings, 0) AS findings
             FROM servers v
             LEFT JOIN (SELECT target_server_id, count(*) FILTER (WHERE state = 'queued') AS queued,
                     count(*) FILTER (WHERE state = 'running') AS running
                 FROM jobs WHERE kind = 'verify'
                     AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
                 GROUP BY target_server_id) j ON j.target_server_id = v.id
             LEFT JOIN (SELECT server_id, count(*) AS read_7d, sum(bytes) AS bytes_7d
                 FROM verify_results WHERE at > now() - interval '7 days'
                 GROUP BY server_id) r ON r.server_id = v.id
             LEFT JOIN (SELECT a.server_id, count(*) AS findings
                 FROM verify_findings f JOIN artists a ON a.id = f.artist_id
                 WHERE f.resolved_at IS NULL GROUP BY a.server_id) f ON f.server_id = v.id
             WHERE v.deleted_at IS NULL
             ORDER BY NOT v.is_master, lower(v.name), v.id",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// The last reading of an artist's files; none when there was none.
    pub async fn last_verify(&self, artist: ArtistId) -> Result<Option<VerifyLast>, StoreError> {
        let row = sqlx::query_as(
            "SELECT job_id, server_id, at, files, bytes, first_reading,
                 missing + corrupt + changed + unreadable + untracked AS found, listed, took_ms
             FROM verify_results WHERE artist_id = $1 ORDER BY at DESC LIMIT 1",
        )
        .bind(artist.0)
        .fetch_optional(self.pool())
        .await?;
        Ok(row)
    }

    /// The job that reads an artist's files, or is to.
    pub async fn open_verify(&self, artist: ArtistId) -> Result<Option<JobId>, StoreError> {
        let id: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE artist_id = $1 AND kind = 'verify'
                 AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')",
        )
        .bind(artist.0)
        .fetch_optional(self.pool())
        .await?;
        Ok(id.map(JobId))
    }

    /// Forgets readings and resolved findings that are older than a year; the last reading of each
    /// artist stays. How many rows.
    pub async fn prune_verifies(&self) -> Result<u64, StoreError> {
        let results = sqlx::query(
            "DELETE FROM verify_results r WHERE r.at < now() - interval '1 year'
                 AND EXISTS (SELECT FROM verify_results n
                     WHERE n.artist_id = r.artist_id AND n.at > r.at)",
        )
        .execute(self.pool())
        .await?;
        let findings = sqlx::query(
            "DELETE FROM verify_findings
             WHERE resolved_at < now() - interval '1 year' AND NOT to_be_told",
        )
        .execute(self.pool())
        .await?;
        Ok(results.rows_affected() + findings.rows_affected())
    }
}
