//! Queues: what waits, who works, how the broker is.

use super::{
    chart::{Spark, spark},
    chrome::{Chrome, html},
    servers::overview::live,
    show::{self, When},
};
use crate::{
    api::{
        queues::{self as queues_api, BrokerView, WorkerView},
        view::ServerView,
    },
    app::App,
    auth::Actor,
    problem::Problem,
    queues::{BrokerNode, LanePauseView, QueueDepth, Queues},
};
use askama::Template;
use axum::{extract::State, response::Response};
use chrono::Utc;
use tourbus_domain::Lane;

struct QueueLine {
    name: String,
    purpose: &'static str,
    ready: String,
    unacked: String,
    consumers: u64,
    /// Messages that arrive and that are done with, per second.
    rates: String,
    /// How long the oldest waits; empty for none.
    oldest: String,
    /// Messages wait, and nobody takes them.
    alone: bool,
    spark: Option<Spark>,
    pause: Option<PauseLine>,
    /// Where it is paused and resumed; empty if it cannot be.
    steer: String,
}

/// Who has paused a lane.
struct PauseLine {
    by: String,
    since: When,
    reason: String,
    /// Workers that have yet to stop taking from it; empty if none has.
    yet: String,
}

impl From<&LanePauseView> for PauseLine {
    fn from(pause: &LanePauseView) -> Self {
        let yet = match pause.workers - pause.workers_paused {
            0 if pause.workers == 0 => {
                "no worker reports: they hear of it when they start".to_owned()
            }
            0 => String::new(),
            1 => "1 worker has yet to hear of it".to_owned(),
            n => format!("{n} workers have yet to hear of it"),
        };
        let (by, reason) = (pause.by.clone(), pause.reason.clone());
        Self { by, since: show::when(pause.since), reason, yet }
    }
}

struct QueueGroup {
    name: String,
    lines: Vec<QueueLine>,
}

/// Why the broker takes no messages.
struct Alarm {
    why: String,
    /// It is short of disk; else of memory.
    disk: bool,
    limit: String,
}

/// How the broker is, for people.
struct Broker {
    /// Why it takes no messages; empty if it does.
    alarms: Vec<Alarm>,
    down: Vec<String>,
    owed: String,
    /// For how long the oldest has been owed; empty if that is no time.
    owed_for: String,
    late: bool,
    dead: String,
    has_dead: bool,
    nodes: String,
}

struct WorkerLine {
    name: String,
    server: String,
    running: i32,
    version: String,
    pid: i32,
    seen: When,
    state: &'static str,
    why: String,
}

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    chrome: Chrome,
    groups: Vec<QueueGroup>,
    broker: Option<Broker>,
    workers: Vec<WorkerLine>,
    problem: Option<Problem>,
}

fn purpose(lane: Option<Lane>, queue: &str) -> &'static str {
    match lane {
        Some(Lane::Express) => "moves that somebody wants now",
        Some(Lane::Export) => "the backlog: one message per queued move",
        Some(Lane::Import) => "pieces of artists that are arriving",
        Some(Lane::Lofi) => "LOFI renditions of fresh uploads",
        Some(Lane::LofiBulk) => "LOFI renditions in bulk",
        Some(Lane::Verify) => "artists whose files are read back",
        Some(Lane::Upkeep) => "short steps that finish or undo a move",
        Some(Lane::Control) => "which lanes are paused, for the server’s workers",
        None if queue.ends_with("dead") => "refused messages on their way to the dead letters",
        None => "what workers report",
    }
}

fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 9.95 { format!("{per_s:.1}") } else { format!("{per_s:.0}") }
}

fn queue_line(depth: &QueueDepth, queues: &Queues, server: Option<&ServerView>) -> QueueLine {
    let lane: Option<Lane> = depth.lane.as_deref().and_then(|l| l.parse().ok());
    let rates = depth.in_s.zip(depth.out_s);
    let oldest = depth.oldest_waiting_s.filter(|_| depth.ready > 0);
    QueueLine {
        name: depth.lane.clone().unwrap_or_else(|| {
            depth.queue.strip_prefix("tourbus.").unwrap_or(&depth.queue).to_owned()
        }),
        purpose: purpose(lane, &depth.queue),
        ready: show::count(depth.ready as i64),
        unacked: show::count(depth.unacked as i64),
        consumers: depth.consumers,
        rates: rates.map_or_else(String::new, |(i, o)| format!("{} / {}", rate(i), rate(o))),
        oldest: oldest.map_or_else(String::new, |s| show::duration(s.max(0.0) as u64)),
        alone: depth.ready > 0 && depth.consumers == 0 && depth.paused.is_none(),
        spark: spark(&queues.history_of(&depth.queue), Utc::now()),
        pause: depth.paused.as_ref().map(Into::into),
        steer: server
            .zip(lane.filter(|l| l.can_pause()))
            .map_or_else(String::new, |(s, l)| format!("/servers/{}/lanes/{l}", s.id)),
    }
}

