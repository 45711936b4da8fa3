//! Pages: HTML from templates, usable without JavaScript. They call the same functions as the
//! API.

mod batch;
mod batch_head;
mod batch_lines;
mod chrome;
pub mod error;
mod form;
mod home;
mod job;
mod jobs;
mod joining;
mod move_artists;
mod move_check;
mod overview;
mod show;
mod sign_in;
#[cfg(test)]
mod tests;
mod timeline;

use crate::app::App;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

/// Every page.
pub fn router(app: &App) -> Router<App> {
    let signed_in = Router::new()
        .route("/move", get(move_artists::page).post(move_check::submit))
        .route("/batches", get(batch::list))
        .route("/batches/{id}", get(batch::page))
        .route("/batches/{id}/cancel", get(batch::confirm_cancel).post(batch::cancel))
        .route("/batches/{id}/retry", post(batch::retry))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/cancel", post(job::cancel))
        .route("/jobs/{id}/retry", post(job::retry))
        .route("/jobs/{id}/express", post(job::express))
        .route("/servers", get(overview::servers))
        .route("/servers/{id}/release", post(overview::release))
        .route("/servers/{id}", get(joining::page))
        .route("/servers/{id}/enrolment", post(joining::enrol))
        .route("/servers/{id}/checks", post(joining::run_checks))
        .route("/servers/{id}/checks-part", get(joining::part))
        .route("/queues", get(overview::queues))
        .route("/audit", get(overview::audit))
        .route("/sign-out", post(sign_in::sign_out))
        .layer(middleware::from_fn_with_state(app.clone(), crate::auth::guard::guard));
    Router::new()
        .merge(signed_in)
        .route("/", get(home::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::submit))
        .layer(DefaultBodyLimit::max(crate::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), error::as_page))
}
