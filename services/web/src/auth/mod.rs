//! Who asks, and what they may do.

pub mod access;
pub mod client;
pub mod cookie;
pub mod email;
pub mod failures;
pub mod guard;
pub mod limiter;
pub mod origin;
pub mod password;
pub mod password_rules;
pub mod turns;
pub mod visitor;

use crate::problem::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::net::IpAddr;
use tourbus_store::{Account, By, Role, Scope, TokenUse};
use uuid::Uuid;

/// A browser's session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, for lists.
    pub id: Uuid,
    /// What the cookie holds.
    pub token: String,
}

/// Who asks. Put into the request by [`guard`]; a route that is for everybody has none.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account.
    pub account: Account,
    /// The session, if a browser asks.
    pub session: Option<Session>,
    /// The API token, if a script asks.
    pub token: Option<TokenUse>,
    /// From where.
    pub address: IpAddr,
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Look at the cluster: servers, artists, jobs, queues, the audit log.
    Look,
    /// Start moves.
    Move,
    /// Cancel, retry, expedite; release from quarantine.
    Steer,
    /// Create, change, drain, delete servers; cluster settings.
    Servers,
    /// Accounts, and other people's tokens.
    Accounts,
    /// Make artists, convert their songs.
    Artists,
}

impl Actor {
    /// What the asker may be: the account's role, or less if a token's scope says so.
    pub fn role(&self) -> Role {
        let scope = self.token.as_ref().map_or(Scope::Full, |t| t.scope);
        scope.narrow(self.account.role)
    }

    /// Whether the asker may do this.
    pub fn may(&self, right: Right) -> bool {
        match (self.role(), right) {
            (Role::Admin, _)
            | (Role::Operator, Right::Look | Right::Steer)
            | (Role::Viewer, Right::Look) => true,
            (Role::Operator, Right::Move | Right::Servers | Right::Accounts | Right::Artists)
            | (Role::Viewer | Role::Artist, _) => false,
        }
    }

    /// Refuses (403) what the asker may not do.
    pub fn require(&self, right: Right) -> Result<(), Problem> {
        if self.may(right) {
            return Ok(());
        }
        let whole = Self { token: None, ..self.clone() };
        if whole.may(right) {
            return Err(self.narrow_token());
        }
        let role = self.account.role;
        Err(Problem::forbidden(format!("Your account's role, {role}, does not allow this."))
            .remedy("Ask an admin to do it, or to change your role."))
    }

    /// Refuses (403) tokens that may not do all that their account may.
    pub fn require_own(&self) -> Result<(), Problem> {
        match &self.token {
            Some(token) if token.scope != Scope::Full => Err(self.narrow_token()),
            _ => Ok(()),
        }
    }

    /// Refuses (403) who works on no artist: neither one of their own, nor everybody's as an admin.
    pub fn require_workshop(&self) -> Result<(), Problem> {
        self.require_own()?;
        match self.account.role {
            Role::Admin | Role::Artist => Ok(()),
            role @ (Role::Operator | Role::Viewer) => Err(Problem::forbidden(format!(
                "Your account's role, {role}, does not allow this."
            ))
            .remedy("Artists work on their own pages, and admins on all of them.")),
        }
    }

    /// Refuses (403) whose artist this is not.
    pub fn require_artist(&self, owner: Option<Uuid>) -> Result<(), Problem> {
        self.require_workshop()?;
        if self.account.role == Role::Admin || owner == Some(self.account.id) {
            return Ok(());
        }
        Err(Problem::forbidden("This is another account's artist.")
            .remedy("Sign in with the account that the artist belongs to."))
    }

    fn narrow_token(&self) -> Problem {
        let scope = self.token.as_ref().map_or("", |t| t.scope.as_str());
        Problem::forbidden(format!("This API token's scope, {scope}, does not allow this."))
            .remedy("Use a token with a wider scope, or do it in a browser.")
    }

    /// As the audit log names the asker.
    pub fn by(&self) -> By {
        By {
            actor: self.account.email.clone(),
            account_id: Some(self.account.id),
            token: self.token.as_ref().map(|t| t.label.clone()),
            address: Some(self.address),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}
