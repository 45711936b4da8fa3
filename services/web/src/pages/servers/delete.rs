//! Delete Server: who can go, what keeps the others, and what deleting means.

use super::{menu::Menu, overview::live};
use crate::{
    api::{servers as servers_api, view::ServerView},
    app::App,
    auth::Actor,
    extract::Id,
    pages::chrome::{Chrome, html},
    problem::Problem,
    servers::{counted, delete},
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ServerId;
use tourbus_store::ServerTies;

/// What keeps a server from being deleted.
pub struct Kept {
    pub server: ServerView,
    pub why: Vec<Obstacle>,
}

/// One thing in the way, and where it is mended.
pub struct Obstacle {
    pub text: String,
    pub way: String,
    pub way_text: &'static str,
}

/// Everything that stands in the way.
pub fn obstacles(server: &ServerView, ties: ServerTies) -> Vec<Obstacle> {
    let mut why = Vec::new();
    let mut add = |text: String, way: String, way_text| why.push(Obstacle { text, way, way_text });
    if server.is_master {
        add("It is the master.".to_owned(), String::new(), "");
    }
    if server.is_default {
        let text = "It is the default server: new artists go there.";
        add(text.to_owned(), "/servers/modify".to_owned(), "Make another one the default");
    }
    if server.artists > 0 {
        let artists = server.artists.unsigned_abs();
        let live = if artists == 1 { "lives" } else { "live" };
        let text = format!("{} {live} on it.", counted(artists, "artist"));
        let way = format!("/servers/{}/drain", server.id);
        let drain = if server.draining { "See how the draining goes" } else { "Drain it…" };
        add(text, way, drain);
    }
    let jobs = ties.jobs();
    if jobs > 0 {
        let have = if jobs == 1 { "has" } else { "have" };
        let text = format!("{} to or from it {have} not ended.", counted(jobs, "job"));
        add(text, format!("/jobs?server_id={}", server.id), "See them");
    }
    why
}

#[derive(Template)]
#[template(path = "servers_delete.html")]
pub struct ListPage {
    pub chrome: Chrome,
    pub menu: Menu,
    pub free: Vec<ServerView>,
    pub kept: Vec<Kept>,
    /// Deleted servers whose user and lanes are still on the broker.
    pub pending: Vec<String>,
}

/// Who can be deleted, and what keeps the others.
pub async fn list(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let (mut free, mut kept) = (Vec::new(), Vec::new());
    for server in live(&app).await? {
        let why = obstacles(&server, app.store.server_ties(ServerId(server.id)).await?);
        if why.is_empty() {
            free.push(server);
        } else {
            kept.push(Kept { server, why });
        }
    }
    let pending = app.store.servers_to_revoke().await?;
    html(&ListPage {
        chrome: Chrome::of(&actor, "servers", "Delete Server"),
        menu: Menu::of(&app, &actor, "delete").await?,
        free,
        kept,
        pending: pending.into_iter().map(|(_, slug)| slug.to_string()).collect(),
    })
}

#[derive(Template)]
#[template(path = "server_delete.html")]
pub struct ConfirmPage {
    pub chrome: Chrome,
    pub menu: Menu,
    pub server: ServerView,
    pub why: Vec<Obstacle>,
    pub problem: Option<Problem>,
}

async fn confirm_page(
    app: &App,
    actor: &Actor,
    id: ServerId,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let server = servers_api::read(app, id).await?;
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status_code);
    let mut response = html(&ConfirmPage {
        chrome: Chrome::of(actor, "servers", format!("Delete {}?", server.name)),
        menu: Menu::of(app, actor, "delete").await?,
        why: obstacles(&server, app.store.server_ties(id).await?),
        server,
        problem,
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// Says what deleting will do.
pub async fn confirm(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    confirm_page(&app, &actor, id, None).await
}

/// Deletes a server.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    match delete::delete(&app, &actor, id).await {
        Ok(_) => Ok(Redirect::to("/servers/delete").into_response()),
        Err(problem) if problem.status_code() == StatusCode::CONFLICT => {
            confirm_page(&app, &actor, id, Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}
