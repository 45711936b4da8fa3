//! Who did what.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;

/// One thing that somebody did.
#[derive(Debug, Clone, FromRow)]
pub struct AuditRow {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: an email address.
    pub actor: String,
    /// What, as `noun.verb`: `batch.cancel`.
    pub action: String,
    /// To what: an id.
    pub object: String,
    /// More about it.
    pub detail: Value,
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

    /// The newest notes older than `before`, the newest first.
    pub async fn audit(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT id, at, actor, action, object, detail FROM audit_log
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }
}
