//! Every server, and one of them.

use super::{card::ServerCard, menu::Menu};
use crate::{
    api::{queues as queues_api, servers as servers_api, view::ServerView},
    app::App,
    auth::{Actor, Right},
    extract::Id,
    pages::{
        chrome::{Chrome, html},
        joining::Checks,
    },
    problem::Problem,
    queues::QueueDepth,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ServerId;

#[derive(Template)]
#[template(path = "servers.html")]
pub struct ServersPage {
    pub chrome: Chrome,
    pub menu: Menu,
    pub cards: Vec<ServerCard>,
    /// Why the lanes are not known; empty if they are.
    pub lanes_unknown: String,
    pub may: bool,
}

/// Every server that there is.
pub async fn live(app: &App) -> Result<Vec<ServerView>, Problem> {
    let rows = app.store.servers().await?;
    Ok(rows.into_iter().map(|r| ServerView::new(r, app.config.offline_after_s)).collect())
}

/// The depths of the lanes, or why they are not known: pages go on without them.
async fn depths(app: &App) -> (Vec<QueueDepth>, String) {
    match queues_api::depths(app).await {
        Ok(depths) => (depths, String::new()),
        Err(problem) => (Vec::new(), format!("{} {}", problem.detail, problem.remedy)),
    }
}

/// Every server.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let (depths, lanes_unknown) = depths(&app).await;
    let cards = live(&app).await?.into_iter().map(|s| ServerCard::new(s, &depths)).collect();
    html(&ServersPage {
        chrome: Chrome::of(&actor, "servers", "Servers"),
        menu: Menu::of(&app, &actor, "overview").await?,
        cards,
        lanes_unknown,
        may: actor.may(Right::Servers),
    })
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage {
    chrome: Chrome,
    menu: Menu,
    card: ServerCard,
    lanes_unknown: String,
    checks: Checks,
    may: bool,
}

/// One server: how it is, its checks, what can be done with it.
pub async fn one(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    let server = servers_api::read(&app, id).await?;
    let (depths, lanes_unknown) = depths(&app).await;
    let chrome = Chrome { reload_s: 5, ..Chrome::of(&actor, "servers", server.name.clone()) };
    html(&ServerPage {
        chrome,
        menu: Menu::of(&app, &actor, "").await?,
        checks: Checks::read(&app, &actor, id).await?,
        card: ServerCard::new(server, &depths),
        lanes_unknown,
        may: actor.may(Right::Servers),
    })
}

/// Orders a server out of quarantine, and goes back to the servers.
pub async fn release(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    servers_api::order_release(&app, &actor, id).await?;
    Ok(Redirect::to("/servers").into_response())
}
