//! Pages: HTML from templates, usable without JavaScript. They call the same functions as the
//! API.

mod accounts;
mod artist;
mod artist_new;
mod audit;
mod balance;
mod balance_watch;
mod batch;
mod batch_head;
mod batch_lines;
mod batch_words;
mod batches;
mod batches_many;
mod chart;
mod chrome;
mod dead;
pub mod error;
mod filters;
mod form;
mod home;
mod job;
mod jobs;
mod jobs_many;
mod joining;
mod lane;
mod lofi;
mod many;
mod move_artists;
mod move_check;
mod move_news;
mod overview;
mod own;
mod queues;
mod routes;
mod servers;
mod settings;
pub mod show;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;
mod tile;
mod timeline;
mod verify;
mod webhooks;
mod workshop;

pub use routes::rules;

use crate::{app::App, auth::access::Rules};
use axum::{Router, extract::DefaultBodyLimit, middleware};
use std::sync::Arc;

/// Every page, behind the guard.
pub fn router(app: &App) -> Router<App> {
    let known = (app.clone(), Arc::new(Rules::new(rules())));
    routes::router()
        .layer(middleware::from_fn_with_state(known, crate::auth::guard::guard))
        .layer(middleware::from_fn_with_state(app.clone(), crate::refreshes::share))
        .layer(DefaultBodyLimit::max(crate::BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), error::as_page))
}
