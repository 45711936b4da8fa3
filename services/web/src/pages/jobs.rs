//! The list of jobs.

use super::{
    audit::midnight,
    batch::{group, servers},
    batch_lines::{JobLine, JobList, Section},
    chrome::{Chrome, html},
    filters::{self, Choice},
    form::{Fields, query},
    many::{JOBS, Select},
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
const PER_PAGE: u32 = 50;
const VERBS: [(&str, &str); 3] =
    [("express", "Expedite"), ("retry", "Retry"), ("cancel", "Cancel")];

/// Which jobs; empty fields stand for all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// A batch, by its id.
    batch_id: String,
    group: String,
    /// As in the API: states, separated by commas; wins over the group.
    state: String,
    kind: String,
    server_id: String,
    artist: String,
    requested_by: String,
    /// A day, `2026-11-23`.
    from: String,
    /// A day, the last.
    to: String,
    cursor: Option<String>,
    /// `page`: all of this page are ticked.
    pick: String,
}

/// The fields that say which jobs, whatever the page.
pub const FILTER: [&str; 9] =
    ["batch_id", "group", "state", "kind", "server_id", "artist", "requested_by", "from", "to"];

impl Query {
    /// From the same fields, posted.
    pub fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            batch_id: text("batch_id"),
            group: text("group"),
            state: text("state"),
            kind: text("kind"),
            server_id: text("server_id"),
            artist: text("artist"),
            requested_by: text("requested_by"),
            from: text("from"),
            to: text("to"),
            ..Self::default()
        }
    }

    /// The fields that say which jobs, as [`FILTER`] names them.
    fn filter(&self) -> [(&'static str, &str); FILTER.len()] {
        let values = [
            &self.batch_id,
            &self.group,
            &self.state,
            &self.kind,
            &self.server_id,
            &self.artist,
            &self.requested_by,
            &self.from,
            &self.to,
        ];
        std::array::from_fn(|n| (FILTER[n], values[n].as_str()))
    }
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    chrome: Chrome,
    jobs: JobList,
    asked: Query,
    groups: Vec<Choice>,
    kinds: Vec<Choice>,
    homes: Vec<Choice>,
    narrowed: bool,
    first: String,
    later: bool,
    select: Select,
}

const GROUPS: [(&str, &str); 6] = [
    ("", "Any state"),
    ("running", "At work"),
    ("waiting", "Waiting"),
    ("moved", "Done"),
    ("failed", "Failed or stuck"),
    ("cancelled", "Cancelled"),
];
const KINDS: [(&str, &str); 5] = [
    ("", "Anything"),
    ("move", "Moves"),
    ("lofi", "LOFI"),
    ("verify", "Verifying"),
    ("provision", "New artists"),
];

fn batch_id(text: &str) -> Result<Option<Uuid>, Problem> {
    let id = Some(text).filter(|t| !t.is_empty()).map(str::parse);
    id.transpose().map_err(|_| {
        Problem::bad_request("bad_id", format!("{text:?} is no batch's id."))
            .remedy("Go back, reload the page and try again.")
    })
}

/// The same as the API asks.
pub fn params(asked: &Query) -> Result<ListParams, Problem> {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    let chosen = group(&asked.group)?.map_or(&[][..], JobGroup::states);
    let states: Vec<&str> = chosen.iter().map(|s| s.as_str()).collect();
    let states = if asked.state.is_empty() { states.join(",") } else { asked.state.clone() };
    Ok(ListParams {
        batch_id: batch_id(&asked.batch_id)?,
        state: Some(states),
        kind: some(&asked.kind),
        server_id: filters::server_id(&asked.server_id)?,
        artist: some(&asked.artist),
        requested_by: some(&asked.requested_by),
        since: midnight("From", &asked.from, 0)?,
        until: midnight("To", &asked.to, 1)?,
        limit: Some(PER_PAGE),
        cursor: asked.cursor.clone(),
    })
}

/// Jobs, the newest first.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let page = jobs::page(&app, &params(&asked)?).await?;
    let servers = servers(&app).await?;
    let base = asked.filter();
    let next = page.next_cursor.map(|c| {
        let all: Vec<_> = base.iter().copied().chain([("cursor", &*c)]).collect();
        format!("?{}", query(&all))
    });
    let lines = page.items.into_iter().map(|j| JobLine::new(j, &servers)).collect();
    let jobs = JobList {
        sections: Section::only(lines),
        may_steer: actor.may(Right::Steer),
        back: format!("/jobs?{}", query(&base)),
        show_batch: true,
        pick: actor.may(Right::Steer),
        picked: asked.pick == "page",
        chips: Vec::new(),
        previous: String::new(),
        next: next.unwrap_or_default(),
        empty: "No job fits these filters.",
    };
    html(&JobsPage {
        chrome: Chrome::of(&actor, "jobs", "Jobs"),
        jobs,
        groups: filters::choices(&GROUPS, &asked.group),
        kinds: filters::choices(&KINDS, &asked.kind),
        homes: filters::servers(&servers, &asked.server_id),
        select: Select::new(&JOBS, &VERBS, &base, asked.cursor.as_deref()),
        narrowed: base.iter().any(|(_, value)| !value.is_empty()),
        later: asked.cursor.is_some(),
        first: query(&base),
        asked,
    })
}
