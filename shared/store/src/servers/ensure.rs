//! Servers that are made known by hand: the local stack's, and those of configuration files.

use super::{NewServer, lock_servers};
use crate::{Store, StoreError};
use tourbus_domain::{ServerId, Slug};
use uuid::Uuid;

impl Store {
    /// Makes the server known, or brings the one with this slug up to date. Returns its id. The
    /// first server of all becomes the default whatever is asked for, for there always is one. A
    /// slug that was a deleted server's is [`StoreError::Invalid`].
    pub async fn ensure_server(&self, server: NewServer) -> Result<ServerId, StoreError> {
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        if server.is_default {
            // Only a server that is new: who is the default among the known ones, people decide.
            sqlx::query(
                "UPDATE servers SET is_default = false WHERE is_default
                     AND NOT EXISTS (SELECT FROM servers WHERE slug = $1)",
            )
            .bind(server.slug.as_str())
            .execute(&mut *tx)
            .await?;
        }
        let id: Option<Uuid> = sqlx::query_scalar(
            "INSERT INTO servers (id, slug, name, ip, url, is_master, is_default)
             VALUES ($1, $2, $3, $4::inet, $5, $6,
                 NOT EXISTS (SELECT FROM servers WHERE is_default))
             ON CONFLICT (slug) DO UPDATE SET name = excluded.name, ip = excluded.ip,
                 url = excluded.url, is_master = excluded.is_master
                 WHERE servers.deleted_at IS NULL
             RETURNING id",
        )
        .bind(server.id.0)
        .bind(server.slug.as_str())
        .bind(&server.name)
        .bind(server.ip.to_string())
        .bind(&server.url)
        .bind(server.is_master)
        .fetch_optional(&mut *tx)
        .await?;
        let id = id.ok_or_else(|| {
            StoreError::Invalid(format!(
                "The server {} was deleted from this cluster; its slug is not used again.",
                server.slug
            ))
        })?;
        tx.commit().await?;
        Ok(id.into())
    }

    /// The slugs of servers that were deleted.
    pub async fn deleted_servers(&self) -> Result<Vec<Slug>, StoreError> {
        let sql = "SELECT slug FROM servers WHERE deleted_at IS NOT NULL ORDER BY slug";
        let slugs: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.pool()).await?;
        let parse = |slug: String| slug.parse().map_err(|e| StoreError::undecodable("servers", e));
        slugs.into_iter().map(parse).collect()
    }
}
