//! What every page has around it.

use crate::{
    auth::{Actor, Right},
    problem::Problem,
};
use askama::Template;
use axum::response::{Html, IntoResponse, Response};

/// What every page has around it.
// The flags are what templates ask, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default)]
pub struct Chrome {
    /// The page's title.
    pub title: String,
    /// Which entry of the navigation it belongs to.
    pub nav: &'static str,
    /// Who is signed in.
    pub email: Option<String>,
    /// Whether that account may start moves.
    pub may_move: bool,
    /// Whether it may cancel, retry, expedite.
    pub may_steer: bool,
    /// Whether it may make artists.
    pub may_artists: bool,
    /// Whether it may manage accounts.
    pub may_accounts: bool,
    /// Whether it may change servers and settings.
    pub may_servers: bool,
    /// Whether it may look at the cluster: an artist's account may not.
    pub may_look: bool,
    /// Whether anybody may sign up.
    pub sign_up: bool,
    /// Without JavaScript, the page reloads itself this often, in seconds; 0 for never.
    pub reload_s: u32,
}

impl Chrome {
    /// For somebody who is signed in.
    pub fn of(actor: &Actor, nav: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            nav,
            email: Some(actor.account.email.clone()),
            may_move: actor.may(Right::Move),
            may_steer: actor.may(Right::Steer),
            may_artists: actor.may(Right::Artists),
            may_accounts: actor.may(Right::Accounts),
            may_servers: actor.may(Right::Servers),
            may_look: actor.may(Right::Look),
            sign_up: false,
            reload_s: 0,
        }
    }

    /// For anybody.
    pub fn public(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }
}

/// Renders a template.
pub fn html(template: &impl Template) -> Result<Response, Problem> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "web.template_failed");
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something broke here",
        )
    })?;
    Ok(Html(text).into_response())
}
