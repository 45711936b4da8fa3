//! Dead letters: read, requeued or thrown away.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    servers::overview::live,
    show::{self, When},
};
use crate::{
    api::dead::{self, DeadBody, DeadLetterView, DeadParams},
    app::App,
    auth::Actor,
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use uuid::Uuid;

/// Letters on a page.
const LETTERS: u32 = 30;
/// Longest body that is shown, in characters.
const BODY_CHARS_MAX: usize = 6000;

/// Which letters; empty fields stand for all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    server: String,
    fault: String,
    cursor: Option<String>,
    /// What was done just now, and to how many.
    done: String,
    n: u64,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

struct Line {
    letter: DeadLetterView,
    at: When,
    /// What it was for, in a line.
    title: String,
    fault: String,
    reason: String,
    size: String,
    headers: String,
    body: String,
    cut: bool,
    /// Why the last requeue did not work.
    note: String,
    /// Which letter its buttons mean, for those who do not see where they stand.
    label: String,
}

#[derive(Template)]
#[template(path = "dead.html")]
struct DeadPage {
    chrome: Chrome,
    lines: Vec<Line>,
    servers: Vec<Choice>,
    faults: Vec<Choice>,
    asked: Query,
    narrowed: bool,
    /// How many wait in all.
    waiting: i64,
    first: String,
    next: String,
    said: String,
    problem: Option<Problem>,
}

fn line(letter: DeadLetterView) -> Line {
    let pretty = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        // What was read as JSON can be written as JSON.
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let (headers, whole) = (pretty(&letter.headers), pretty(&letter.body));
    let body: String = whole.chars().take(BODY_CHARS_MAX).collect();
    let kind = letter.kind.as_deref().unwrap_or("unreadable");
    let title = match &*letter.sort {
        "work" => format!("Order: {kind}"),
        _ => format!("Event: {kind}"),
    };
    let at = show::when(letter.died_at);
    Line {
        label: format!("{title}, {}", at.text),
        note: letter.note.as_deref().map(|note| dead::refused(note).0).unwrap_or_default(),
        at,
        title,
        fault: letter.fault.replace('_', " "),
        reason: letter.reason.replace('_', " "),
        size: show::bytes(letter.bytes.try_into().unwrap_or(i64::MAX)),
        headers,
        cut: body.len() < whole.len(),
        body,
        letter,
    }
}

fn said(asked: &Query) -> String {
    let letters = if asked.n == 1 { "1 letter".to_owned() } else { format!("{} letters", asked.n) };
    match &*asked.done {
        "requeued" => format!("Requeued {letters}."),
        "requeueing" => format!(
            "{letters} will be requeued. What cannot be stands here again, with the reason."
        ),
        "discarded" => format!("Discarded {letters}."),
        _ => String::new(),
    }
}

async fn answer(
    app: &App,
    actor: &Actor,
    asked: Query,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    let params = DeadParams {
        server: some(&asked.server),
        fault: some(&asked.fault),
        reason: None,
        limit: Some(LETTERS),
        cursor: asked.cursor.clone(),
    };
    let page = dead::page(app, &params).await?;
    let known = app.store.dead_letter_faults().await?;
    let faults = known.iter().map(|(fault, n)| Choice {
        value: fault.clone(),
        text: format!("{} ({n})", fault.replace('_', " ")),
        chosen: *fault == asked.fault,
    });
    let server = |s: crate::api::view::ServerView| Choice {
        chosen: s.slug == asked.server,
        value: s.slug,
        text: s.name,
    };
    let next = page
        .next_cursor
        .map(|c| query(&[("server", &asked.server), ("fault", &asked.fault), ("cursor", &c)]));
    let first = query(&[("server", &asked.server), ("fault", &asked.fault)]);
    let status = problem.as_ref().map(Problem::status_code);
    let page = html(&DeadPage {
        chrome: Chrome::of(actor, "queues", "Dead letters"),
        lines: page.items.into_iter().map(line).collect(),
        servers: live(app).await?.into_iter().map(server).collect(),
        faults: faults.collect(),
        narrowed: !asked.server.is_empty() || !asked.fault.is_empty(),
        waiting: known.iter().map(|(_, n)| n).sum(),
        first,
        next: next.unwrap_or_default(),
        said: said(&asked),
        asked,
        problem,
    })?;
    Ok(match status {
        Some(status) => (status, page).into_response(),
        None => page,
    })
}

/// Every dead letter.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    answer(&app, &actor, asked, None).await
}

fn back(asked: &Query, done: &str, n: u64) -> Response {
    let n = n.to_string();
    let to =
        query(&[("server", &asked.server), ("fault", &asked.fault), ("done", done), ("n", &n)]);
    Redirect::to(&format!("/queues/dead?{to}")).into_response()
}

fn asked(fields: &Fields) -> Query {
    let text = |name: &str| fields.text(name).to_owned();
    Query { server: text("server"), fault: text("fault"), ..Query::default() }
}

fn filter(asked: &Query) -> DeadBody {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    DeadBody { server: some(&asked.server), fault: some(&asked.fault), reason: None }
}

/// Requeues one.
pub async fn requeue(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    fields: Fields,
) -> Result<Response, Problem> {
    let asked = asked(&fields);
    match dead::requeue_one(&app, &actor, id).await {
        Ok(done) => Ok(back(&asked, if done { "requeued" } else { "requeueing" }, 1)),
        Err(problem) if matches!(problem.status, 404 | 409) => {
            answer(&app, &actor, asked, Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}

/// Throws one away.
pub async fn discard(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    fields: Fields,
) -> Result<Response, Problem> {
    let asked = asked(&fields);
    match dead::discard_one(&app, &actor, id).await {
        Ok(()) => Ok(back(&asked, "discarded", 1)),
        Err(problem) if problem.status == 404 => answer(&app, &actor, asked, Some(problem)).await,
        Err(problem) => Err(problem),
    }
}

/// Requeues all that match.
pub async fn requeue_all(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let asked = asked(&fields);
    let letters = dead::requeue_matching(&app, &actor, &filter(&asked)).await?;
    Ok(back(&asked, "requeueing", letters))
}

/// Throws away all that match.
pub async fn discard_all(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let asked = asked(&fields);
    let letters = dead::discard_matching(&app, &actor, &filter(&asked)).await?;
    Ok(back(&asked, "discarded", letters))
}
