//! Accounts, sessions and tokens as scripts see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_store::{AccountRow, Role, Scope, SessionRow, TokenRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Role)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Everything.
    Admin,
    /// Looks at everything; cancels, retries, expedites. No moves, servers, accounts.
    Operator,
    /// Looks at everything, changes nothing.
    Viewer,
    /// Works on their own artists; sees nothing of the cluster.
    Artist,
}

impl RoleName {
    /// As the database knows it.
    pub const fn to_store(self) -> Role {
        match self {
            Self::Admin => Role::Admin,
            Self::Operator => Role::Operator,
            Self::Viewer => Role::Viewer,
            Self::Artist => Role::Artist,
        }
    }
}

/// How much of its account's role a token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Scope)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// What a viewer may.
    Read,
    /// What an operator may.
    Steer,
    /// All that the account may.
    Full,
}

impl ScopeName {
    /// As the database knows it.
    pub const fn to_store(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Steer => Scope::Steer,
            Self::Full => Scope::Full,
        }
    }
}

/// Somebody who can sign in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// The account.
    pub id: Uuid,
    /// With what it signs in.
    pub email: String,
    /// `admin`, `operator` or `viewer`.
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

impl From<AccountRow> for AccountView {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            role: row.role,
            disabled: row.disabled,
            created_at: row.created_at,
            password_changed_at: row.password_changed_at,
            last_sign_in_at: row.last_sign_in_at,
            sessions: row.sessions,
            tokens: row.tokens,
        }
    }
}

/// A signed-in browser.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// The session.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to five minutes.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// From which address it began.
    pub address: Option<String>,
    /// What the browser said of itself.
    pub agent: String,
}

impl SessionView {
    /// Shows a row to the session `current`.
    pub fn new(row: SessionRow, current: Option<Uuid>) -> Self {
        Self {
            current: current == Some(row.id),
            id: row.id,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
            address: row.address,
            agent: row.agent,
        }
    }
}

/// An API token. What it is made of is shown once, when it is created.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// The token's id, not the token.
    pub id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// Its name; the audit log calls it so.
    pub label: String,
    /// `read`, `steer` or `full`.
    pub scope: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends to be valid; null for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it has ended to be valid.
    pub expired: bool,
    /// When it was last used, to the minute; null if never.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            label: row.label,
            scope: row.scope,
            created_at: row.created_at,
            expired: row.expires_at.is_some_and(|at| at <= Utc::now()),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}
