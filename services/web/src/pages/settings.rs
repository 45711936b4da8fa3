//! Cluster Settings.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    servers::menu::Menu,
};
use crate::{
    api::settings::{self, LimitWish, SettingsPatch},
    app::App,
    auth::Actor,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    chrome: Chrome,
    menu: Menu,
    /// As it was typed; empty for no limit.
    server_limit: String,
    servers: u32,
    problem: Option<Problem>,
    saved: bool,
}

async fn answer(
    app: &App,
    actor: &Actor,
    typed: Option<String>,
    problem: Option<Problem>,
    saved: bool,
) -> Result<Response, Problem> {
    let now = settings::read(app).await?;
    let known = || now.server_limit.map_or_else(String::new, |n| n.to_string());
    let status = problem.as_ref().map(Problem::status_code);
    let mut response = html(&SettingsPage {
        chrome: Chrome::of(actor, "servers", "Cluster Settings"),
        menu: Menu::of(app, actor, "settings").await?,
        server_limit: typed.unwrap_or_else(known),
        servers: now.servers,
        problem,
        saved,
    })?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The form.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    answer(&app, &actor, None, None, false).await
}

/// An empty field means no limit.
fn limit(text: &str) -> Result<LimitWish, Problem> {
    if text.is_empty() {
        return Ok(LimitWish::Unlimited);
    }
    let shown: String = text.chars().take(40).collect();
    text.parse().map(LimitWish::AtMost).map_err(|_| {
        Problem::unprocessable("bad_server_limit", format!("{shown:?} is no number of servers."))
            .remedy("Write a number, or leave it empty for no limit.")
            .field("server_limit")
    })
}

/// Changes the settings.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let typed = fields.text("server_limit").trim().to_owned();
    let done = match limit(&typed) {
        Ok(limit) => {
            let patch = SettingsPatch { server_limit: limit };
            settings::change(&app, &actor, &patch).await
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => answer(&app, &actor, None, None, true).await,
        Err(problem) if problem.status == 422 => {
            answer(&app, &actor, Some(typed), Some(problem), false).await
        }
        Err(problem) => Err(problem),
    }
}
