//! Who asks, and what they may do.

pub mod cookie;
pub mod guard;
pub mod limiter;
pub mod origin;
pub mod password;

use crate::problem::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use tourbus_store::{Account, Role};

/// Who asks. Put into the request by [`guard`]; a route outside of it cannot have one.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account.
    pub account: Account,
    /// The session's token, if a browser asks.
    pub session: Option<String>,
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Start moves.
    Move,
    /// Cancel, retry, expedite.
    Steer,
    /// Create, change, drain, delete servers; cluster settings; release from quarantine.
    Servers,
    /// Accounts, and other people's tokens.
    Accounts,
}

impl Actor {
    /// Whether the account may do this.
    pub const fn may(&self, right: Right) -> bool {
        match (self.account.role, right) {
            (Role::Admin, _) | (Role::Operator, Right::Steer) => true,
            (Role::Operator, Right::Move | Right::Servers | Right::Accounts)
            | (Role::Viewer, _) => false,
        }
    }

    /// Refuses (403) what the account may not do.
    pub fn require(&self, right: Right) -> Result<(), Problem> {
        if self.may(right) {
            return Ok(());
        }
        let role = self.account.role;
        Err(Problem::forbidden(format!("Your account's role, {role}, does not allow this."))
            .remedy("Ask an admin to do it, or to change your role."))
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}
