//! People who sign in. Whatever changes an account notes it in the same transaction.

use crate::{Action, By, Deed, Store, StoreError, audit::record, sessions::end_sessions};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection, Row, postgres::PgRow};
use std::{collections::HashMap, fmt, str::FromStr};
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
    /// Works on their own artists; sees nothing of the cluster.
    Artist,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Viewer, Self::Artist];

    /// The stable name, as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Artist => "artist",
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
#[error("{0:?} names no role: expected admin, operator, viewer or artist")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(s: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|r| r.as_str() == s).ok_or_else(|| UnknownRole(s.to_owned()))
    }
}

/// Somebody who can sign in, as a request knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

/// An account, as pages and scripts see it.
#[derive(Debug, Clone, FromRow)]
pub struct AccountRow {
    /// The account.
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    /// What it may do, by name.
    pub role: String,
    /// Whether it may not sign in, nor use its tokens.
    pub disabled: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last got a password.
    pub password_changed_at: DateTime<Utc>,
    /// When it last signed in.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// Its open sessions.
    pub sessions: i64,
    /// Its valid API tokens.
    pub tokens: i64,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// With what it signs in; kept in lower case.
    pub email: String,
    /// Argon2id, in PHC text form.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
}

/// What becomes different; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// With what it signs in.
    pub email: Option<String>,
    /// What it may do.
    pub role: Option<Role>,
    /// Whether it may not sign in. Ends its sessions.
    pub disabled: Option<bool>,
    /// A new password's hash. Ends its sessions.
    pub password_hash: Option<String>,
}

/// Why an account was left as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// There is none with this id.
    #[error("there is no such account")]
    Unknown,
    /// Another account has this email.
    #[error("another account has this email address")]
    EmailTaken,
    /// Nobody could manage accounts any more.
    #[error("this is the last admin who can sign in")]
    LastAdmin,
}

/// What a reset did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordReset {
    /// Which account.
    pub id: Uuid,
    /// It was disabled, and is not any more.
    pub enabled: bool,
    /// Sessions that were ended.
    pub sessions: u64,
}

pub(crate) fn account(row: &PgRow) -> Result<Account, StoreError> {
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|e: UnknownRole| StoreError::undecodable("accounts", e))?;
    Ok(Account { id: row.try_get("id")?, email: row.try_get("email")?, role })
}

const ACCOUNTS: &str = "SELECT a.id, a.email, a.role, a.disabled, a.created_at, \
        a.password_changed_at, a.last_sign_in_at, \
        (SELECT count(*) FROM sessions s WHERE s.account_id = a.id AND s.expires_at > now()) \
            AS sessions, \
        (SELECT count(*) FROM api_tokens t WHERE t.account_id = a.id \
            AND (t.expires_at IS NULL OR t.expires_at > now())) AS tokens \
    FROM accounts a WHERE ($1::uuid IS NULL OR a.id = $1) AND ($2::text IS NULL OR a.email > $2) \
    ORDER BY a.email LIMIT $3";

/// What came of a change.
type Changed<T> = Result<Result<T, AccountError>, StoreError>;

