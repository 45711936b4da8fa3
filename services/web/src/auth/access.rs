//! What each route asks for. There is no route without a rule: the tables of the API's and of the
//! pages' routes cannot be written without one.

use super::{Actor, Right};
use crate::problem::Problem;
use axum::http::Method;
use std::fmt;
use tourbus_store::Action;

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody. The route may ask for proof of its own.
    Everybody,
    /// Everybody who is signed in, in whatever role.
    SignedIn,
    /// Everybody who is signed in, for what is their own: not for tokens that may only read or
    /// steer.
    Own,
    /// Who works on artists' pages, for those that are theirs.
    Workshop,
    /// Who has this right.
    May(Right),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everybody => "everybody",
            Self::SignedIn => "signed in",
            Self::Own => "own",
            Self::Workshop => "workshop",
            Self::May(Right::Look) => "look",
            Self::May(Right::Move) => "move",
            Self::May(Right::Steer) => "steer",
            Self::May(Right::Servers) => "servers",
            Self::May(Right::Accounts) => "accounts",
            Self::May(Right::Artists) => "artists",
        })
    }
}

impl Access {
    /// Refuses (403) whom it is not for.
    pub fn check(self, actor: &Actor) -> Result<(), Problem> {
        match self {
            Self::Everybody | Self::SignedIn => Ok(()),
            Self::Own => actor.require_own(),
            Self::Workshop => actor.require_workshop(),
            Self::May(right) => actor.require(right),
        }
    }
}

/// A route and whom it is for.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` for an id.
    pub path: String,
    /// Whom it is for.
    pub access: Access,
    /// What it does, if it changes something that the audit log keeps.
    pub action: Option<Action>,
}

/// Every rule of a router.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// These.
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// The rule of a request that was routed to `path`.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Rule> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.iter().find(|r| r.path == path && r.method == *method)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_as_agreed() {
        let line = |r: crate::RouteAccess| format!("{:6} {}: {}", r.method, r.path, r.access);
        let lines: Vec<String> = crate::routes().into_iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
