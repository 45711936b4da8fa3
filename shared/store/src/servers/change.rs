//! Servers that people create and change. Whatever changes one notes it in the same transaction.

use super::{ServerError, ServerLock, lock_rows, lock_servers};
use crate::{
    Action, By, Deed, Store, StoreError, audit::record, cluster_settings, joining::CHECKS_CHANNEL,
};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use std::net::IpAddr;
use tourbus_domain::{ServerId, ServerLimits, Slug};
use uuid::Uuid;

/// Slugs that are tried for one name.
const SLUGS_MAX: usize = 1_000;

/// A cluster server to be created. Name, address and URL have been checked.
#[derive(Debug, Clone)]
pub struct ServerCreation {
    /// Its name for people.
    pub name: String,
    /// Where our own processes reach it.
    pub ip: IpAddr,
    /// Its base URL, without a trailing slash.
    pub url: String,
    /// Whether artists can be moved to it.
    pub active: bool,
    /// Whether new artists go there from now on.
    pub is_default: bool,
}

/// What becomes different; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ServerChange {
    /// Its name for people.
    pub name: Option<String>,
    /// Where our own processes reach it.
    pub ip: Option<IpAddr>,
    /// Its base URL.
    pub url: Option<String>,
    /// Whether artists can be moved to it.
    pub active: Option<bool>,
    /// Whether new artists go there; `false` is refused for the server that is the default.
    pub is_default: Option<bool>,
    /// What its moves may take of it, all of it; checked.
    pub limits: Option<ServerLimits>,
}

type Changed<T> = Result<Result<T, ServerError>, StoreError>;

