//! Deleting a server: first in the database, for good; then on the broker, as often as it takes.

use super::{ServerError, ServerLock, lock_rows, lock_servers};
use crate::{Action, By, Deed, Store, StoreError, audit::record, moves::lock_admissions};
use serde_json::json;
use sqlx::PgConnection;
use tourbus_domain::{ServerId, Slug};
use uuid::Uuid;

/// Jobs that have not ended and concern a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerTies {
    /// Open moves that bring artists to it.
    pub arriving: u64,
    /// Open moves that take artists from it.
    pub leaving: u64,
    /// Other open jobs on it.
    pub tasks: u64,
}

impl ServerTies {
    /// Open jobs of all kinds.
    pub const fn jobs(&self) -> u64 {
        self.arriving + self.leaving + self.tasks
    }
}

impl Store {
    /// Marks a server deleted: from the commit on it is no target, its token, reports and
    /// heartbeats count for nothing, and nothing is sent to it. Returns its slug: remove it from
    /// the broker next, then say so with [`Store::server_revoked`].
    pub async fn delete_server(
        &self,
        by: &By,
        id: ServerId,
    ) -> Result<Result<Slug, ServerError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        // Whoever is just queuing moves to it has committed, or finds it gone.
        lock_admissions(&mut tx, id).await?;
        let Some(before) = lock_rows(&mut tx, id).await? else {
            return Ok(Err(ServerError::Unknown));
        };
        if let Some(error) = why_not(&mut tx, &before).await? {
            return Ok(Err(error));
        }
        let slug: Slug = before.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?;
        forget(&mut tx, id, &slug).await?;
        let detail = json!({ "name": before.name, "slug": slug, "url": before.url });
        let deed = Deed::done(by, Action::ServerDelete, format!("server:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(slug))
    }

    /// Deleted servers whose broker user and lanes may still be there.
    pub async fn servers_to_revoke(&self) -> Result<Vec<(ServerId, Slug)>, StoreError> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT id, slug FROM servers WHERE deleted_at IS NOT NULL AND revoked_at IS NULL
             ORDER BY deleted_at, id",
        )
        .fetch_all(self.pool())
        .await?;
        let parse = |(id, slug): (Uuid, String)| {
            Ok((ServerId(id), slug.parse().map_err(|e| StoreError::undecodable("servers", e))?))
        };
        rows.into_iter().map(parse).collect()
    }

    /// A deleted server's broker user and lanes are gone.
    pub async fn server_revoked(&self, id: ServerId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE servers SET revoked_at = coalesce(revoked_at, now())
             WHERE id = $1 AND deleted_at IS NOT NULL",
        )
        .bind(id.0)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Open jobs that concern a server.
    pub async fn server_ties(&self, id: ServerId) -> Result<ServerTies, StoreError> {
        let mut conn = self.pool().acquire().await?;
        ties(&mut conn, id.0).await
    }
}

async fn ties(conn: &mut PgConnection, id: Uuid) -> Result<ServerTies, StoreError> {
    let (arriving, leaving, tasks): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE kind = 'move' AND target_server_id = $1),
                count(*) FILTER (WHERE kind = 'move' AND source_server_id = $1),
                count(*) FILTER (WHERE kind <> 'move')
         FROM jobs WHERE (target_server_id = $1 OR source_server_id = $1)
             AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')",
    )
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(ServerTies {
        arriving: arriving.unsigned_abs(),
        leaving: leaving.unsigned_abs(),
        tasks: tasks.unsigned_abs(),
    })
}

async fn why_not(
    conn: &mut PgConnection,
    before: &ServerLock,
) -> Result<Option<ServerError>, StoreError> {
    if before.is_master {
        return Ok(Some(ServerError::Master));
    }
    if before.is_default {
        return Ok(Some(ServerError::Default));
    }
    if before.artists > 0 {
        return Ok(Some(ServerError::HasArtists { artists: before.artists.unsigned_abs() }));
    }
    let jobs = ties(conn, before.id).await?.jobs();
    Ok((jobs > 0).then_some(ServerError::OpenJobs { jobs }))
}

/// Everything by which it could act, or be waited for.
async fn forget(conn: &mut PgConnection, id: ServerId, slug: &Slug) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE servers SET deleted_at = now(), active = false, draining = false,
             public_key = NULL, broker_password_hash = NULL, checks_wanted_at = NULL
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(&mut *conn)
    .await?;
    for sql in [
        "DELETE FROM workers WHERE server_id = $1",
        "DELETE FROM server_checks WHERE server_id = $1",
        "UPDATE enrolments SET voided_at = now() WHERE server_id = $1 AND voided_at IS NULL",
    ] {
        sqlx::query(sql).bind(id.0).execute(&mut *conn).await?;
    }
    // Its lanes go: what is owed to them could never be delivered.
    sqlx::query("DELETE FROM outbox WHERE server_slug = $1")
        .bind(slug.as_str())
        .execute(conn)
        .await?;
    Ok(())
}
