//! Settings of the whole cluster: one row.

use crate::{Action, By, Deed, Store, StoreError, audit::record};
use serde_json::json;
use sqlx::{FromRow, PgConnection};

/// Highest server limit that can be set.
pub const SERVER_LIMIT_MAX: u32 = 10_000;

/// The settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Cluster servers at most, the master not counted; none for no limit.
    pub server_limit: Option<u32>,
    /// Whether anybody may sign up as an artist.
    pub sign_up: bool,
    /// How large an artist's files may be who has no quota of their own, in bytes.
    pub quota_bytes: u64,
    /// In how many days every artist's files are read once; 0 for never by itself.
    pub verify_every_days: u32,
    /// How fast files are read for it, in bytes per second.
    pub verify_rate_bytes_s: u64,
}

#[derive(FromRow)]
struct SettingsRow {
    server_limit: Option<i32>,
    sign_up: bool,
    quota_bytes: i64,
    verify_every_days: i32,
    verify_rate_bytes_s: i64,
}

impl From<SettingsRow> for ClusterSettings {
    fn from(row: SettingsRow) -> Self {
        Self {
            server_limit: row.server_limit.map(i32::unsigned_abs),
            sign_up: row.sign_up,
            quota_bytes: row.quota_bytes.unsigned_abs(),
            verify_every_days: row.verify_every_days.unsigned_abs(),
            verify_rate_bytes_s: row.verify_rate_bytes_s.unsigned_abs(),
        }
    }
}

const SETTINGS: &str = "SELECT server_limit, sign_up, quota_bytes, verify_every_days, \
     verify_rate_bytes_s FROM cluster_settings";

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
        let row: SettingsRow = sqlx::query_as(SETTINGS).fetch_one(self.pool()).await?;
        Ok(row.into())
    }

    /// Changes the settings: `change` gets them as they are.
    pub async fn change_cluster_settings(
        &self,
        by: &By,
        change: impl FnOnce(&mut ClusterSettings) + Send,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let locked = sqlx::AssertSqlSafe(format!("{SETTINGS} FOR UPDATE"));
        let row: SettingsRow = sqlx::query_as(locked).fetch_one(&mut *tx).await?;
        let was = ClusterSettings::from(row);
        let mut is = was;
        change(&mut is);
        if is == was {
            return Ok(());
        }
        sqlx::query(
            "UPDATE cluster_settings SET server_limit = $1, sign_up = $2, quota_bytes = $3,
                 verify_every_days = $4, verify_rate_bytes_s = $5",
        )
        .bind(is.server_limit.map(|n| n as i32))
        .bind(is.sign_up)
        .bind(i64::try_from(is.quota_bytes).unwrap_or(i64::MAX))
        .bind(i32::try_from(is.verify_every_days).unwrap_or(i32::MAX))
        .bind(i64::try_from(is.verify_rate_bytes_s).unwrap_or(i64::MAX))
        .execute(&mut *tx)
        .await?;
        let mut detail = serde_json::Map::new();
        let mut changed = |what: &str, was: serde_json::Value, is: serde_json::Value| {
            if was != is {
                detail.insert(what.to_owned(), json!({ "was": was, "is": is }));
            }
        };
        changed("server_limit", json!(was.server_limit), json!(is.server_limit));
        changed("sign_up", json!(was.sign_up), json!(is.sign_up));
        changed("quota_bytes", json!(was.quota_bytes), json!(is.quota_bytes));
        let (was_days, is_days) = (was.verify_every_days, is.verify_every_days);
        changed("verify_every_days", json!(was_days), json!(is_days));
        let (was_rate, is_rate) = (was.verify_rate_bytes_s, is.verify_rate_bytes_s);
        changed("verify_rate_bytes_s", json!(was_rate), json!(is_rate));
        let detail = serde_json::Value::Object(detail);
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
