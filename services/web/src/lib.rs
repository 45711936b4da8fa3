//! The web service: admin pages, JSON API, sign-in, front door.
//!
//! *Invariant:* it touches no media bytes and publishes no message: it reads and writes rows.
//! Only when a server joins or goes does it change the broker, over the management API.
//!
//! | route | who | what |
//! |---|---|---|
//! | `/`, `/a/{slug}`, `/sign-in`, `/static/…` | everybody | browse, the front door, sign-in |
//! | `/join.sh`, `/join/tourbus`, `/api/v1/join`, `/api/v1/agent/report` | servers | joining, reports |
//! | `/healthz`, `/readyz`, `/metrics` | everybody | health |
//! | `/overview`, `/move`, `/balance`, `/batches`, `/jobs`, `/servers`, `/queues`, `/audit` | signed in | pages |
//! | `/servers/new`, `…/modify`, `…/drain`, `…/delete`, `/settings` | admins | servers come and go |
//! | `/account` | signed in | one's own password, sessions, tokens |
//! | `/accounts` | admins | accounts |
//! | `/api/v1/…` | token, or signed in | the JSON API; `/api/v1/openapi.json` describes it |

mod api;
mod app;
mod assets;
mod auth;
mod count;
mod cursor;
mod extract;
mod feed;
mod front_door;
mod headers;
mod homes;
mod joining;
mod pages;
mod problem;
mod queues;
mod refreshes;
mod serve;
mod servers;

pub use auth::{email::is_email, password, password_rules};
pub use serve::{WebError, run, run_on};

/// Largest request, in bytes: ids of fifty thousand artists.
pub const BODY_BYTES_MAX: usize = 2 << 20;

/// A route and whom it is for, for tests and documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteAccess {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, with `{id}` for an id.
    pub path: String,
    /// `everybody`, `signed in`, `own`, or the right that it asks for.
    pub access: String,
}

/// Every route of the API and of the pages, and whom it is for.
pub fn routes() -> Vec<RouteAccess> {
    let shown = |rule: auth::access::Rule| RouteAccess {
        method: rule.method.to_string(),
        path: rule.path,
        access: rule.access.to_string(),
    };
    api::rules().into_iter().chain(pages::rules()).map(shown).collect()
}

/// The OpenAPI document of the JSON API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::openapi()
}
