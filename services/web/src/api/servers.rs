//! `/servers`.

use super::view::ServerView;
use crate::{app::App, cursor::Page, extract::Id, problem::Problem};
use axum::{Json, extract::State};
use tourbus_domain::ServerId;

/// Every server, the master first.
#[utoipa::path(get, path = "/servers", tag = "servers", operation_id = "list_servers",
    responses((status = 200, body = Page<ServerView>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<App>) -> Result<Json<Page<ServerView>>, Problem> {
    let offline_after_s = app.config.offline_after_s;
    let rows = app.store.servers().await?;
    let items = rows.into_iter().map(|r| ServerView::new(r, offline_after_s)).collect();
    Ok(Json(Page::whole(items)))
}

/// One server.
#[utoipa::path(get, path = "/servers/{id}", tag = "servers", operation_id = "get_server",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ServerView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<App>,
    Id(id): Id<ServerId>,
) -> Result<Json<ServerView>, Problem> {
    let row = app.store.server(id).await?.ok_or_else(|| Problem::not_found("server", id))?;
    Ok(Json(ServerView::new(row, app.config.offline_after_s)))
}
