//! Findings: listing them, and saying what became of them.

use crate::{Action, By, Deed, NewestCursor, Store, StoreError, audit};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{ArtistId, BatchId, ServerId};
use uuid::Uuid;

/// Which findings.
#[derive(Debug, Clone, Copy, Default)]
pub struct FindingQuery {
    /// Of this artist.
    pub artist: Option<ArtistId>,
    /// Of artists who live on this server now.
    pub server: Option<ServerId>,
    /// Which the readings of this batch have found, or found again.
    pub batch: Option<BatchId>,
    /// Also those that are resolved.
    pub resolved: bool,
    /// Those after this one.
    pub after: Option<NewestCursor>,
    /// At most so many.
    pub limit: u32,
}

/// A file that is not what it was.
#[derive(Debug, Clone, FromRow)]
pub struct FindingRow {
    /// The finding.
    pub id: Uuid,
    /// Whose file.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// On whose disk it was found.
    pub server_id: Uuid,
    /// Where the artist lives now.
    pub home_id: Uuid,
    /// The reading that found it last.
    pub job_id: Uuid,
    /// Where in the artist's tree, escaped.
    pub path: String,
    /// What is wrong, by its stable name.
    pub kind: String,
    /// The size that it had, in bytes.
    pub bytes_expected: Option<i64>,
    /// The size that it has, in bytes.
    pub bytes_actual: Option<i64>,
    /// Where the first piece begins that differs; none for a file of one piece.
    pub piece_offset: Option<i64>,
    /// BLAKE3 that this piece had, hex.
    pub blake3_expected: Option<String>,
    /// BLAKE3 that it has, hex.
    pub blake3_actual: Option<String>,
    /// All that the file is now, in one hash.
    pub state: String,
    /// Why it cannot be read.
    pub detail: Option<String>,
    /// When it was first found.
    pub found_at: DateTime<Utc>,
    /// When it was last found.
    pub seen_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// By whom; none when a later reading found it right.
    pub resolved_by: Option<String>,
    /// `clean`, `mended` or `accepted`.
    pub resolution: Option<String>,
}

/// What a person says of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The file is right again; if it is not, the next reading finds it anew.
    Mended,
    /// The file is right as it is; the next reading takes it so. Not for one that cannot be read.
    Accepted,
}

impl Resolution {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::Accepted => "accepted",
        }
    }
}

/// What came of saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// So many findings are resolved.
    These(u64),
    /// There is no such finding that is open; or it is to be accepted, and is of a file that cannot be
    /// read.
    None,
    /// It is not what was seen: another reading found something else. Nothing was done.
    Changed,
}

/// Which findings are resolved.
struct Which {
    column: &'static str,
    id: Uuid,
    /// For the audit log.
    target: String,
}

/// Several findings in one hash.
const ALL_SEEN: &str = "md5(string_agg(id::text || state, ',' ORDER BY id))";

impl Store {
    /// Findings, the newest first.
    pub async fn findings(&self, query: &FindingQuery) -> Result<Vec<FindingRow>, StoreError> {
        let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(
            "SELECT f.id, f.artist_id, a.name AS artist_name, f.server_id, a.server_id AS home_id,
                 f.job_id, f.path, f.kind, f.bytes_expected, f.bytes_actual, f.piece_offset,
                 f.blake3_expected, f.blake3_actual, f.state, f.detail, f.found_at, f.seen_at, f.resolved_at,
                 f.resolved_by, f.resolution
             FROM verify_findings f JOIN artists a ON a.id = f.artist_id WHERE true",
        );
        if !query.resolved {
            sql.push(" AND f.resolved_at IS NULL");
        }
        if let Some(artist) = query.artist {
            sql.push(" AND f.artist_id = ").push_bind(artist.0);
        }
        if let Some(server) = query.server {
            sql.push(" AND a.server_id = ").push_bind(server.0);
        }
        if let Some(batch) = query.batch {
            sql.push(" AND f.job_id IN (SELECT j.id FROM jobs j WHERE j.batch_id = ");
            sql.push_bind(batch.0).push(")");
        }
        if let Some(after) = query.after {
            sql.push(" AND (f.found_at, f.id) < (").push_bind(after.created_at);
            sql.push(", ").push_bind(after.id).push(")");
        }
        sql.push(" ORDER BY f.found_at DESC, f.id DESC LIMIT ").push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// Says what became of a finding, if it is still as it was seen.
    pub async fn resolve_finding(
        &self,
        by: &By,
        id: Uuid,
        how: Resolution,
        seen: Option<&str>,
    ) -> Result<Resolved, StoreError> {
        let which = Which { column: "id", id, target: format!("finding:{id}") };
        self.resolve(by, &which, "max(state)", how, seen).await
    }

    /// The same of all open findings of an artist, if they are still as they were seen.
    pub async fn resolve_findings_of(
        &self,
        by: &By,
        artist: ArtistId,
        how: Resolution,
        seen: Option<&str>,
    ) -> Result<Resolved, StoreError> {
        let which = Which { column: "artist_id", id: artist.0, target: format!("artist:{artist}") };
        self.resolve(by, &which, ALL_SEEN, how, seen).await
    }

    /// All open findings of an artist in one hash, for [`Store::resolve_findings_of`].
    pub async fn findings_seen(&self, artist: ArtistId) -> Result<String, StoreError> {
        let mut sql: QueryBuilder<Postgres> = QueryBuilder::new("SELECT coalesce(");
        sql.push(ALL_SEEN).push(", '') FROM verify_findings WHERE resolved_at IS NULL");
        sql.push(" AND artist_id = ").push_bind(artist.0);
        Ok(sql.build_query_scalar().persistent(false).fetch_one(self.pool()).await?)
    }

    async fn resolve(
        &self,
        by: &By,
        which: &Which,
        seen_as: &'static str,
        how: Resolution,
        seen: Option<&str>,
    ) -> Result<Resolved, StoreError> {
        let mut tx = self.pool().begin().await?;
        let mut sql: QueryBuilder<Postgres> =
            QueryBuilder::new("SELECT id FROM verify_findings WHERE resolved_at IS NULL AND ");
        sql.push(which.column).push(" = ").push_bind(which.id).push(" ORDER BY id FOR UPDATE");
        let ids: Vec<Uuid> = sql.build_query_scalar().persistent(false).fetch_all(&mut *tx).await?;
        if let Some(seen) = seen
            && !ids.is_empty()
        {
            let mut sql: QueryBuilder<Postgres> = QueryBuilder::new("SELECT ");
            sql.push(seen_as).push(" FROM verify_findings WHERE id = ANY(");
            sql.push_bind(ids.clone()).push(")");
            let now: String =
                sql.build_query_scalar().persistent(false).fetch_one(&mut *tx).await?;
            if now != seen {
                return Ok(Resolved::Changed);
            }
        }
        let paths: Vec<String> = sqlx::query_scalar(
            "UPDATE verify_findings SET resolved_at = now(), resolved_by = $2, \
                 resolution = $3, to_be_told = $3 = 'accepted' \
             WHERE id = ANY($1) AND ($3 <> 'accepted' OR kind <> 'unreadable') RETURNING path",
        )
        .bind(&ids)
        .bind(&by.actor)
        .bind(how.as_str())
        .fetch_all(&mut *tx)
        .await?;
        if paths.is_empty() {
            return Ok(Resolved::None);
        }
        let some: Vec<&String> = paths.iter().take(20).collect();
        let detail = json!({ "as": how.as_str(), "findings": paths.len(), "paths": some });
        let deed = Deed::done(by, Action::FindingResolve, &which.target).detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Resolved::These(paths.len() as u64))
    }
}
