//! Browser sessions. The cookie holds the token, the database its hash.

use crate::{
    Account, Action, By, Deed, Store, StoreError, accounts::account, audit::record, token_hash,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

/// How long a session lives after its last use, in seconds (12 h).
pub const SESSION_TTL_S: i32 = 12 * 60 * 60;

/// A session is prolonged at most this often, in seconds: reads must stay reads.
const PROLONG_EVERY_S: i32 = 5 * 60;
/// Sessions of one account at most; a new one ends the oldest.
const SESSIONS_MAX: i64 = 50;
/// Of a browser's own description this much is kept, in characters.
const AGENT_CHARS_MAX: usize = 200;

/// A session, as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub struct SessionRow {
    /// The session.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to five minutes.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// From where it began.
    pub address: Option<String>,
    /// What the browser said of itself.
    pub agent: String,
}

impl Store {
    /// Opens a session for a token that the caller has drawn at random.
    pub async fn create_session(
        &self,
        by: &By,
        account_id: Uuid,
        token: &str,
        agent: &str,
    ) -> Result<(), StoreError> {
        let id = Uuid::now_v7();
        let agent: String = agent.chars().take(AGENT_CHARS_MAX).collect();
        let mut tx = self.pool().begin().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at < now()").execute(&mut *tx).await?;
        sqlx::query(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE account_id = $1
                 ORDER BY last_seen_at DESC OFFSET $2)",
        )
        .bind(account_id)
        .bind(SESSIONS_MAX - 1)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (id, token_hash, account_id, expires_at, address, agent)
             VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5::inet, $6)",
        )
        .bind(id)
        .bind(token_hash(token).as_slice())
        .bind(account_id)
        .bind(f64::from(SESSION_TTL_S))
        .bind(by.address.map(|a| a.to_string()))
        .bind(agent)
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE accounts SET last_sign_in_at = now() WHERE id = $1")
            .bind(account_id)
            .execute(&mut *tx)
            .await?;
        let deed = Deed::done(by, Action::SessionOpen, format!("session:{id}"));
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whose session this is, if it is open, and its id. The flag says that it was prolonged, so
    /// the cookie should be sent again.
    pub async fn session(&self, token: &str) -> Result<Option<(Account, Uuid, bool)>, StoreError> {
        let hash = token_hash(token);
        let row = sqlx::query(
            "SELECT a.id, a.email, a.role, s.id AS session_id,
                    s.expires_at < now() + make_interval(secs => $2) AS stale
             FROM sessions s JOIN accounts a ON a.id = s.account_id
             WHERE s.token_hash = $1 AND s.expires_at > now() AND NOT a.disabled",
        )
        .bind(hash.as_slice())
        .bind(f64::from(SESSION_TTL_S - PROLONG_EVERY_S))
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let stale: bool = row.try_get("stale")?;
        if stale {
            sqlx::query(
                "UPDATE sessions SET expires_at = now() + make_interval(secs => $2),
                     last_seen_at = now()
                 WHERE token_hash = $1",
            )
            .bind(hash.as_slice())
            .bind(f64::from(SESSION_TTL_S))
            .execute(self.pool())
            .await?;
        }
        Ok(Some((account(&row)?, row.try_get("session_id")?, stale)))
    }

    /// The open sessions of an account, the one used last first.
    pub async fn sessions(&self, account_id: Uuid) -> Result<Vec<SessionRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT id, created_at, last_seen_at, expires_at, host(address) AS address, agent
             FROM sessions WHERE account_id = $1 AND expires_at > now()
             ORDER BY last_seen_at DESC, id",
        )
        .bind(account_id)
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Ends a session of this account. Whether there was one.
    pub async fn end_session(
        &self,
        by: &By,
        account_id: Uuid,
        id: Uuid,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE account_id = $1 AND id = $2")
            .bind(account_id)
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected()
            == 1;
        if ended {
            let deed = Deed::done(by, Action::SessionClose, format!("session:{id}"));
            record(&mut tx, &[deed]).await?;
            tx.commit().await?;
        }
        Ok(ended)
    }

    /// Ends every session of an account, but `keep`. Returns how many were ended.
    pub async fn end_sessions(
        &self,
        by: &By,
        account_id: Uuid,
        keep: Option<Uuid>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        let ended = end_sessions(&mut tx, account_id, keep).await?;
        let deed = Deed::done(by, Action::SessionCloseAll, format!("account:{account_id}"))
            .detail(json!({ "sessions_ended": ended }));
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(ended)
    }
}

/// Ends sessions within the caller's transaction.
pub(crate) async fn end_sessions(
    conn: &mut PgConnection,
    account_id: Uuid,
    keep: Option<Uuid>,
) -> Result<u64, StoreError> {
    let ended = sqlx::query(
        "DELETE FROM sessions WHERE account_id = $1 AND ($2::uuid IS NULL OR id <> $2)",
    )
    .bind(account_id)
    .bind(keep)
    .execute(conn)
    .await?;
    Ok(ended.rows_affected())
}
