//! Settings of the whole cluster: one row.

use crate::{Action, By, Deed, Store, StoreError, audit::record};
use serde_json::json;
use sqlx::{FromRow, PgConnection};

/// Highest server limit that can be set.
pub const SERVER_LIMIT_MAX: u32 = 10_000;

/// The settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Cluster servers at most, the master not counted; none for no limit.
    pub server_limit: Option<u32>,
}

/// How many cluster servers there are, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerRoom {
    /// At most; none for no limit.
    pub limit: Option<u32>,
    /// At this moment, the master not counted.
    pub servers: u32,
}

impl ServerRoom {
    /// Whether no more can be created.
    pub fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.servers >= limit)
    }
}

#[derive(FromRow)]
struct RoomRow {
    server_limit: Option<i32>,
    servers: i64,
}

/// Counts within the caller's transaction.
pub(crate) async fn room(conn: &mut PgConnection) -> Result<ServerRoom, StoreError> {
    let row: RoomRow = sqlx::query_as(
        "SELECT c.server_limit, (SELECT count(*) FROM servers s
             WHERE s.deleted_at IS NULL AND NOT s.is_master) AS servers
         FROM cluster_settings c",
    )
    .fetch_one(conn)
    .await?;
    Ok(ServerRoom {
        limit: row.server_limit.map(i32::unsigned_abs),
        servers: u32::try_from(row.servers).unwrap_or(u32::MAX),
    })
}

impl Store {
    /// The settings as they are.
    pub async fn cluster_settings(&self) -> Result<ClusterSettings, StoreError> {
        let limit: Option<i32> = sqlx::query_scalar("SELECT server_limit FROM cluster_settings")
            .fetch_one(self.pool())
            .await?;
        Ok(ClusterSettings { server_limit: limit.map(i32::unsigned_abs) })
    }

    /// Changes the settings.
    pub async fn set_cluster_settings(
        &self,
        by: &By,
        settings: &ClusterSettings,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let was: Option<i32> =
            sqlx::query_scalar("SELECT server_limit FROM cluster_settings FOR UPDATE")
                .fetch_one(&mut *tx)
                .await?;
        sqlx::query("UPDATE cluster_settings SET server_limit = $1")
            .bind(settings.server_limit.map(|n| n as i32))
            .execute(&mut *tx)
            .await?;
        let detail = json!({ "server_limit": { "was": was, "is": settings.server_limit } });
        let deed = Deed::done(by, Action::SettingsModify, "settings").detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How many cluster servers there are, and may be.
    pub async fn server_room(&self) -> Result<ServerRoom, StoreError> {
        let mut conn = self.pool().acquire().await?;
        room(&mut conn).await
    }
}
