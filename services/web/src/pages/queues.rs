//! Queues: for looking.

use super::{
    chrome::{Chrome, html},
    servers::overview::live,
    show,
};
use crate::{
    api::{queues as queues_api, view::ServerView},
    app::App,
    auth::Actor,
    problem::Problem,
    queues::QueueDepth,
};
use askama::Template;
use axum::{extract::State, response::Response};
use tourbus_domain::Lane;

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
        Some(Lane::Verify) => "Artists whose files are read back",
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
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let servers = live(&app).await?;
    let (depths, problem) = match queues_api::depths(&app).await {
        Ok(depths) => (depths, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let groups = groups(&depths, &servers);
    html(&QueuesPage { chrome: Chrome::of(&actor, "queues", "Queues"), groups, problem })
}
