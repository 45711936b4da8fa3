//! Servers: the master and the cluster servers.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::net::IpAddr;
use tourbus_domain::{Quarantine, ServerId, Slug};
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
}

const SERVERS: &str = "SELECT s.id, s.slug, s.name, host(s.ip) AS ip, s.url, s.is_master, s.active,
        s.is_default, s.draining, s.artists, s.plays_total, s.plays_30d, s.bytes, s.free_bytes,
        s.total_bytes, s.version, s.last_seen_at,
        extract(epoch FROM now() - s.last_seen_at)::float8 AS seen_age_s,
        (SELECT count(*) FROM workers w WHERE w.server_id = s.id
            AND w.last_seen_at > now() - interval '1 minute') AS workers,
        (SELECT coalesce(sum(greatest(j.bytes_total - j.bytes_done, 0)), 0)::bigint FROM jobs j
            WHERE j.target_server_id = s.id AND j.kind = 'move'
            AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')) AS arriving_bytes,
        (SELECT w.quarantine FROM workers w WHERE w.server_id = s.id AND w.quarantine IS NOT NULL
            AND w.last_seen_at > now() - interval '1 minute' ORDER BY w.name LIMIT 1) AS quarantine
    FROM servers s WHERE $1::uuid IS NULL OR s.id = $1
    ORDER BY s.is_master DESC, s.name";

impl Store {
    /// Makes the server known, or brings the one with this slug up to date. Returns its id.
    pub async fn ensure_server(&self, server: NewServer) -> Result<ServerId, StoreError> {
        let id: Uuid = sqlx::query_scalar(
            "INSERT INTO servers (id, slug, name, ip, url, is_master, is_default)
             VALUES ($1, $2, $3, $4::inet, $5, $6, $7)
             ON CONFLICT (slug) DO UPDATE SET name = excluded.name, ip = excluded.ip,
                 url = excluded.url, is_master = excluded.is_master
             RETURNING id",
        )
        .bind(server.id.0)
        .bind(server.slug.as_str())
        .bind(&server.name)
        .bind(server.ip.to_string())
        .bind(&server.url)
        .bind(server.is_master)
        .bind(server.is_default)
        .fetch_one(self.pool())
        .await?;
        Ok(id.into())
    }

    /// Every server, the master first, then by name. There are few, so there are no pages.
    pub async fn servers(&self) -> Result<Vec<ServerRow>, StoreError> {
        Ok(sqlx::query_as(SERVERS).bind(None::<Uuid>).fetch_all(self.pool()).await?)
    }

    /// One server.
    pub async fn server(&self, id: ServerId) -> Result<Option<ServerRow>, StoreError> {
        Ok(sqlx::query_as(SERVERS).bind(Some(id.0)).fetch_optional(self.pool()).await?)
    }
}
