//! The list of jobs.

use super::{
    batch::{group, servers},
    batch_lines::{JobLine, JobList, Section},
    chrome::{Chrome, html},
    form::query,
};
use crate::{
    api::jobs::{self, ListParams},
    app::App,
    auth::{Actor, Right},
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use tourbus_store::JobGroup;
use uuid::Uuid;

/// Jobs on a page.
const JOBS: u32 = 50;

/// Which jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    group: String,
    /// As in the API: states, separated by commas; wins over the group.
    state: String,
    /// Empty for every server.
    server_id: String,
    cursor: Option<String>,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    chrome: Chrome,
    jobs: JobList,
    groups: Vec<Choice>,
    homes: Vec<Choice>,
    narrowed: bool,
    later: bool,
}

const GROUPS: [(&str, &str); 6] = [
    ("", "Any state"),
    ("running", "Moving"),
    ("waiting", "Waiting"),
    ("moved", "Moved"),
    ("failed", "Failed or stuck"),
    ("cancelled", "Cancelled"),
];

/// Jobs, the newest first.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let chosen = group(&asked.group)?.map_or(&[][..], JobGroup::states);
    let states: Vec<&str> = chosen.iter().map(|s| s.as_str()).collect();
    let states = if asked.state.is_empty() { states.join(",") } else { asked.state.clone() };
    let server_id = match asked.server_id.as_str() {
        "" => None,
        text => Some(text.parse::<Uuid>().map_err(|_| {
            Problem::bad_request("bad_id", format!("{text:?} is not a server's id."))
                .remedy("Choose a server from the list.")
        })?),
    };
    let params = ListParams {
        state: Some(states),
        server_id,
        limit: Some(JOBS),
        cursor: asked.cursor.clone(),
        ..ListParams::default()
    };
    let page = jobs::page(&app, &params).await?;
    let servers = servers(&app).await?;
    let base =
        [("group", &*asked.group), ("state", &*asked.state), ("server_id", &*asked.server_id)];
    let next = page.next_cursor.map(|c| {
        let [group, state, server] = base;
        format!("?{}", query(&[group, state, server, ("cursor", &c)]))
    });
    let group = |(value, text): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        text: (*text).to_owned(),
        chosen: *value == asked.group,
    };
    let lines = page.items.into_iter().map(|j| JobLine::new(j, &servers)).collect();
    let jobs = JobList {
        sections: Section::only(lines),
        may_steer: actor.may(Right::Steer),
        back: format!("/jobs?{}", query(&base)),
        show_batch: true,
        chips: Vec::new(),
        previous: String::new(),
        next: next.unwrap_or_default(),
        empty: "No job fits these filters.",
    };
    let home = |s: &crate::api::view::ServerView| Choice {
        value: s.id.to_string(),
        text: s.name.clone(),
        chosen: s.id.to_string() == asked.server_id,
    };
    html(&JobsPage {
        chrome: Chrome::of(&actor, "jobs", "Jobs"),
        jobs,
        groups: GROUPS.iter().map(group).collect(),
        homes: servers.iter().map(home).collect(),
        narrowed: base.iter().any(|(_, value)| !value.is_empty()),
        later: asked.cursor.is_some(),
    })
}
