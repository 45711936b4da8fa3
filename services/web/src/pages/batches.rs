//! The list of batches.

use super::{
    audit::midnight,
    batch::servers,
    batch_head::Head,
    chrome::{Chrome, html},
    filters::{self, Choice},
    form::{Fields, query},
    many::{BATCHES, Select},
};
use crate::{
    api::batches::{self, BatchParams},
    app::App,
    auth::{Actor, Right},
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

/// Batches on a page.
const PER_PAGE: u32 = 30;
const VERBS: [(&str, &str); 4] =
    [("pause", "Pause"), ("resume", "Resume"), ("retry", "Retry"), ("cancel", "Cancel")];
const STATES: [(&str, &str); 4] =
    [("", "Any state"), ("open", "Open"), ("paused", "Paused"), ("finished", "Finished")];
const KINDS: [(&str, &str); 4] =
    [("", "Anything"), ("move", "Moves"), ("lofi", "LOFI"), ("verify", "Verifying")];

/// Which batches; empty fields stand for all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
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

/// The fields that say which batches, whatever the page.
pub const FILTER: [&str; 7] =
    ["state", "kind", "server_id", "artist", "requested_by", "from", "to"];

impl Query {
    /// From the same fields, posted.
    pub fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
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

    /// The fields that say which batches, as [`FILTER`] names them.
    fn filter(&self) -> [(&'static str, &str); FILTER.len()] {
        let values = [
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

// The flags are facts of their own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesPage {
    chrome: Chrome,
    batches: Vec<Head>,
    asked: Query,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    homes: Vec<Choice>,
    narrowed: bool,
    first: String,
    next: String,
    later: bool,
    /// Whether there are boxes to tick.
    pick: bool,
    picked: bool,
    select: Select,
}

/// The same as the API asks.
pub fn params(asked: &Query) -> Result<BatchParams, Problem> {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    Ok(BatchParams {
        state: some(&asked.state),
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

/// Every batch that fits.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let page = batches::page(&app, &params(&asked)?).await?;
    let servers = servers(&app).await?;
    let base = asked.filter();
    let next = page.next_cursor.map(|c| {
        let all: Vec<_> = base.iter().copied().chain([("cursor", &*c)]).collect();
        query(&all)
    });
    html(&BatchesPage {
        chrome: Chrome::of(&actor, "batches", "Batches"),
        batches: page.items.iter().map(|b| Head::new(b, &servers)).collect(),
        states: filters::choices(&STATES, &asked.state),
        kinds: filters::choices(&KINDS, &asked.kind),
        homes: filters::servers(&servers, &asked.server_id),
        narrowed: base.iter().any(|(_, value)| !value.is_empty()),
        later: asked.cursor.is_some(),
        pick: actor.may(Right::Steer),
        picked: asked.pick == "page",
        select: Select::new(&BATCHES, &VERBS, &base, asked.cursor.as_deref()),
        first: query(&base),
        next: next.unwrap_or_default(),
        asked,
    })
}
