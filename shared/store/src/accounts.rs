//! People who sign in, and the tokens of their scripts.

use crate::{Store, StoreError};
use sha2::{Digest, Sha256};
use sqlx::Row;
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// Looks at everything; cancels, retries and expedites; starts no moves.
    Operator,
    /// Looks at everything, changes nothing.
    Viewer,
}

impl Role {
    /// The stable name, as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no role: expected admin, operator or viewer")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(s: &str) -> Result<Self, UnknownRole> {
        [Self::Admin, Self::Operator, Self::Viewer]
            .into_iter()
            .find(|r| r.as_str() == s)
            .ok_or_else(|| UnknownRole(s.to_owned()))
    }
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

pub(crate) fn account(row: &sqlx::postgres::PgRow) -> Result<Account, StoreError> {
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|e: UnknownRole| StoreError::undecodable("accounts", e))?;
    Ok(Account { id: row.try_get("id")?, email: row.try_get("email")?, role })
}

/// SHA-256: how tokens are kept. A token is 32 random bytes, so no salt or stretching is needed.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Store {
    /// Makes the account, or gives the one with this email this password and role.
    pub async fn ensure_account(
        &self,
        email: &str,
        password_hash: &str,
        role: Role,
    ) -> Result<Uuid, StoreError> {
        let id = sqlx::query_scalar(
            "INSERT INTO accounts (id, email, password_hash, role) VALUES ($1, lower($2), $3, $4)
             ON CONFLICT (email) DO UPDATE
                 SET password_hash = excluded.password_hash, role = excluded.role
             RETURNING id",
        )
        .bind(Uuid::now_v7())
        .bind(email)
        .bind(password_hash)
        .bind(role.as_str())
        .fetch_one(self.pool())
        .await?;
        Ok(id)
    }

    /// Makes a token valid for the API on behalf of the account. Only its hash is kept.
    pub async fn ensure_api_token(
        &self,
        account_id: Uuid,
        token: &str,
        label: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_tokens (token_hash, account_id, label) VALUES ($1, $2, $3)
             ON CONFLICT (token_hash) DO UPDATE
                 SET account_id = excluded.account_id, label = excluded.label",
        )
        .bind(token_hash(token).as_slice())
        .bind(account_id)
        .bind(label)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The account and its password hash, for signing in.
    pub async fn account_by_email(
        &self,
        email: &str,
    ) -> Result<Option<(Account, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT id, email, role, password_hash FROM accounts WHERE email = lower($1)",
        )
        .bind(email)
        .fetch_optional(self.pool())
        .await?;
        row.map(|r| Ok((account(&r)?, r.try_get("password_hash")?))).transpose()
    }

    /// Whose token this is, if it is valid. Notes the use, at most once a minute.
    pub async fn account_by_token(&self, token: &str) -> Result<Option<Account>, StoreError> {
        let hash = token_hash(token);
        let row = sqlx::query(
            "SELECT a.id, a.email, a.role,
                    t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS stale
             FROM api_tokens t JOIN accounts a ON a.id = t.account_id
             WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now())",
        )
        .bind(hash.as_slice())
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get("stale")? {
            sqlx::query("UPDATE api_tokens SET last_used_at = now() WHERE token_hash = $1")
                .bind(hash.as_slice())
                .execute(self.pool())
                .await?;
        }
        account(&row).map(Some)
    }
}