impl Store {
    /// The account and its password hash, for signing in; none if it is disabled.
    pub async fn account_by_email(
        &self,
        email: &str,
    ) -> Result<Option<(Account, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT id, email, role, password_hash FROM accounts
             WHERE email = lower($1) AND NOT disabled",
        )
        .bind(email)
        .fetch_optional(self.pool())
        .await?;
        row.map(|r| Ok((account(&r)?, r.try_get("password_hash")?))).transpose()
    }

    /// The accounts whose email comes after `after`, by email.
    pub async fn accounts(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let rows = sqlx::query_as(ACCOUNTS).bind(None::<Uuid>).bind(after).bind(i64::from(limit));
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// One account.
    pub async fn account(&self, id: Uuid) -> Result<Option<AccountRow>, StoreError> {
        let row = sqlx::query_as(ACCOUNTS).bind(id).bind(None::<&str>).bind(1_i64);
        Ok(row.fetch_optional(self.pool()).await?)
    }

    /// Of these emails, in lower case, those that are an account's.
    pub async fn accounts_among(
        &self,
        emails: &[String],
    ) -> Result<HashMap<String, Uuid>, StoreError> {
        let rows: Vec<(String, Uuid)> =
            sqlx::query_as("SELECT email, id FROM accounts WHERE email = ANY($1)")
                .bind(emails)
                .fetch_all(self.pool())
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// Makes an account.
    pub async fn create_account(&self, by: &By, new: NewAccount) -> Changed<Uuid> {
        let mut tx = self.pool().begin().await?;
        let Some(id) = insert_account(&mut tx, &new).await? else {
            return Ok(Err(AccountError::EmailTaken));
        };
        let detail = json!({ "email": new.email.to_lowercase(), "role": new.role.as_str() });
        let deed = Deed::done(by, Action::AccountCreate, format!("account:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Changes an account. A new password, and being disabled, end its sessions.
    pub async fn modify_account(&self, by: &By, id: Uuid, change: &AccountChange) -> Changed<()> {
        let mut tx = self.pool().begin().await?;
        lock_admins(&mut tx).await?;
        let Some(before) = locked(&mut tx, id).await? else {
            return Ok(Err(AccountError::Unknown));
        };
        let written = sqlx::query(
            "UPDATE accounts SET email = coalesce(lower($2), email), role = coalesce($3, role),
                 disabled = coalesce($4, disabled), password_hash = coalesce($5, password_hash),
                 password_changed_at = CASE WHEN $5::text IS NULL THEN password_changed_at
                                            ELSE now() END
             WHERE id = $1",
        )
        .bind(id)
        .bind(change.email.as_deref())
        .bind(change.role.map(Role::as_str))
        .bind(change.disabled)
        .bind(change.password_hash.as_deref())
        .execute(&mut *tx)
        .await;
        if let Some(error) = email_taken(written.map_err(StoreError::from))? {
            return Ok(Err(error));
        }
        if before.role == Role::Admin && !an_admin_is_left(&mut tx).await? {
            return Ok(Err(AccountError::LastAdmin));
        }
        if change.password_hash.is_some() || change.disabled == Some(true) {
            end_sessions(&mut tx, id, None).await?;
        }
        let detail = json!({
            "name": before.email,
            "email": change.email.as_deref().map(str::to_lowercase),
            "role": change.role.map(Role::as_str),
            "disabled": change.disabled,
            "password": change.password_hash.as_ref().map(|_| "new"),
        });
        let deed = Deed::done(by, Action::AccountModify, format!("account:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Deletes an account with its sessions and tokens. What it did stays known by its email.
    pub async fn delete_account(&self, by: &By, id: Uuid) -> Changed<()> {
        let mut tx = self.pool().begin().await?;
        lock_admins(&mut tx).await?;
        let Some(before) = locked(&mut tx, id).await? else {
            return Ok(Err(AccountError::Unknown));
        };
        sqlx::query("DELETE FROM accounts WHERE id = $1").bind(id).execute(&mut *tx).await?;
        if before.role == Role::Admin && !an_admin_is_left(&mut tx).await? {
            return Ok(Err(AccountError::LastAdmin));
        }
        let detail = json!({ "name": before.email, "role": before.role.as_str() });
        let deed = Deed::done(by, Action::AccountDelete, format!("account:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// The hash of an account's password.
    pub async fn password_hash(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let hash = sqlx::query_scalar("SELECT password_hash FROM accounts WHERE id = $1").bind(id);
        Ok(hash.fetch_optional(self.pool()).await?)
    }

    /// Gives an account a password of its own choice, and ends its sessions but `keep`. Returns
    /// how many were ended.
    pub async fn change_password(
        &self,
        by: &By,
        id: Uuid,
        password_hash: &str,
        keep: Option<Uuid>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        set_password(&mut tx, id, password_hash).await?;
        let ended = end_sessions(&mut tx, id, keep).await?;
        let deed = Deed::done(by, Action::AccountPassword, format!("account:{id}"))
            .detail(json!({ "sessions_ended": ended }));
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Gives the account with this email a new password, lets it sign in again if it was
    /// disabled, and ends its sessions. `None` if there is no such account.
    pub async fn reset_password(
        &self,
        by: &By,
        email: &str,
        password_hash: &str,
    ) -> Result<Option<PasswordReset>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let found: Option<(Uuid, bool)> =
            sqlx::query_as("SELECT id, disabled FROM accounts WHERE email = lower($1) FOR UPDATE")
                .bind(email)
                .fetch_optional(&mut *tx)
                .await?;
        let Some((id, enabled)) = found else { return Ok(None) };
        set_password(&mut tx, id, password_hash).await?;
        sqlx::query("UPDATE accounts SET disabled = false WHERE id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let sessions = end_sessions(&mut tx, id, None).await?;
        let detail = json!({ "name": email, "enabled": enabled, "sessions_ended": sessions });
        let deed = Deed::done(by, Action::AccountReset, format!("account:{id}")).detail(detail);
        record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Some(PasswordReset { id, enabled, sessions }))
    }
}

/// Makes an account within the caller's transaction; `None` when another has the email: then that
/// transaction is to end.
pub(crate) async fn insert_account(
    conn: &mut PgConnection,
    new: &NewAccount,
) -> Result<Option<Uuid>, StoreError> {
    let id = Uuid::now_v7();
    let made = sqlx::query(
        "INSERT INTO accounts (id, email, password_hash, role) VALUES ($1, lower($2), $3, $4)",
    )
    .bind(id)
    .bind(&new.email)
    .bind(&new.password_hash)
    .bind(new.role.as_str())
    .execute(conn)
    .await;
    let taken = email_taken(made.map_err(StoreError::from))?;
    Ok(taken.is_none().then_some(id))
}

/// Changes that could take the last admin away go one after the other.
async fn lock_admins(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('accounts.admins', 0))")
        .execute(conn)
        .await?;
    Ok(())
}

async fn an_admin_is_left(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let left = "SELECT EXISTS (SELECT 1 FROM accounts WHERE role = 'admin' AND NOT disabled)";
    Ok(sqlx::query_scalar(left).fetch_one(conn).await?)
}

async fn locked(conn: &mut PgConnection, id: Uuid) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT id, email, role FROM accounts WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.map(|r| account(&r)).transpose()
}

async fn set_password(conn: &mut PgConnection, id: Uuid, hash: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE accounts SET password_hash = $2, password_changed_at = now() WHERE id = $1",
    )
    .bind(id)
    .bind(hash)
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells an email that is taken from what else can go wrong.
fn email_taken<T>(written: Result<T, StoreError>) -> Result<Option<AccountError>, StoreError> {
    match written {
        Ok(_) => Ok(None),
        Err(StoreError::Conflict { constraint, .. }) if constraint == "accounts_email_key" => {
            Ok(Some(AccountError::EmailTaken))
        }
        Err(error) => Err(error),
    }
}
