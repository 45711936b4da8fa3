//! Servers: the master and the cluster servers.

mod change;
mod delete;
mod drain;
mod ensure;

pub use change::{ServerChange, ServerCreation};
pub use delete::ServerTies;
pub use drain::{DrainAnswer, DrainBatch, DrainPlan, DrainRequest, DrainStopped};

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use std::net::IpAddr;
use tourbus_domain::{Quarantine, Refusal, ServerId, ServerLimits, Slug};
use uuid::Uuid;

/// A server to be made known.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// Its id, if it is not known yet.
    pub id: ServerId,
    /// Its name in hosts, queues and users.
    pub slug: Slug,
    /// Its name for people, unique.
    pub name: String,
    /// Where our own processes reach it.
    pub ip: IpAddr,
    /// Its base URL, without a trailing slash.
    pub url: String,
    /// Whether it is the master; at most one is.
    pub is_master: bool,
    /// Whether new artists go there; at most one is.
    pub is_default: bool,
}

/// A server as pages and scripts see it.
// The flags are columns, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, FromRow)]
pub struct ServerRow {
    /// The server.
    pub id: Uuid,
    /// Its name in hosts, queues and users.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Where our own processes reach it.
    pub ip: String,
    /// Its base URL.
    pub url: String,
    /// Whether it is the master.
    pub is_master: bool,
    /// Whether it takes artists.
    pub active: bool,
    /// Whether new artists go there.
    pub is_default: bool,
    /// Whether it is being emptied.
    pub draining: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// When it joined by itself; none for servers that were made known by hand.
    pub joined_at: Option<DateTime<Utc>>,
    /// Artists that live there.
    pub artists: i64,
    /// Plays of those artists, ever.
    pub plays_total: i64,
    /// Plays of those artists in the last 30 days.
    pub plays_30d: i64,
    /// Size of those artists' trees.
    pub bytes: i64,
    /// Free disk, as last reported.
    pub free_bytes: Option<i64>,
    /// Size of that disk.
    pub total_bytes: Option<i64>,
    /// The workers' version, as last reported.
    pub version: Option<String>,
    /// When a worker last reported.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The same as an age on the database's clock, in seconds.
    pub seen_age_s: Option<f64>,
    /// Workers that reported within the last minute.
    pub workers: i64,
    /// Bytes that running moves still have to write there.
    pub arriving_bytes: i64,
    /// Why it takes no work, as its workers told within the last minute.
    #[sqlx(json(nullable))]
    pub quarantine: Option<Quarantine>,
    /// What its moves may take of it.
    #[sqlx(json)]
    pub limits: ServerLimits,
    /// Whether a live worker does not keep to these yet.
    pub limits_pending: bool,
}

