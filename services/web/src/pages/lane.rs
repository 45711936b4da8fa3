//! Pausing and resuming a server's lane.

use super::{
    chrome::{Chrome, html},
    form::Fields,
};
use crate::{
    api::{
        lanes::{self, LaneOf},
        servers as servers_api,
    },
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use uuid::Uuid;

#[derive(Template)]
#[template(path = "lane_pause.html")]
struct PausePage {
    chrome: Chrome,
    server_id: Uuid,
    server: String,
    lane: &'static str,
    stops: &'static str,
}

/// Says what pausing will do, and asks why.
pub async fn confirm(
    State(app): State<App>,
    actor: Actor,
    of: LaneOf,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    let server = servers_api::read(&app, of.server).await?;
    html(&PausePage {
        chrome: Chrome::of(&actor, "queues", "Pause this lane?"),
        server_id: server.id,
        server: server.name,
        lane: of.lane.as_str(),
        stops: of.lane.pause_stops(),
    })
}

/// Pauses.
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    of: LaneOf,
    fields: Fields,
) -> Result<Response, Problem> {
    lanes::hold(&app, &actor, of, fields.text("reason")).await?;
    Ok(Redirect::to("/queues").into_response())
}

/// Resumes.
pub async fn resume(State(app): State<App>, actor: Actor, of: LaneOf) -> Result<Response, Problem> {
    lanes::let_go(&app, &actor, of).await?;
    Ok(Redirect::to("/queues").into_response())
}
