//! One job: what it does, what happened, what can be done.

use super::{
    batch::servers,
    batch_lines::{Failure, JobLine, server_name},
    chrome::{Chrome, html},
    form::Fields,
    show::{self, When},
    timeline::{self, Entry, words},
};
use crate::{
    api::{
        jobs::{self, Ask},
        view::StepView,
    },
    app::App,
    auth::{Actor, Right},
    extract::Id,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::JobId;

/// Without JavaScript, a running job's page reloads this often, in seconds.
const RELOAD_S: u32 = 5;

struct StepLine {
    kind: String,
    seq: i32,
    state: String,
    server: String,
    lane: String,
    worker: String,
    epoch: i64,
    attempts: i32,
    seen: Option<When>,
    failure: Option<Failure>,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    chrome: Chrome,
    job: JobLine,
    may_steer: bool,
    back: String,
    files: String,
    staged: String,
    started: Option<When>,
    finished: Option<When>,
    took: String,
    trace_id: Option<String>,
    /// What somebody should look at, although the job goes on, or has ended well.
    notices: Vec<Failure>,
    timeline: Vec<Entry>,
    steps: Vec<StepLine>,
    /// Whether a move's report is there; `None` for what has none, as no move that succeeded.
    report: Option<bool>,
}

/// What it does, or has done.
fn headline(job: &JobLine) -> String {
    let artist = &job.artist_name;
    match job.state.as_str() {
        "succeeded" if job.is_move => format!("Moved {artist}"),
        _ if job.is_move && job.ended => format!("Move of {artist}"),
        _ => job.title.clone(),
    }
}

/// The page.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
) -> Result<Response, Problem> {
    let found = jobs::read(&app, id).await?;
    let servers = servers(&app).await?;
    let took = found
        .job
        .finished_at
        .zip(found.job.started_at)
        .map(|(end, start)| show::duration((end - start).num_seconds().max(0).unsigned_abs()));
    let step = |s: StepView| StepLine {
        kind: words(&s.kind),
        seq: s.seq,
        state: s.state,
        server: server_name(&servers, s.server_id),
        lane: s.lane,
        worker: s.worker.unwrap_or_else(|| "–".to_owned()),
        epoch: s.epoch,
        attempts: s.attempts,
        seen: s.seen_at.map(show::when),
        failure: s.error.as_ref().map(Failure::of),
    };
    let job = JobLine::new(found.job.clone(), &servers);
    let told = found.timeline.iter().filter(|e| e.name == "noticed");
    let notices = told.map(|e| Failure::of(&e.detail["notice"])).collect();
    let mut chrome = Chrome::of(&actor, "jobs", headline(&job));
    chrome.reload_s = if found.job.finished_at.is_none() { RELOAD_S } else { 0 };
    let report = if job.is_move && job.state == "succeeded" {
        Some(app.store.report(id).await?.is_some())
    } else {
        None
    };
    html(&JobPage {
        report,
        may_steer: actor.may(Right::Steer),
        back: format!("/jobs/{id}"),
        files: show::count(found.job.files_total),
        staged: show::bytes(found.job.bytes_staged),
        started: found.job.started_at.map(show::when),
        finished: found.job.finished_at.map(show::when),
        took: took.unwrap_or_default(),
        notices,
        trace_id: found.job.trace_id.clone(),
        timeline: timeline::entries(&found.job, found.timeline, &servers),
        steps: found.steps.into_iter().map(step).collect(),
        job,
        chrome,
    })
}

/// The report of a move, as a file.
pub async fn report(State(app): State<App>, Id(id): Id<JobId>) -> Result<Response, Problem> {
    let report = jobs::report_of(&app, id).await?;
    let text = serde_json::to_string_pretty(&report).map_err(|e| Problem::internal(&e))?;
    let name = format!("attachment; filename=\"move-{id}.json\"");
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

/// Does it, and goes back to where the button was.
async fn act(
    app: &App,
    actor: &Actor,
    id: JobId,
    what: Ask,
    fields: &Fields,
) -> Result<Response, Problem> {
    jobs::ask(app, actor, id, what).await?;
    let to = fields.back().map_or_else(|| format!("/jobs/{id}"), str::to_owned);
    Ok(Redirect::to(&to).into_response())
}

/// Cancels it.
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, id, Ask::Cancel, &fields).await
}

/// Tries it again.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, id, Ask::Retry, &fields).await
}

/// Lets it overtake the backlog.
pub async fn express(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, id, Ask::Express, &fields).await
}
