//! A server's enrolment and checks: the part of its page that shows how it joins.

use super::{
    chrome::{Chrome, html},
    show::{self, When},
};
use crate::{
    api::joining::{self as api, CheckView, ChecksView},
    app::App,
    auth::{Actor, Right},
    extract::Id,
    joining::enrol,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ServerId;
use tourbus_store::{EnrolmentRow, Refusal};

/// The checks of one server, for `_checks.html`.
pub struct Checks {
    /// The server.
    pub id: ServerId,
    /// When it joined.
    pub joined: Option<When>,
    /// Each check with the time of its last look.
    pub lines: Vec<(CheckView, Option<When>)>,
    /// Checks that are red.
    pub red: usize,
    /// Checks that are waited for.
    pub pending: usize,
    /// Whether this person may run them again, and make tokens.
    pub may: bool,
    /// Whether it is a server that joins; the master does not.
    pub joins: bool,
    /// The token that is open or was used.
    pub enrolment: Option<Enrolment>,
}

/// What is known of a token.
pub struct Enrolment {
    /// Who made it.
    pub by: String,
    /// Until when it may be used.
    pub expires: When,
    /// Whether that is over.
    pub expired: bool,
    /// When it was used.
    pub used: Option<When>,
    /// Why it was refused the last time.
    pub refusal: Option<Refusal>,
}

impl From<EnrolmentRow> for Enrolment {
    fn from(row: EnrolmentRow) -> Self {
        Self {
            by: row.created_by,
            expires: show::when(row.expires_at),
            expired: row.expired,
            used: row.used_at.map(show::when),
            refusal: row.refusal.map(|r| r.0),
        }
    }
}

impl Checks {
    /// Reads them for somebody.
    pub async fn read(app: &App, actor: &Actor, id: ServerId) -> Result<Self, Problem> {
        let ChecksView { joined_at, checks, .. } = api::standing(app, id).await?;
        let enrolment = app.store.enrolment(id).await?.map(Into::into);
        let joins = app.store.server(id).await?.is_some_and(|s| !s.is_master);
        let count = |state: &str| checks.iter().filter(|c| c.state == state).count();
        Ok(Self {
            id,
            joined: joined_at.map(show::when),
            red: count("red"),
            pending: count("pending"),
            may: actor.may(Right::Servers),
            joins,
            enrolment,
            lines: checks.into_iter().map(|c| (c.clone(), c.checked_at.map(show::when))).collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "enrolment.html")]
struct EnrolmentPage {
    chrome: Chrome,
    name: String,
    command: String,
    expires: When,
    checks: Checks,
}

/// Makes a token and shows the command, once.
pub async fn enrol(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    let server = app.store.server(id).await?.ok_or_else(|| Problem::not_found("server", id))?;
    let made = enrol::enrol(&app, &actor, id).await?;
    html(&EnrolmentPage {
        chrome: Chrome::of(&actor, "servers", format!("Join {}", server.name)),
        name: server.name,
        command: made.command,
        expires: show::when(made.expires_at),
        checks: Checks::read(&app, &actor, id).await?,
    })
}

/// Runs the checks again.
pub async fn run_checks(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    api::want(&app, &actor, id).await?;
    Ok(Redirect::to(&format!("/servers/{id}#checks")).into_response())
}

#[derive(Template)]
#[template(path = "_checks.html")]
struct ChecksPart {
    checks: Checks,
}

/// The checks alone, for the page's script.
pub async fn part(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    html(&ChecksPart { checks: Checks::read(&app, &actor, id).await? })
}