impl Store {
    /// Creates a cluster server under the first slug that no server has or had.
    pub async fn create_server(
        &self,
        by: &By,
        new: &ServerCreation,
        slugs: impl Iterator<Item = Slug> + Send,
    ) -> Changed<ServerId> {
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        if let Some(error) = why_not_create(&mut tx, new).await? {
            return Ok(Err(error));
        }
        let slug = free_slug(&mut tx, slugs).await?;
        let id = ServerId::new();
        if new.is_default {
            lock_rows(&mut tx, id).await?;
            unset_default(&mut tx).await?;
        }
        sqlx::query(
            "INSERT INTO servers (id, slug, name, ip, url, active, is_default)
             VALUES ($1, $2, $3, $4::inet, $5, $6,
                 $7 OR NOT EXISTS (SELECT FROM servers WHERE is_default))",
        )
        .bind(id.0)
        .bind(slug.as_str())
        .bind(&new.name)
        .bind(new.ip.to_string())
        .bind(&new.url)
        .bind(new.active)
        .bind(new.is_default)
        .execute(&mut *tx)
        .await?;
        let detail = json!({
            "name": new.name, "slug": slug, "ip": new.ip, "url": new.url,
            "active": new.active, "is_default": new.is_default,
        });
        let deed = Deed::done(by, Action::ServerCreate, format!("server:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Changes a server. Making it the default takes that off the other one in the same
    /// transaction. Another address or URL wants new checks.
    pub async fn modify_server(&self, by: &By, id: ServerId, change: &ServerChange) -> Changed<()> {
        let mut tx = self.pool().begin().await?;
        lock_servers(&mut tx).await?;
        let Some(before) = lock_rows(&mut tx, id).await? else {
            return Ok(Err(ServerError::Unknown));
        };
        if let Some(error) = why_not_change(&mut tx, &before, change).await? {
            return Ok(Err(error));
        }
        if change.is_default == Some(true) && !before.is_default {
            unset_default(&mut tx).await?;
        }
        sqlx::query(
            "UPDATE servers SET name = coalesce($2, name), ip = coalesce($3::inet, ip),
                 url = coalesce($4, url), active = coalesce($5, active),
                 is_default = coalesce($6, is_default), limits = coalesce($7, limits),
                 limits_revision = limits_revision + $8 WHERE id = $1",
        )
        .bind(id.0)
        .bind(change.name.as_deref())
        .bind(change.ip.map(|ip| ip.to_string()))
        .bind(change.url.as_deref())
        .bind(change.active)
        .bind(change.is_default)
        .bind(change.limits.as_ref().map(sqlx::types::Json))
        .bind(i64::from(change.limits.as_ref().is_some_and(|l| *l != before.limits)))
        .execute(&mut *tx)
        .await?;
        if moves_house(&before, change) {
            want_checks(&mut tx, id).await?;
        }
        let deed = Deed::done(by, Action::ServerModify, format!("server:{id}"))
            .detail(difference(&before, change));
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

async fn why_not_create(
    conn: &mut PgConnection,
    new: &ServerCreation,
) -> Result<Option<ServerError>, StoreError> {
    let room = cluster_settings::room(conn).await?;
    if let Some(limit) = room.limit.filter(|_| room.is_full()) {
        return Ok(Some(ServerError::LimitReached { limit, servers: room.servers }));
    }
    if new.is_default && !new.active {
        return Ok(Some(ServerError::InactiveDefault));
    }
    taken(conn, None, Some(&new.name), Some(&new.url)).await
}

async fn why_not_change(
    conn: &mut PgConnection,
    before: &ServerLock,
    change: &ServerChange,
) -> Result<Option<ServerError>, StoreError> {
    let active = change.active.unwrap_or(before.active);
    let refused = match (before.is_default, change.is_default) {
        (true, Some(false)) => Some(ServerError::DefaultStays),
        (true, _) if !active => Some(ServerError::DefaultInactive),
        (false, Some(true)) if !active => Some(ServerError::InactiveDefault),
        (false, Some(true)) if before.draining => Some(ServerError::DrainingDefault),
        _ => None,
    };
    if refused.is_some() {
        return Ok(refused);
    }
    taken(conn, Some(before.id), change.name.as_deref(), change.url.as_deref()).await
}

/// The server that has this name or URL already.
async fn taken(
    conn: &mut PgConnection,
    own: Option<Uuid>,
    name: Option<&str>,
    url: Option<&str>,
) -> Result<Option<ServerError>, StoreError> {
    let found: Option<(String, bool)> = sqlx::query_as(
        "SELECT name, coalesce(lower(name) = lower($2), false) AS by_name FROM servers
         WHERE deleted_at IS NULL AND id IS DISTINCT FROM $1
             AND (lower(name) = lower($2) OR url = $3)
         ORDER BY by_name DESC LIMIT 1",
    )
    .bind(own)
    .bind(name)
    .bind(url)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|(server, by_name)| {
        if by_name { ServerError::NameTaken { server } } else { ServerError::UrlTaken { server } }
    }))
}

/// The first slug that no server has, nor ever had.
async fn free_slug(
    conn: &mut PgConnection,
    slugs: impl Iterator<Item = Slug> + Send,
) -> Result<Slug, StoreError> {
    for slug in slugs.take(SLUGS_MAX) {
        let had: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM servers WHERE slug = $1)")
            .bind(slug.as_str())
            .fetch_one(&mut *conn)
            .await?;
        if !had {
            return Ok(slug);
        }
    }
    let message = format!("{SLUGS_MAX} servers had this name. Choose another name.");
    Err(StoreError::Invalid(message))
}

async fn unset_default(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("UPDATE servers SET is_default = false WHERE is_default").execute(conn).await?;
    Ok(())
}

fn moves_house(before: &ServerLock, change: &ServerChange) -> bool {
    let ip = change.ip.map(|ip| ip.to_string());
    ip.is_some_and(|ip| ip != before.ip)
        || change.url.as_ref().is_some_and(|url| *url != before.url)
}

async fn want_checks(conn: &mut PgConnection, id: ServerId) -> Result<(), StoreError> {
    sqlx::query("UPDATE servers SET checks_wanted_at = clock_timestamp() WHERE id = $1")
        .bind(id.0)
        .execute(&mut *conn)
        .await?;
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHECKS_CHANNEL)
        .bind(id.0.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// What has changed, each with what it was: for the audit log.
fn difference(before: &ServerLock, change: &ServerChange) -> Value {
    let ip = change.ip.map(|ip| ip.to_string());
    let fields = [
        ("name", json!(before.name), json!(change.name)),
        ("ip", json!(before.ip), json!(ip)),
        ("url", json!(before.url), json!(change.url)),
        ("active", json!(before.active), json!(change.active)),
        ("is_default", json!(before.is_default), json!(change.is_default)),
        ("limits", json!(before.limits), json!(change.limits)),
    ];
    let changed = fields.into_iter().filter(|(_, was, is)| !is.is_null() && was != is);
    let mut detail: Map<String, Value> = changed
        .map(|(field, was, is)| (field.to_owned(), json!({ "was": was, "is": is })))
        .collect();
    detail.insert("server".to_owned(), json!(before.name));
    Value::Object(detail)
}
