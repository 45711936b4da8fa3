//! Joining: tokens and checks for people, `/join` and `/agent/report` for servers.

use crate::{
    app::App,
    auth::{Actor, Right, client::Client},
    extract::{Body, Id},
    joining::{
        enrol::{self, EnrolmentView},
        let_in, report,
    },
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Instant;
use tourbus_domain::ServerId;
use tourbus_protocol::{
    CheckResult,
    agent::{JoinAnswer, JoinRequest, ReportAnswer, SignedReport},
};
use tourbus_store::{Action, Deed, ServerChecks};
use utoipa::ToSchema;

/// One check of a server.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Check)]
pub struct CheckView {
    /// Stable name.
    pub name: &'static str,
    /// What people read.
    pub title: &'static str,
    /// `green`, `red` or `pending`.
    pub state: &'static str,
    /// What was found.
    pub cause: String,
    /// How to mend it; empty unless red.
    pub remedy: String,
    /// When it was looked at last.
    pub checked_at: Option<DateTime<Utc>>,
}

impl CheckView {
    fn new(check: CheckResult, checked_at: Option<DateTime<Utc>>) -> Self {
        let CheckResult { name, state, cause, remedy } = check;
        let (title, state) = (name.title(), state.as_str());
        Self { name: name.as_str(), title, state, cause, remedy, checked_at }
    }

    /// The remedy in pieces; the flag says that a piece is to be typed, as backticks around it do.
    pub fn remedy_parts(&self) -> Vec<(bool, &str)> {
        self.remedy.split('`').enumerate().map(|(n, text)| (n % 2 == 1, text)).collect()
    }
}

/// How a server's joining and checks stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Checks)]
pub struct ChecksView {
    /// When the server joined.
    pub joined_at: Option<DateTime<Utc>>,
    /// When its agent reported last.
    pub agent_seen_at: Option<DateTime<Utc>>,
    /// Every check, in the order in which they are shown.
    pub checks: Vec<CheckView>,
}

impl From<ServerChecks> for ChecksView {
    fn from(found: ServerChecks) -> Self {
        Self {
            joined_at: found.joined_at,
            agent_seen_at: found.agent_seen_at,
            checks: found.list().into_iter().map(|(c, at)| CheckView::new(c, at)).collect(),
        }
    }
}

/// Makes an enrolment token, single-use and short-lived; an earlier one of this server is void.
#[utoipa::path(post, path = "/servers/{id}/enrolment", tag = "servers",
    operation_id = "enrol_server", params(("id" = uuid::Uuid, Path)),
    responses((status = 201, body = EnrolmentView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn enrol(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<(StatusCode, Json<EnrolmentView>), Problem> {
    Ok((StatusCode::CREATED, Json(enrol::enrol(&app, &actor, id).await?)))
}

/// How a server's checks stand.
pub async fn standing(app: &App, id: ServerId) -> Result<ChecksView, Problem> {
    let found = app.store.server_checks(id).await?;
    found.map(Into::into).ok_or_else(|| Problem::not_found("server", id))
}

/// How a server's checks stand.
#[utoipa::path(get, path = "/servers/{id}/checks", tag = "servers",
    operation_id = "list_checks", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ChecksView), (status = 404, body = Problem)))]
pub async fn checks(
    State(app): State<App>,
    Id(id): Id<ServerId>,
) -> Result<Json<ChecksView>, Problem> {
    standing(&app, id).await.map(Json)
}

/// Wants every check to be run again.
pub async fn want(app: &App, actor: &Actor, id: ServerId) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    if !app.store.want_checks(id).await? {
        return Err(Problem::not_found("server", id));
    }
    let deed = Deed::done(&actor.by(), Action::ServerCheck, format!("server:{id}"));
    Ok(app.store.record(&[deed]).await?)
}

/// Runs every check again; they are pending until they have been.
#[utoipa::path(post, path = "/servers/{id}/checks", tag = "servers",
    operation_id = "run_checks", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = ChecksView), (status = 404, body = Problem)))]
pub async fn run_checks(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<(StatusCode, Json<ChecksView>), Problem> {
    want(&app, &actor, id).await?;
    Ok((StatusCode::ACCEPTED, Json(standing(&app, id).await?)))
}

/// A server asks to be let in, with its token; no sign-in. The answer carries its broker password
/// and staging access, once.
#[utoipa::path(post, path = "/join", tag = "agent", operation_id = "join", security(()),
    request_body(content = serde_json::Value, description = "token, public_key, version, at"),
    responses((status = 200, body = serde_json::Value), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 503, body = Problem)))]
pub async fn join(
    State(app): State<App>,
    Client(address): Client,
    Body(asked): Body<JoinRequest>,
) -> Result<Json<JoinAnswer>, Problem> {
    if let Err(wait) = app.join_limiter.take_any(address, Instant::now()) {
        let seconds = wait.as_secs() + 1;
        let what = "Too many servers asked to join from this address.";
        return Err(Problem::too_many(what, seconds)
            .remedy(format!("Run the same command again in {seconds} s.")));
    }
    let answer = let_in::let_in(&app, &asked, address).await?;
    app.join_limiter.give_back_any(address);
    Ok(Json(answer))
}

/// An agent reports, signed with its server's key; no sign-in.
#[utoipa::path(post, path = "/agent/report", tag = "agent", operation_id = "report",
    security(()),
    request_body(content = serde_json::Value, description = "server, report (JSON text), signature"),
    responses((status = 200, body = serde_json::Value), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem)))]
pub async fn take_report(
    State(app): State<App>,
    Body(signed): Body<SignedReport>,
) -> Result<Json<ReportAnswer>, Problem> {
    report::take(&app, &signed).await.map(Json)
}
