//! Who did what: a log that only grows.

mod action;
mod deed;

pub use action::Action;
pub(crate) use deed::record;
pub use deed::{By, Deed, DeedResult};

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, QueryBuilder};

/// One thing that somebody did.
#[derive(Debug, Clone, FromRow)]
pub struct AuditRow {
    /// Counts up.
    pub id: i64,
    /// When; of several the last.
    pub at: DateTime<Utc>,
    /// Who: an email address, or the name of a process.
    pub actor: String,
    /// The label of the API token that was used.
    pub token: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// What, as `noun.verb`: `batch.cancel`.
    pub action: String,
    /// To what: `noun:id`.
    pub object: String,
    /// `done`, `refused` or `failed`.
    pub result: String,
    /// Why, or why not.
    pub reason: String,
    /// More about it.
    pub detail: Value,
    /// How often, since `since`.
    pub times: i32,
    /// When it first happened; null if it happened once.
    pub since: Option<DateTime<Utc>>,
}

/// Which rows. An empty query means all.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// By this actor, exactly.
    pub actor: Option<String>,
    /// This action, by name; `noun.` stands for all actions of a noun.
    pub action: Option<String>,
    /// To this object, exactly.
    pub object: Option<String>,
    /// With this result.
    pub result: Option<DeedResult>,
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only rows with a lower id.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

impl Store {
    /// Notes what somebody did.
    pub async fn note(
        &self,
        actor: &str,
        action: &str,
        object: &str,
        detail: Value,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO audit_log (actor, action, object, detail) VALUES ($1, $2, $3, $4)",
        )
        .bind(actor)
        .bind(action)
        .bind(object)
        .bind(detail)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The newest rows that fit, the newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        // Built for what is asked: one plan for every filter would read the whole log for some.
        let mut sql = QueryBuilder::<Postgres>::new(
            "SELECT id, at, actor, token, host(address) AS address, action, object, result, reason, \
                 detail, times, since FROM audit_log WHERE id < ",
        );
        sql.push_bind(query.before.unwrap_or(i64::MAX));
        if let Some(actor) = &query.actor {
            sql.push(" AND actor = ").push_bind(actor);
        }
        match query.action.as_deref() {
            None => {}
            Some(noun) if noun.ends_with('.') => {
                sql.push(" AND starts_with(action, ").push_bind(noun).push(")");
            }
            Some(action) => {
                sql.push(" AND action = ").push_bind(action);
            }
        }
        if let Some(object) = &query.object {
            sql.push(" AND object = ").push_bind(object);
        }
        if let Some(result) = query.result {
            sql.push(" AND result = ").push_bind(result.as_str());
        }
        if let Some(since) = query.since {
            sql.push(" AND at >= ").push_bind(since);
        }
        if let Some(until) = query.until {
            sql.push(" AND at < ").push_bind(until);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }
}