fn groups(depths: &[QueueDepth], servers: &[ServerView], queues: &Queues) -> Vec<QueueGroup> {
    let lines = |server: Option<&ServerView>| -> Vec<QueueLine> {
        let slug = server.map(|s| s.slug.as_str());
        let of_group = depths.iter().filter(|d| d.server_slug.as_deref() == slug);
        of_group.map(|d| queue_line(d, queues, server)).collect()
    };
    let per_server =
        servers.iter().map(|s| QueueGroup { name: s.name.clone(), lines: lines(Some(s)) });
    let shared = QueueGroup { name: "The cluster's own".to_owned(), lines: lines(None) };
    per_server.chain([shared]).filter(|g| !g.lines.is_empty()).collect()
}

fn size(bytes: u64) -> String {
    show::bytes(bytes.try_into().unwrap_or(i64::MAX))
}

fn disk_alarm(node: &BrokerNode) -> Option<Alarm> {
    let (free, limit) = (size(node.disk_free_bytes), size(node.disk_limit_bytes));
    let why = format!("{} has only {free} of free disk, and needs {limit}", node.name);
    node.disk_alarm.then_some(Alarm { why, disk: true, limit })
}

fn memory_alarm(node: &BrokerNode) -> Option<Alarm> {
    let (used, limit) = (size(node.memory_bytes), size(node.memory_limit_bytes));
    let why = format!("{} uses {used} of memory, and may use {limit}", node.name);
    node.memory_alarm.then_some(Alarm { why, disk: false, limit })
}

impl Broker {
    fn new(view: &BrokerView) -> Self {
        let alarms = view.nodes.iter().flat_map(|n| [disk_alarm(n), memory_alarm(n)]);
        let due_s = view.outbox_due_s.unwrap_or(0.0);
        let running = view.nodes.iter().filter(|n| n.running).count();
        Self {
            alarms: alarms.flatten().collect(),
            down: view.nodes.iter().filter(|n| !n.running).map(|n| n.name.clone()).collect(),
            owed: view.outbox_rows.map_or_else(|| "unknown".to_owned(), show::count),
            owed_for: if due_s >= 1.0 { show::duration(due_s as u64) } else { String::new() },
            late: due_s >= 10.0,
            dead: view.dead_letters.map_or_else(|| "unknown".to_owned(), show::count),
            has_dead: view.dead_letters.is_some_and(|n| n > 0),
            nodes: format!("{running} of {}", view.nodes.len()),
        }
    }
}

fn worker_line(worker: WorkerView) -> WorkerLine {
    let state = match &worker.quarantine {
        _ if worker.offline => "offline",
        Some(_) => "quarantined",
        None => "online",
    };
    let why = worker.quarantine.map(|q| show::sentences(&[&q.message, &q.remedy]));
    WorkerLine {
        name: worker.name,
        server: worker.server_name,
        running: worker.running,
        version: worker.version,
        pid: worker.pid,
        seen: show::when(worker.last_seen_at),
        state,
        why: why.unwrap_or_default(),
    }
}

/// Every queue.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let servers = live(&app).await?;
    let workers = queues_api::all_workers(&app).await?.into_iter().map(worker_line).collect();
    let (groups, broker, problem) = match queues_api::snapshot(&app).await {
        Ok(snapshot) => {
            let depths = queues_api::ours(&app, &snapshot).await?;
            let broker = Broker::new(&BrokerView::from(&*snapshot));
            (groups(&depths, &servers, &app.queues), Some(broker), None)
        }
        Err(problem) => (Vec::new(), None, Some(problem)),
    };
    let chrome = Chrome::of(&actor, "queues", "Queues");
    html(&QueuesPage { chrome, groups, broker, workers, problem })
}
