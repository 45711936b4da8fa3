//! `/servers/{id}/lanes/{lane}`: pausing and resuming one lane of a server.

use super::moves;
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::BodyOr,
    problem::Problem,
    queues::LanePauseView,
};
use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use tourbus_domain::{Lane, ServerId};
use tourbus_store::LaneChanged;
use utoipa::ToSchema;
use uuid::Uuid;

/// The lane in the path, `{id}` and `{lane}`.
#[derive(Debug, Clone, Copy)]
pub struct LaneOf {
    /// Whose.
    pub server: ServerId,
    /// Which: one that can be paused.
    pub lane: Lane,
}

impl<S: Send + Sync> FromRequestParts<S> for LaneOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, lane)) = path.map_err(|e| Problem::bad_request("bad_path", e.body_text()))?;
        let server: Uuid = id.parse().map_err(|_| {
            Problem::bad_request("bad_id", format!("{id:?} in the path is not an id."))
                .remedy("An id is a UUID, such as 0192f0c1-2345-7abc-8def-0123456789ab.")
        })?;
        let known: Vec<&str> =
            Lane::ALL.iter().filter(|l| l.can_pause()).map(|l| l.as_str()).collect();
        let lane = lane.parse::<Lane>().ok().filter(|l| l.can_pause()).ok_or_else(|| {
            Problem::bad_request("bad_lane", format!("{lane:?} is no lane that can be paused."))
                .remedy(format!("Use one of {}.", known.join(", ")))
        })?;
        Ok(Self { server: ServerId(server), lane })
    }
}

/// Why a lane is paused.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanePauseBody {
    /// For people to read; at most 500 characters.
    pub reason: String,
}

/// A lane, and whether it is paused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Lane)]
pub struct LaneView {
    /// Whose.
    pub server_id: Uuid,
    /// Which.
    pub lane: String,
    /// Who has paused it, since when and why; null if nobody has.
    pub paused: Option<LanePauseView>,
    /// What stands still while it is paused.
    pub pause_stops: &'static str,
}

async fn read(app: &App, of: LaneOf) -> Result<LaneView, Problem> {
    let pauses = app.store.lane_pauses().await?;
    let here =
        |p: &&tourbus_store::LanePauseRow| p.server_id == of.server.0 && p.lane == of.lane.as_str();
    Ok(LaneView {
        server_id: of.server.0,
        lane: of.lane.to_string(),
        paused: pauses.iter().find(here).map(Into::into),
        pause_stops: of.lane.pause_stops(),
    })
}

/// Pauses a lane; the API's and the pages' way.
pub async fn hold(app: &App, actor: &Actor, of: LaneOf, reason: &str) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    let reason = moves::reason(reason)?;
    let done = app.store.pause_lane(of.server, of.lane, &reason, &actor.by()).await?;
    known(of, done)
}

/// Resumes a lane; the API's and the pages' way.
pub async fn let_go(app: &App, actor: &Actor, of: LaneOf) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    known(of, app.store.resume_lane(of.server, of.lane, &actor.by()).await?)
}

fn known(of: LaneOf, changed: LaneChanged) -> Result<(), Problem> {
    match changed {
        LaneChanged::Changed | LaneChanged::AsItWas => Ok(()),
        LaneChanged::NoServer => Err(Problem::not_found("server", of.server)),
    }
}

/// Pauses a lane: the server's workers finish what they hold of it and take no more, within
/// seconds and over restarts; its messages stay where they are. Asked again, it stays as it is.
#[utoipa::path(post, path = "/servers/{id}/lanes/{lane}/pause", tag = "queues",
    operation_id = "pause_lane", params(("id" = Uuid, Path), ("lane" = String, Path)),
    request_body = Option<LanePauseBody>,
    responses((status = 200, body = LaneView), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    of: LaneOf,
    BodyOr(body): BodyOr<LanePauseBody>,
) -> Result<Json<LaneView>, Problem> {
    hold(&app, &actor, of, &body.reason).await?;
    read(&app, of).await.map(Json)
}

/// Resumes a lane that is paused.
#[utoipa::path(post, path = "/servers/{id}/lanes/{lane}/resume", tag = "queues",
    operation_id = "resume_lane", params(("id" = Uuid, Path), ("lane" = String, Path)),
    responses((status = 200, body = LaneView), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    actor: Actor,
    of: LaneOf,
) -> Result<Json<LaneView>, Problem> {
    let_go(&app, &actor, of).await?;
    read(&app, of).await.map(Json)
}
