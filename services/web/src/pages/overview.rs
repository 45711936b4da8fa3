//! Servers and queues: for looking.

use super::{
    batch,
    chrome::{Chrome, html},
    show::{self, When},
};
use crate::{
    api::{queues as queues_api, servers as servers_api, view::ServerView},
    app::App,
    auth::{Actor, Right},
    extract::Id,
    problem::Problem,
    queues::QueueDepth,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::{Lane, ServerId};

struct ServerCard {
    server: ServerView,
    artists: String,
    plays_total: String,
    plays_30d: String,
    bytes: String,
    free: String,
    total: String,
    used_percent: i64,
    arriving: String,
    seen: Option<When>,
    quarantined: Option<When>,
    advice: &'static str,
}

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage {
    chrome: Chrome,
    servers: Vec<ServerCard>,
    may_release: bool,
}

fn card(server: ServerView) -> ServerCard {
    let unknown = || "unknown".to_owned();
    let used =
        server.total_bytes.zip(server.free_bytes).map_or(0, |(t, f)| show::percent(t - f, t));
    ServerCard {
        artists: show::count(server.artists),
        plays_total: show::count(server.plays_total),
        plays_30d: show::count(server.plays_30d),
        bytes: show::bytes(server.bytes),
        free: server.free_bytes.map_or_else(unknown, show::bytes),
        total: server.total_bytes.map_or_else(unknown, show::bytes),
        used_percent: used,
        arriving: show::bytes(server.arriving_bytes),
        seen: server.last_seen_at.map(show::when),
        quarantined: server.quarantine.as_ref().map(|q| show::when(q.since)),
        advice: match server.state.as_str() {
            "never" => "No worker has ever reported. Start one on this server.",
            "offline" => "No worker reports. Look at the worker's log on this server.",
            "late" => "The last heartbeat is overdue; it may only be busy.",
            _ => "",
        },
        server,
    }
}

/// Every server.
pub async fn servers(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let servers = batch::servers(&app).await?.into_iter().map(card).collect();
    let may_release = actor.may(Right::Servers);
    html(&ServersPage { chrome: Chrome::of(&actor, "servers", "Servers"), servers, may_release })
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

struct QueueLine {
    name: String,
    purpose: &'static str,
    ready: String,
    unacked: String,
    consumers: u64,
    /// Messages wait, and nobody takes them.
    alone: bool,
}

struct QueueGroup {
    name: String,
    lines: Vec<QueueLine>,
}

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    chrome: Chrome,
    groups: Vec<QueueGroup>,
    problem: Option<Problem>,
}

fn purpose(lane: Option<Lane>, queue: &str) -> &'static str {
    match lane {
        Some(Lane::Express) => "moves that somebody wants now",
        Some(Lane::Export) => "the backlog: one message per queued move",
        Some(Lane::Import) => "pieces of artists that are arriving",
        Some(Lane::Lofi) => "LOFI renditions of fresh uploads",
        Some(Lane::LofiBulk) => "LOFI renditions in bulk",
        Some(Lane::Upkeep) => "short steps that finish or undo a move",
        None if queue.ends_with("dead") => "messages that were refused",
        None => "what workers report",
    }
}

fn queue_line(depth: &QueueDepth) -> QueueLine {
    let lane: Option<Lane> = depth.lane.as_deref().and_then(|l| l.parse().ok());
    let dead = lane.is_none() && depth.queue.ends_with("dead");
    QueueLine {
        name: depth.lane.clone().unwrap_or_else(|| {
            depth.queue.strip_prefix("tourbus.").unwrap_or(&depth.queue).to_owned()
        }),
        purpose: purpose(lane, &depth.queue),
        ready: show::count(depth.ready as i64),
        unacked: show::count(depth.unacked as i64),
        consumers: depth.consumers,
        alone: depth.ready > 0 && depth.consumers == 0 && !dead,
    }
}

fn groups(depths: &[QueueDepth], servers: &[ServerView]) -> Vec<QueueGroup> {
    let lines = |slug: Option<&str>| -> Vec<QueueLine> {
        depths.iter().filter(|d| d.server_slug.as_deref() == slug).map(queue_line).collect()
    };
    let per_server =
        servers.iter().map(|s| QueueGroup { name: s.name.clone(), lines: lines(Some(&s.slug)) });
    let shared = QueueGroup { name: "The cluster's own".to_owned(), lines: lines(None) };
    per_server.chain([shared]).filter(|g| !g.lines.is_empty()).collect()
}

/// Every queue.
pub async fn queues(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let servers = batch::servers(&app).await?;
    let (depths, problem) = match queues_api::depths(&app).await {
        Ok(depths) => (depths, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let groups = groups(&depths, &servers);
    html(&QueuesPage { chrome: Chrome::of(&actor, "queues", "Queues"), groups, problem })
}
