//! `/servers`.

use super::view::ServerView;
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::Page,
    extract::{Body, Id},
    problem::Problem,
    servers::{
        change::{self, ServerBody, ServerPatch},
        delete::{self, Deleted},
    },
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tourbus_domain::ServerId;
use tourbus_store::{Action, Deed};

/// Every server, the master first.
#[utoipa::path(get, path = "/servers", tag = "servers", operation_id = "list_servers",
    responses((status = 200, body = Page<ServerView>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<App>) -> Result<Json<Page<ServerView>>, Problem> {
    let offline_after_s = app.config.offline_after_s;
    let rows = app.store.servers().await?;
    let items = rows.into_iter().map(|r| ServerView::new(r, offline_after_s)).collect();
    Ok(Json(Page::whole(items)))
}

/// One server; the API's and the pages' way.
pub async fn read(app: &App, id: ServerId) -> Result<ServerView, Problem> {
    let row = app.store.server(id).await?.ok_or_else(|| Problem::not_found("server", id))?;
    Ok(ServerView::new(row, app.config.offline_after_s))
}

/// One server.
#[utoipa::path(get, path = "/servers/{id}", tag = "servers", operation_id = "get_server",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ServerView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<App>,
    Id(id): Id<ServerId>,
) -> Result<Json<ServerView>, Problem> {
    read(&app, id).await.map(Json)
}

/// Creates a cluster server. It is no target of moves until it has joined: see its enrolment.
#[utoipa::path(post, path = "/servers", tag = "servers", operation_id = "create_server",
    request_body = ServerBody,
    responses((status = 201, body = ServerView), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<ServerBody>,
) -> Result<(StatusCode, Json<ServerView>), Problem> {
    let id = change::create(&app, &actor, &body).await?;
    Ok((StatusCode::CREATED, Json(read(&app, id).await?)))
}

/// Changes a server. Making it the default takes that off the other one; one always is.
#[utoipa::path(patch, path = "/servers/{id}", tag = "servers", operation_id = "modify_server",
    params(("id" = uuid::Uuid, Path)), request_body = ServerPatch,
    responses((status = 200, body = ServerView), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
    Body(patch): Body<ServerPatch>,
) -> Result<Json<ServerView>, Problem> {
    change::modify(&app, &actor, id, &patch).await?;
    read(&app, id).await.map(Json)
}

/// Deletes a server without artists, and shuts it out: its keys, broker user and lanes go. 202
/// when the broker is away: then its user and lanes go as soon as it is back.
#[utoipa::path(delete, path = "/servers/{id}", tag = "servers", operation_id = "delete_server",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 202, body = Deleted), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    let deleted = delete::delete(&app, &actor, id).await?;
    if deleted.revoked {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(deleted)).into_response())
}

/// Orders a server out of quarantine; the API's and the pages' way.
pub async fn order_release(app: &App, actor: &Actor, id: ServerId) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    let row = app.store.server(id).await?.ok_or_else(|| Problem::not_found("server", id))?;
    let released = app.store.release_server(id).await?;
    let Some(quarantine) = released.into_iter().next() else {
        let detail = format!("{} is not in quarantine.", row.name);
        return Err(Problem::conflict("not_quarantined", detail)
            .remedy("Nothing needs doing. Its state is on the Servers page."));
    };
    let detail = json!({ "code": quarantine.error.code, "since": quarantine.since });
    let deed = Deed::done(&actor.by(), Action::ServerRelease, format!("server:{id}"));
    app.store.record(&[deed.detail(detail)]).await?;
    Ok(())
}

/// Releases a server from quarantine, once its fault is mended. Its workers go on within seconds
/// of getting the order; if the fault is still there, they go back into quarantine.
#[utoipa::path(post, path = "/servers/{id}/release", tag = "servers",
    operation_id = "release_server", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = ServerView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn release(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<(StatusCode, Json<ServerView>), Problem> {
    order_release(&app, &actor, id).await?;
    Ok((StatusCode::ACCEPTED, Json(read(&app, id).await?)))
}
