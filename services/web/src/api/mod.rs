//! The JSON API, under `/api/v1`.

pub mod accounts;
pub mod adopt;
pub mod artist_change;
pub mod artist_new;
pub mod artists;
pub mod audit;
pub mod balance;
pub mod balance_watch;
pub mod batches;
pub mod batches_many;
pub mod dead;
pub mod drain;
mod events;
pub mod grants;
pub mod jobs;
pub mod jobs_many;
pub mod joining;
pub mod lanes;
pub mod lofi;
pub mod moves;
pub mod own;
pub mod profiles;
pub mod queues;
mod routes;
mod selection;
pub mod servers;
pub mod settings;
pub mod tokens;
pub mod verify;
pub mod view;
pub mod webhooks;

use crate::{
    app::App,
    auth::access::{Access, Rule, Rules},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, Uri},
    middleware,
    routing::get,
};
use std::sync::Arc;
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

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

/// The OpenAPI document.
pub fn openapi() -> OpenApi {
    routes::table(described()).0.split_for_parts().1
}

/// Whom each route is for.
pub fn rules() -> Vec<Rule> {
    let document = Rule {
        method: Method::GET,
        path: "/api/v1/openapi.json".to_owned(),
        access: Access::SignedIn,
        action: None,
    };
    let mut rules = routes::table(described()).1;
    rules.push(document);
    rules
}

/// Every route of the API, behind the guard.
pub fn router(app: &App) -> Router<App> {
    let (router, document) = routes::table(described()).0.split_for_parts();
    let document = move || async move { Json(document) };
    let known = (app.clone(), Arc::new(Rules::new(rules())));
    router
        .route("/api/v1/openapi.json", get(document))
        .route("/api/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(crate::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(known, crate::auth::guard::guard))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "There is no such route")
        .detail(format!("{} is no route of this API.", uri.path()))
        .remedy("See /api/v1/openapi.json.")
}

async fn wrong_method(uri: Uri, method: Method) -> Problem {
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
