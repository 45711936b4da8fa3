//! The JSON API, under `/api/v1`.

pub mod artists;
pub mod audit;
pub mod batches;
mod events;
pub mod jobs;
pub mod joining;
pub mod moves;
pub mod queues;
pub mod servers;
pub mod view;

use crate::{app::App, problem::Problem};
use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, Uri},
    middleware,
    routing::get,
};
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

fn described() -> OpenApi {
    let mut api = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Tourbus")
                .version("1")
                .description(Some(
                    "Moves artists between servers. Times are RFC 3339, sizes bytes, errors \
                     problem documents (RFC 9457), lists key-set pages.",
                ))
                .build(),
        )
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(crate::auth::cookie::NAME))),
    );
    let none: [&str; 0] = [];
    api.security = Some(vec![
        SecurityRequirement::new("token", none),
        SecurityRequirement::new("session", none),
    ]);
    api
}

fn routes() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(servers::list))
        .routes(routes!(servers::one))
        .routes(routes!(servers::release))
        .routes(routes!(joining::enrol))
        .routes(routes!(joining::checks, joining::run_checks))
        .routes(routes!(artists::list))
        .routes(routes!(artists::totals))
        .routes(routes!(artists::one))
        .routes(routes!(artists::songs))
        .routes(routes!(moves::create))
        .routes(routes!(batches::list))
        .routes(routes!(batches::one))
        .routes(routes!(batches::refusals))
        .routes(routes!(batches::cancel))
        .routes(routes!(batches::retry))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::one))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::express))
        .routes(routes!(events::stream))
        .routes(routes!(queues::list))
        .routes(routes!(audit::list));
    OpenApiRouter::with_openapi(described()).nest("/api/v1", v1)
}

/// For servers, which do not sign in: they have a token, or sign what they say.
fn open_routes() -> OpenApiRouter<App> {
    let v1 =
        OpenApiRouter::new().routes(routes!(joining::join)).routes(routes!(joining::take_report));
    OpenApiRouter::new().nest("/api/v1", v1)
}

/// The OpenAPI document.
pub fn openapi() -> OpenApi {
    documented().1
}

/// The routes behind sign-in, the document of all, the routes without sign-in.
fn documented() -> (Router<App>, OpenApi, Router<App>) {
    let (closed, mut document) = routes().split_for_parts();
    let (open, more) = open_routes().split_for_parts();
    document.merge(more);
    (closed, document, open)
}

/// Every route of the API; all but those for servers are behind sign-in.
pub fn router(app: &App) -> Router<App> {
    let (router, document, open) = documented();
    let document = move || async move { Json(document) };
    router
        .route("/api/v1/openapi.json", get(document))
        .route("/api/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(crate::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), crate::auth::guard::guard))
        .merge(open.method_not_allowed_fallback(wrong_method))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "There is no such route")
        .detail(format!("{} is no route of this API.", uri.path()))
        .remedy("See /api/v1/openapi.json.")
}

async fn wrong_method(uri: Uri, method: axum::http::Method) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "Not with this method")
        .detail(format!("{} does not take {method}.", uri.path()))
        .remedy("See /api/v1/openapi.json.")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_as_agreed() {
        insta::assert_json_snapshot!(super::openapi());
    }
}