const SERVERS: &str = "SELECT s.id, s.slug, s.name, host(s.ip) AS ip, s.url, s.is_master, s.active,
        s.is_default, s.draining, s.deleted_at IS NOT NULL AS deleted, s.joined_at, s.artists, s.plays_total, s.plays_30d, s.bytes, s.free_bytes,
        s.total_bytes, s.version, s.last_seen_at,
        extract(epoch FROM now() - s.last_seen_at)::float8 AS seen_age_s,
        (SELECT count(*) FROM workers w WHERE w.server_id = s.id
            AND w.last_seen_at > now() - interval '1 minute') AS workers,
        (SELECT coalesce(sum(greatest(j.bytes_total - j.bytes_done, 0)), 0)::bigint FROM jobs j
            WHERE j.target_server_id = s.id AND j.kind = 'move'
            AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')) AS arriving_bytes,
        (SELECT w.quarantine FROM workers w WHERE w.server_id = s.id AND w.quarantine IS NOT NULL
            AND w.last_seen_at > now() - interval '1 minute' ORDER BY w.name LIMIT 1) AS quarantine, s.limits,
        s.limits_revision > 0 AND EXISTS (SELECT FROM workers w WHERE w.server_id = s.id
            AND w.limits_revision IS DISTINCT FROM s.limits_revision
            AND w.last_seen_at > now() - interval '1 minute') AS limits_pending
    FROM servers s WHERE ($1::uuid IS NULL OR s.id = $1) AND ($2 OR s.deleted_at IS NULL)
    ORDER BY s.deleted_at IS NOT NULL, s.is_master DESC, s.name, s.id";

/// Why a server was left as it was, or not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// There is none with this id.
    #[error("there is no such server")]
    Unknown,
    /// Another server has this name.
    #[error("the server {server} has this name")]
    NameTaken {
        /// Its name, as it is written there.
        server: String,
    },
    /// Another server has this URL.
    #[error("the server {server} has this URL")]
    UrlTaken {
        /// Its name.
        server: String,
    },
    /// The cluster has as many servers as it may have.
    #[error("the server limit of {limit} is reached")]
    LimitReached {
        /// At most.
        limit: u32,
        /// At this moment.
        servers: u32,
    },
    /// There is always a default: it goes from one to another, never away.
    #[error("one server is always the default")]
    DefaultStays,
    /// The default was to become inactive.
    #[error("the default server cannot be inactive")]
    DefaultInactive,
    /// An inactive server was to become the default.
    #[error("an inactive server cannot be the default")]
    InactiveDefault,
    /// A server that is being drained was to become the default.
    #[error("a server that is being drained cannot be the default")]
    DrainingDefault,
    /// The default cannot be drained or deleted.
    #[error("it is the default server")]
    Default,
    /// The master cannot be deleted.
    #[error("it is the master")]
    Master,
    /// Artists live there.
    #[error("{artists} artists live there")]
    HasArtists {
        /// How many.
        artists: u64,
    },
    /// Jobs that have not ended concern it.
    #[error("{jobs} open jobs concern it")]
    OpenJobs {
        /// How many.
        jobs: u64,
    },
    /// It is not being drained.
    #[error("it is not being drained")]
    NotDraining,
    /// Nobody there could send its artists away.
    #[error("its workers do not report")]
    Offline,
    /// No other server takes artists.
    #[error("no other server takes artists")]
    NowhereToGo,
    /// A chosen target takes no artists.
    #[error("{server} takes no artists: {}", .refusal.explain())]
    BadTarget {
        /// Its name; its id if there is no such server.
        server: String,
        /// Why not.
        refusal: Refusal,
    },
}

/// A server whose row this transaction has locked.
// The flags are columns, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, FromRow)]
struct ServerLock {
    id: Uuid,
    slug: String,
    name: String,
    ip: String,
    url: String,
    is_master: bool,
    active: bool,
    is_default: bool,
    draining: bool,
    artists: i64,
    #[sqlx(json)]
    limits: ServerLimits,
}

/// Changes of servers go one after the other: they are rare, and each looks at the others.
async fn lock_servers(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('servers', 0))")
        .execute(conn)
        .await?;
    Ok(())
}

/// Locks a server and the one that is the default, in the order of their ids, as everybody does.
async fn lock_rows(
    conn: &mut PgConnection,
    id: ServerId,
) -> Result<Option<ServerLock>, StoreError> {
    let rows: Vec<ServerLock> = sqlx::query_as(
        "SELECT id, slug, name, host(ip) AS ip, url, is_master, active, is_default, draining,
                artists, limits
         FROM servers WHERE deleted_at IS NULL AND (id = $1 OR is_default)
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(id.0)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().find(|row| row.id == id.0))
}

impl Store {
    /// Every server, the master first, then by name. There are few, so there are no pages.
    pub async fn servers(&self) -> Result<Vec<ServerRow>, StoreError> {
        let rows = sqlx::query_as(SERVERS).bind(None::<Uuid>).bind(false);
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// The same with those that were deleted, at the end: for the names in what is past.
    pub async fn servers_ever(&self) -> Result<Vec<ServerRow>, StoreError> {
        let rows = sqlx::query_as(SERVERS).bind(None::<Uuid>).bind(true);
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// One server; none if it was deleted.
    pub async fn server(&self, id: ServerId) -> Result<Option<ServerRow>, StoreError> {
        let row = sqlx::query_as(SERVERS).bind(Some(id.0)).bind(false);
        Ok(row.fetch_optional(self.pool()).await?)
    }
}
