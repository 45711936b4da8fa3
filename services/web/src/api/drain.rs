//! `/servers/{id}/drain` and `/undrain`.

use crate::{
    app::App,
    auth::Actor,
    extract::{BodyOr, Id},
    problem::Problem,
    servers::drain::{self, DrainBody, DrainResult, DrainStopResult},
};
use axum::{Json, extract::State, http::StatusCode};
use tourbus_domain::ServerId;

/// Empties a server: one batch moves everybody off, spread over the targets by free disk and
/// plays; moves to it are called off, and it takes no artists until it is stopped. Asked again, it
/// goes on with whoever could not leave before.
#[utoipa::path(post, path = "/servers/{id}/drain", tag = "servers",
    operation_id = "drain_server", params(("id" = uuid::Uuid, Path)), request_body = DrainBody,
    responses((status = 202, body = DrainResult), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn drain(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
    BodyOr(body): BodyOr<DrainBody>,
) -> Result<(StatusCode, Json<DrainResult>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(drain::drain(&app, &actor, id, &body).await?)))
}

/// Stops emptying a server: it takes artists again, and the moves off it that have not gone too
/// far are undone.
#[utoipa::path(post, path = "/servers/{id}/undrain", tag = "servers",
    operation_id = "undrain_server", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = DrainStopResult), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn undrain(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Json<DrainStopResult>, Problem> {
    drain::undrain(&app, &actor, id).await.map(Json)
}
