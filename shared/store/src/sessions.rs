//! Browser sessions. The cookie holds the token, the database its hash.

use crate::{Account, Store, StoreError, accounts::account, token_hash};
use sqlx::Row;
use uuid::Uuid;

/// How long a session lives after its last use, in seconds (12 h).
pub const SESSION_TTL_S: i32 = 12 * 60 * 60;

/// A session is prolonged at most this often, in seconds: reads must stay reads.
const PROLONG_EVERY_S: i32 = 5 * 60;

impl Store {
    /// Opens a session for a token that the caller has drawn at random.
    pub async fn create_session(&self, account_id: Uuid, token: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE expires_at < now()").execute(self.pool()).await?;
        sqlx::query(
            "INSERT INTO sessions (token_hash, account_id, expires_at)
             VALUES ($1, $2, now() + make_interval(secs => $3))",
        )
        .bind(token_hash(token).as_slice())
        .bind(account_id)
        .bind(f64::from(SESSION_TTL_S))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Whose session this is, if it is open. The flag says that it was prolonged, so the
    /// cookie should be sent again.
    pub async fn session(&self, token: &str) -> Result<Option<(Account, bool)>, StoreError> {
        let hash = token_hash(token);
        let row = sqlx::query(
            "SELECT a.id, a.email, a.role,
                    s.expires_at < now() + make_interval(secs => $2) AS stale
             FROM sessions s JOIN accounts a ON a.id = s.account_id
             WHERE s.token_hash = $1 AND s.expires_at > now()",
        )
        .bind(hash.as_slice())
        .bind(f64::from(SESSION_TTL_S - PROLONG_EVERY_S))
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let stale: bool = row.try_get("stale")?;
        if stale {
            sqlx::query(
                "UPDATE sessions SET expires_at = now() + make_interval(secs => $2)
                 WHERE token_hash = $1",
            )
            .bind(hash.as_slice())
            .bind(f64::from(SESSION_TTL_S))
            .execute(self.pool())
            .await?;
        }
        Ok(Some((account(&row)?, stale)))
    }

    /// Closes a session; closing one that is not open is fine.
    pub async fn delete_session(&self, token: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(token_hash(token).as_slice())
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
