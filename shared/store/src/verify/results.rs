//! What a reading came to, in the transaction that ends its job.

use crate::{
    StoreError,
    jobs_core::{Held, column},
    webhooks::tell::{self, News},
};
use serde_json::json;
use sqlx::PgConnection;
use tourbus_domain::{Finding, VerifyReport, WebhookEvent};
use uuid::Uuid;

/// Findings of one reading that are kept at most.
const FINDINGS_MAX: usize = 1000;
/// Files that a webhook is told of by name.
const FILES_TOLD_MAX: usize = 20;

/// A report, and the job that it ends.
pub(crate) struct Told<'a> {
    pub(crate) held: &'a Held,
    pub(crate) report: &'a VerifyReport,
}

/// Keeps what readings have found.
pub(crate) async fn record(conn: &mut PgConnection, told: &[Told<'_>]) -> Result<(), StoreError> {
    for one in told {
        one.record(conn).await?;
    }
    Ok(())
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn text(s: &str) -> String {
    s.replace('\0', "")
}

impl Told<'_> {
    async fn record(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let listed = &self.report.findings[..self.report.findings.len().min(FINDINGS_MAX)];
        self.result(conn, listed.len()).await?;
        sqlx::query("UPDATE artists SET verified_at = now() WHERE id = $1")
            .bind(self.artist())
            .execute(&mut *conn)
            .await?;
        self.findings(conn, listed).await?;
        self.accepted(conn).await?;
        if listed.len() as u64 == self.report.found() {
            self.clean(conn).await?;
        }
        Ok(())
    }

    const fn artist(&self) -> Uuid {
        self.held.job.artist_id.0
    }

    async fn result(&self, conn: &mut PgConnection, listed: usize) -> Result<(), StoreError> {
        let r = self.report;
        sqlx::query(
            "INSERT INTO verify_results (job_id, artist_id, server_id, files, bytes, first_reading,
                 placed, missing, corrupt, changed, unreadable, untracked, listed, took_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (job_id) DO NOTHING",
        )
        .bind(self.held.job.id.0)
        .bind(self.artist())
        .bind(self.held.job.target_id.0)
        .bind(number(r.files))
        .bind(number(r.bytes))
        .bind(r.first_reading)
        .bind(number(r.placed))
        .bind(number(r.missing))
        .bind(number(r.corrupt))
        .bind(number(r.changed))
        .bind(number(r.unreadable))
        .bind(number(r.untracked))
        .bind(listed as i64)
        .bind(number(r.took_ms))
        .execute(conn)
        .await?;
        Ok(())
    }

    /// What is open already was found once more; the rest is new, but what a person has accepted
    /// while it was being read.
    async fn findings(
        &self,
        conn: &mut PgConnection,
        listed: &[Finding],
    ) -> Result<(), StoreError> {
        if listed.is_empty() {
            return Ok(());
        }
        let rows: Vec<&Finding> = listed.iter().collect();
        let found: Vec<(String, String, bool)> = sqlx::query_as(
            "INSERT INTO verify_findings (artist_id, server_id, job_id, path, kind, bytes_expected,
                 bytes_actual, piece_offset, blake3_expected, blake3_actual, state, detail)
             SELECT DISTINCT ON (path, kind) $1, $2, $3, path, kind, expected, actual, at, was, is_now,
                 state, detail
             FROM UNNEST($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
                 $9::text[], $10::text[], $11::text[], $12::text[])
                 AS u(path, kind, expected, actual, at, was, is_now, state, detail)
             WHERE NOT EXISTS (SELECT FROM verify_findings t WHERE t.artist_id = $1
                 AND t.to_be_told AND t.path = u.path AND t.state = u.state)
             ON CONFLICT (artist_id, md5(path), kind) WHERE resolved_at IS NULL
             DO UPDATE SET seen_at = now(), job_id = excluded.job_id,
                 server_id = excluded.server_id, bytes_expected = excluded.bytes_expected,
                 bytes_actual = excluded.bytes_actual, piece_offset = excluded.piece_offset,
                 blake3_expected = excluded.blake3_expected,
                 blake3_actual = excluded.blake3_actual, state = excluded.state,
                 detail = excluded.detail
             RETURNING path, kind, xmax = 0",
        )
        .bind(self.artist())
        .bind(self.held.job.target_id.0)
        .bind(self.held.job.id.0)
        .bind(column(&rows, |f: &Finding| Some(text(&f.path))))
        .bind(column(&rows, |f: &Finding| Some(f.kind.as_str().to_owned())))
        .bind(column(&rows, |f: &Finding| f.bytes_expected.map(number)))
        .bind(column(&rows, |f: &Finding| f.bytes_actual.map(number)))
        .bind(column(&rows, |f: &Finding| f.offset.map(number)))
        .bind(column(&rows, |f: &Finding| f.blake3_expected.as_deref().map(text)))
        .bind(column(&rows, |f: &Finding| f.blake3_actual.as_deref().map(text)))
        .bind(column(&rows, |f: &Finding| Some(text(&f.state))))
        .bind(column(&rows, |f: &Finding| f.detail.as_deref().map(text)))
        .fetch_all(&mut *conn)
        .await?;
        let fresh = found.iter().filter(|(_, _, fresh)| *fresh);
        self.tell(conn, &fresh.map(|(path, kind, _)| (path, kind)).collect::<Vec<_>>()).await
    }

    /// Tells of files that were not known to be wrong before.
    async fn tell(
        &self,
        conn: &mut PgConnection,
        fresh: &[(&String, &String)],
    ) -> Result<(), StoreError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let (artist, server): (String, String) = sqlx::query_as(
            "SELECT a.name, s.name FROM artists a, servers s WHERE a.id = $1 AND s.id = $2",
        )
        .bind(self.artist())
        .bind(self.held.job.target_id.0)
        .fetch_one(&mut *conn)
        .await?;
        let some = fresh.iter().take(FILES_TOLD_MAX);
        let files: Vec<_> =
            some.map(|(path, kind)| json!({ "path": path, "kind": kind })).collect();
        let data = json!({
            "artist_id": self.artist(), "artist": artist, "artist_slug": self.held.artist.slug,
            "server_id": self.held.job.target_id, "server": server,
            "job_id": self.held.job.id, "new_findings": fresh.len(), "files": files,
        });
        let path = format!("/artists/{}", self.artist());
        tell::all(conn, &[News::new(WebhookEvent::VerifyFinding, data, path)]).await
    }

    /// The home server knows now what people have accepted.
    async fn accepted(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE verify_findings f SET to_be_told = false
             FROM jsonb_to_recordset($2::jsonb->'accepted') AS u(path text, state text)
             WHERE f.artist_id = $1 AND f.to_be_told AND f.path = u.path AND f.state = u.state",
        )
        .bind(self.artist())
        .bind(&self.held.params)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// What was not found any more is right again. Not if the artist has moved since it was found:
    /// a move takes files as they are, and the new home knows no others.
    async fn clean(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE verify_findings f SET resolved_at = now(), resolution = 'clean'
             WHERE f.artist_id = $1 AND f.resolved_at IS NULL AND f.job_id <> $2
                 AND NOT EXISTS (SELECT FROM jobs m WHERE m.artist_id = f.artist_id
                     AND m.kind = 'move' AND m.state IN ('retiring', 'succeeded')
                     AND coalesce(m.finished_at, now()) > f.seen_at)",
        )
        .bind(self.artist())
        .bind(self.held.job.id.0)
        .execute(conn)
        .await?;
        Ok(())
    }
}
