//! A server as a card: how it is, what it holds, what waits on its lanes.

use super::super::show::{self, When};
use crate::{api::view::ServerView, queues::QueueDepth};
use tourbus_domain::Lane;

/// One lane of a card.
pub struct LaneDepth {
    pub name: &'static str,
    pub waiting: String,
    /// Messages that somebody works on; empty for none.
    pub in_hand: String,
    /// Messages wait, and nobody takes them.
    pub alone: bool,
}

/// A server, for people.
pub struct ServerCard {
    pub server: ServerView,
    pub artists: String,
    pub plays_total: String,
    pub plays_30d: String,
    pub bytes: String,
    pub free: String,
    pub total: String,
    pub used_percent: i64,
    pub arriving: String,
    pub seen: Option<When>,
    pub quarantined: Option<When>,
    /// Why, and how to mend it; empty if it is not.
    pub quarantine_why: String,
    pub advice: &'static str,
    /// What its moves are limited to at this moment; empty for nothing.
    pub limits: String,
    /// None when the server has no lanes, or they are not known.
    pub lanes: Vec<LaneDepth>,
}

impl ServerCard {
    /// Shows a server and its lanes among these.
    pub fn new(server: ServerView, depths: &[QueueDepth]) -> Self {
        let unknown = || "unknown".to_owned();
        let used =
            server.total_bytes.zip(server.free_bytes).map_or(0, |(t, f)| show::percent(t - f, t));
        Self {
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
            quarantine_why: server
                .quarantine
                .as_ref()
                .map_or_else(String::new, |q| show::sentences(&[&q.message, &q.remedy])),
            advice: advice(&server),
            limits: limits(&server),
            lanes: lanes(&server, depths),
            server,
        }
    }
}

fn advice(server: &ServerView) -> &'static str {
    match server.state.as_str() {
        "never" if server.joined_at.is_none() && server.is_default => {
            "It has not joined yet, and new artists go there already: run its command on the machine."
        }
        "never" if server.joined_at.is_none() => {
            "It has not joined yet: make its command, and run that on the machine."
        }
        "never" => "No worker has ever reported. Start one on this server.",
        "offline" => {
            "No worker reports: it takes no artists, and moves to and from it wait. Look at the \
             worker's log on this server."
        }
        "late" => "The last heartbeat is overdue; it may only be busy.",
        _ => "",
    }
}

fn limits(server: &ServerView) -> String {
    let mut said = Vec::new();
    if let Some(n) = server.limits.moves_out_max {
        said.push(format!("at most {n} out at once"));
    }
    if let Some(n) = server.limits.moves_in_max {
        said.push(format!("at most {n} in at once"));
    }
    let until = server.rate_until.as_ref().map_or_else(String::new, |t| format!(" until {t} UTC"));
    match server.rate_bytes_s {
        Some(rate) => {
            let rate = show::bytes(i64::try_from(rate).unwrap_or(i64::MAX));
            said.push(format!("limited to {rate}/s{until}"));
        }
        None if !until.is_empty() => said.push(format!("at any speed{until}")),
        None => {}
    }
    if let Some(bytes) = server.limits.disk_reserve_bytes {
        let bytes = show::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
        said.push(format!("{bytes} of the disk stay free"));
    }
    said.join(", ")
}

fn lanes(server: &ServerView, depths: &[QueueDepth]) -> Vec<LaneDepth> {
    let own = |lane: Lane| {
        depths.iter().find(|d| {
            d.server_slug.as_deref() == Some(&server.slug)
                && d.lane.as_deref() == Some(lane.as_str())
        })
    };
    let depth = |lane: Lane| {
        let found = own(lane)?;
        Some(LaneDepth {
            name: lane.as_str(),
            waiting: show::count(found.ready as i64),
            in_hand: match found.unacked {
                0 => String::new(),
                n => show::count(n as i64),
            },
            alone: found.ready > 0 && found.consumers == 0 && found.paused.is_none(),
        })
    };
    Lane::ALL.into_iter().filter_map(depth).collect()
}
