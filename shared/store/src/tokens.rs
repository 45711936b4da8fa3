//! API tokens: what scripts sign in with. Only their hashes are kept.

use crate::{Account, Action, By, Deed, Role, Store, StoreError, accounts::account, audit::record};
use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, Row};
use std::str::FromStr;
use uuid::Uuid;

/// Tokens of one account at most, those included that have expired.
const TOKENS_MAX: i64 = 100;

/// How much of its account's role a token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// What a viewer may.
    Read,
    /// What an operator may, if the account may.
    Steer,
    /// What the account may.
    Full,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Steer, Self::Full];

    /// The stable name, as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Steer => "steer",
            Self::Full => "full",
        }
    }

    /// What is left of a role.
    pub const fn narrow(self, role: Role) -> Role {
        match (self, role) {
            (Self::Full, role) => role,
            (Self::Steer, Role::Admin | Role::Operator) => Role::Operator,
            // Of an artist's account there is nothing to steer, nor to see of the cluster.
            (_, Role::Artist) => Role::Artist,
            (Self::Steer, Role::Viewer) | (Self::Read, _) => Role::Viewer,
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == text);
        found.ok_or_else(|| format!("{text:?} names no scope: expected read, steer or full"))
    }
}

/// The token that a request came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// The token.
    pub id: Uuid,
    /// Its name.
    pub label: String,
    /// What it may do.
    pub scope: Scope,
}

/// A token, as pages and scripts see it.
#[derive(Debug, Clone, FromRow)]
pub struct TokenRow {
    /// The token.
    pub id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// Its name.
    pub label: String,
    /// What it may do, by name.
    pub scope: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends to be valid; null for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name, unique among the account's.
    pub label: String,
    /// What it may do.
    pub scope: Scope,
    /// When it ends to be valid; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a token was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The account has one of this name.
    #[error("another token of this account has this label")]
    LabelTaken,
    /// The account has as many as there may be.
    #[error("the account has {TOKENS_MAX} tokens")]
    TooMany,
}

/// SHA-256: how tokens are kept. A token is 32 random bytes, so no salt or stretching is needed.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

const COLUMNS: &str = "SELECT id, account_id, label, scope, created_at, expires_at, last_used_at \
    FROM api_tokens WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::uuid IS NULL OR id = $2) \
    ORDER BY created_at DESC, id";

impl Store {
    /// Makes a token that is known already valid for the API on behalf of the account, with
    /// everything the account may. For setting a cluster up.
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

    /// Makes a token that the caller has drawn at random valid. Returns its id.
    pub async fn create_token(
        &self,
        by: &By,
        account_id: Uuid,
        new: &NewToken,
        token: &str,
    ) -> Result<Result<Uuid, TokenError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        // The account's row is the lock: its tokens are counted and compared one after the other.
        sqlx::query("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE")
            .bind(account_id)
            .execute(&mut *tx)
            .await?;
        let (count, label_used): (i64, bool) = sqlx::query_as(
            "SELECT count(*), coalesce(bool_or(lower(label) = lower($2)), false)
             FROM api_tokens WHERE account_id = $1",
        )
        .bind(account_id)
        .bind(&new.label)
        .fetch_one(&mut *tx)
        .await?;
        if label_used || count >= TOKENS_MAX {
            return Ok(Err(if label_used { TokenError::LabelTaken } else { TokenError::TooMany }));
        }
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO api_tokens (id, token_hash, account_id, label, scope, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(token_hash(token).as_slice())
        .bind(account_id)
        .bind(&new.label)
        .bind(new.scope.as_str())
        .bind(new.expires_at)
        .execute(&mut *tx)
        .await?;
        let detail = json!({
            "name": new.label, "scope": new.scope.as_str(), "expires_at": new.expires_at,
        });
        let deed = Deed::done(by, Action::TokenCreate, format!("token:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// The tokens of an account, the newest first.
    pub async fn tokens(&self, account_id: Uuid) -> Result<Vec<TokenRow>, StoreError> {
        let rows = sqlx::query_as(COLUMNS).bind(account_id).bind(None::<Uuid>);
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// One token.
    pub async fn token(&self, id: Uuid) -> Result<Option<TokenRow>, StoreError> {
        let row = sqlx::query_as(COLUMNS).bind(None::<Uuid>).bind(id);
        Ok(row.fetch_optional(self.pool()).await?)
    }

    /// Makes a token invalid. Whether there was one.
    pub async fn revoke_token(&self, by: &By, id: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let gone: Option<(String, String)> = sqlx::query_as(
            "DELETE FROM api_tokens t USING accounts a WHERE t.id = $1 AND a.id = t.account_id
             RETURNING t.label, a.email",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((label, email)) = gone else { return Ok(false) };
        let detail = json!({ "name": label, "of": email });
        let deed = Deed::done(by, Action::TokenRevoke, format!("token:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whose token this is, if it is valid. Notes the use, at most once a minute.
    pub async fn account_by_token(
        &self,
        token: &str,
    ) -> Result<Option<(Account, TokenUse)>, StoreError> {
        let hash = token_hash(token);
        let row = sqlx::query(
            "SELECT a.id, a.email, a.role, t.id AS token_id, t.label, t.scope,
                    t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS stale
             FROM api_tokens t JOIN accounts a ON a.id = t.account_id
             WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now())
               AND NOT a.disabled",
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
        let scope: String = row.try_get("scope")?;
        let scope = scope.parse().map_err(|e| StoreError::undecodable("api_tokens", e))?;
        let used = TokenUse { id: row.try_get("token_id")?, label: row.try_get("label")?, scope };
        Ok(Some((account(&row)?, used)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_more_than_its_account() {
        let rank = |role| Role::ALL.iter().rev().position(|r| *r == role);
        for role in Role::ALL {
            for scope in Scope::ALL {
                assert!(rank(scope.narrow(role)) <= rank(role), "{scope:?} of {role}");
            }
        }
        assert_eq!(Scope::Steer.narrow(Role::Admin), Role::Operator);
        assert_eq!(Scope::Read.narrow(Role::Admin), Role::Viewer);
    }
}
