//! The list of batches.

use super::{
    audit::midnight,
    batch::servers,
    batch_head::Head,
    chrome::{Chrome, html},
    filters::{self, Choice},
    form::query,
};
use crate::{
    api::batches::{self, BatchParams},
    app::App,
    auth::Actor,
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

/// Batches on a page.
const BATCHES: u32 = 30;
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
    requested_by: String,
    /// A day, `2026-11-23`.
    from: String,
    /// A day, the last.
    to: String,
    cursor: Option<String>,
}

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
}

/// Every batch that fits.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    let params = BatchParams {
        state: some(&asked.state),
        kind: some(&asked.kind),
        server_id: filters::server_id(&asked.server_id)?,
        requested_by: some(&asked.requested_by),
        since: midnight("From", &asked.from, 0)?,
        until: midnight("To", &asked.to, 1)?,
        limit: Some(BATCHES),
        cursor: asked.cursor.clone(),
    };
    let page = batches::page(&app, &params).await?;
    let servers = servers(&app).await?;
    let base = [
        ("state", &*asked.state),
        ("kind", &*asked.kind),
        ("server_id", &*asked.server_id),
        ("requested_by", &*asked.requested_by),
        ("from", &*asked.from),
        ("to", &*asked.to),
    ];
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
        first: query(&base),
        next: next.unwrap_or_default(),
        asked,
    })
}
