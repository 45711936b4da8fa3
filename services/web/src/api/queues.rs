//! `/queues`.

use crate::{app::App, cursor::Page, problem::Problem, queues::QueueDepth};
use axum::{Json, extract::State, http::StatusCode};
use tourbus_domain::Slug;

/// Depths of the queues; the API's and the pages' way.
pub async fn depths(app: &App) -> Result<Vec<QueueDepth>, Problem> {
    let servers = app.store.servers().await?;
    let slugs: Vec<Slug> = servers.into_iter().filter_map(|s| s.slug.parse().ok()).collect();
    app.queues.depths(&slugs).await.map_err(|e| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broker_unknown", "The queues are not known")
            .detail(format!("{e}."))
            .remedy("Check that RabbitMQ runs and that its management plugin is enabled.")
            .retry_after(5)
    })
}

/// The lanes of every server, then the cluster's own queues; at most two seconds old.
#[utoipa::path(get, path = "/queues", tag = "queues", operation_id = "list_queues",
    responses((status = 200, body = Page<QueueDepth>), (status = 503, body = Problem)))]
pub async fn list(State(app): State<App>) -> Result<Json<Page<QueueDepth>>, Problem> {
    depths(&app).await.map(Page::whole).map(Json)
}
