//! Batches: the list, and one of them, live.

use super::{
    batch_lines::{Chip, JobLine, JobList, server_name},
    chrome::{Chrome, html},
    form::query,
    show::{self, When},
};
use crate::{
    api::{
        artists::PageParams,
        batches::{self, RefusalView},
        view::{BatchView, JobView, ServerView},
    },
    app::App,
    auth::{Actor, Right},
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tourbus_domain::BatchId;
use tourbus_store::JobGroup;
use uuid::Uuid;

/// Jobs on a page.
const JOBS: u32 = 50;
/// Refusals on a page.
const REFUSALS: u32 = 100;
/// Batches on a page.
const BATCHES: u32 = 30;
/// Without JavaScript, a running batch's page reloads this often, in seconds.
const RELOAD_S: u32 = 5;

/// Every server, for names.
pub async fn servers(app: &App) -> Result<Vec<ServerView>, Problem> {
    let rows = app.store.servers().await?;
    Ok(rows.into_iter().map(|r| ServerView::new(r, app.config.offline_after_s)).collect())
}

/// A batch, for people.
pub struct Head {
    pub id: Uuid,
    pub target: String,
    pub requested_by: String,
    pub reason: String,
    pub created: When,
    pub finished: bool,
    pub took: String,
    pub total: i32,
    pub ended: i32,
    pub open: i32,
    pub queued: i32,
    pub running: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub cancelled: i32,
    pub refused: i64,
    pub total_text: String,
    pub open_text: String,
    pub succeeded_text: String,
    pub refused_text: String,
    pub percent: i64,
    pub bytes_text: String,
    pub rate_text: String,
    pub eta_text: String,
}

impl Head {
    fn new(batch: &BatchView, servers: &[ServerView]) -> Self {
        let estimate = &batch.estimate;
        let took = batch
            .finished_at
            .zip(batch.started_at)
            .map(|(end, start)| show::duration((end - start).num_seconds().max(0).unsigned_abs()));
        let eta = match (estimate.eta_low_s, estimate.eta_high_s) {
            (Some(low), Some(high)) => show::span(low, high),
            _ if batch.jobs_running == 0 => "waiting to begin".to_owned(),
            _ => "estimating…".to_owned(),
        };
        Self {
            id: batch.id,
            target: batch.target_server_id.map(|id| server_name(servers, id)).unwrap_or_default(),
            requested_by: batch.requested_by.clone(),
            reason: batch.reason.clone(),
            created: show::when(batch.created_at),
            finished: batch.finished_at.is_some(),
            took: took.unwrap_or_default(),
            total: batch.jobs_total,
            ended: batch.jobs_ended(),
            open: batch.jobs_queued + batch.jobs_running,
            queued: batch.jobs_queued,
            running: batch.jobs_running,
            succeeded: batch.jobs_succeeded,
            failed: batch.jobs_failed,
            cancelled: batch.jobs_cancelled,
            refused: batch.refused,
            total_text: show::count(i64::from(batch.jobs_total)),
            open_text: show::count(i64::from(batch.jobs_queued + batch.jobs_running)),
            succeeded_text: show::count(i64::from(batch.jobs_succeeded)),
            refused_text: show::count(batch.refused),
            percent: percent(batch),
            bytes_text: format!(
                "{} of {}",
                show::bytes(batch.bytes_done),
                show::bytes(batch.bytes_total)
            ),
            rate_text: estimate
                .rate_bytes_s
                .map(|r| format!("{}/s", show::bytes(r as i64)))
                .unwrap_or_default(),
            eta_text: eta,
        }
    }
}

/// By bytes; by jobs where there are none.
fn percent(batch: &BatchView) -> i64 {
    if batch.finished_at.is_some() {
        100
    } else if batch.bytes_total > 0 {
        show::percent(batch.bytes_done, batch.bytes_total)
    } else {
        show::percent(i64::from(batch.jobs_ended()), i64::from(batch.jobs_total))
    }
}

/// Which jobs of the batch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    group: String,
    page: u32,
    refusals: Option<String>,
}

struct Refusals {
    lines: Vec<RefusalView>,
    next: String,
}

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    chrome: Chrome,
    batch: Head,
    jobs: JobList,
    refusals: Refusals,
    position: String,
}

#[derive(Template)]
#[template(path = "_jobs.html")]
struct Fragment {
    jobs: JobList,
}

/// One batch.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
    headers: HeaderMap,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    // Before anything is read: what changes meanwhile is told afterwards.
    let position = app.feed.now();
    let servers = servers(&app).await?;
    let batch = batches::read(&app, id).await?;
    let jobs = jobs(&app, &actor, &batch, &asked, &servers).await?;
    if headers.get("x-fragment").is_some_and(|v| v == "jobs") {
        return html(&Fragment { jobs });
    }
    let params = PageParams { limit: Some(REFUSALS), cursor: asked.refusals };
    let refused = batches::refusal_page(&app, id, &params).await?;
    let next = refused.next_cursor.map(|c| query(&[("refusals", &c)])).unwrap_or_default();
    let batch = Head::new(&batch, &servers);
    let mut chrome = Chrome::of(&actor, "batches", format!("Moving to {}", batch.target));
    chrome.reload_s = if batch.finished { 0 } else { RELOAD_S };
    let refusals = Refusals { lines: refused.items, next };
    html(&BatchPage { chrome, batch, jobs, refusals, position })
}

async fn jobs(
    app: &App,
    actor: &Actor,
    batch: &BatchView,
    asked: &Query,
    servers: &[ServerView],
) -> Result<JobList, Problem> {
    let group = JobGroup::parse(&asked.group);
    let states = group.map_or(&[][..], JobGroup::states);
    let page = asked.page.min(10_000);
    let rows = app.store.batch_jobs(batch.id.into(), states, page * JOBS, JOBS + 1).await?;
    let more = rows.len() > JOBS as usize;
    let line = |row| JobLine::new(JobView::from(row), servers);
    let href =
        |page: u32| format!("?{}", query(&[("group", &*asked.group), ("page", &page.to_string())]));
    Ok(JobList {
        chips: chips(batch, group),
        lines: rows.into_iter().take(JOBS as usize).map(line).collect(),
        previous: if page > 0 { href(page - 1) } else { String::new() },
        next: if more { href(page + 1) } else { String::new() },
        may_steer: actor.may(Right::Steer),
        back: format!("/batches/{}", batch.id),
        show_batch: false,
        empty: "No artist of this batch is in this state at the moment.",
    })
}

fn chips(batch: &BatchView, chosen: Option<JobGroup>) -> Vec<Chip> {
    let chip = |name, group: Option<JobGroup>, count| Chip {
        href: group.map_or_else(|| "?".to_owned(), |g| format!("?group={}", g.as_str())),
        name,
        group: group.map_or("all", JobGroup::as_str),
        count,
        chosen: group == chosen,
    };
    vec![
        chip("All", None, batch.jobs_total),
        chip("Moving", Some(JobGroup::Running), batch.jobs_running),
        chip("Waiting", Some(JobGroup::Waiting), batch.jobs_queued),
        chip("Moved", Some(JobGroup::Moved), batch.jobs_succeeded),
        chip("Failed", Some(JobGroup::Failed), batch.jobs_failed),
        chip("Cancelled", Some(JobGroup::Cancelled), batch.jobs_cancelled),
    ]
}

#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesPage {
    chrome: Chrome,
    batches: Vec<Head>,
    next: String,
    later: bool,
}

/// Every batch.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<PageParams>,
) -> Result<Response, Problem> {
    let later = asked.cursor.is_some();
    let params = PageParams { limit: Some(BATCHES), cursor: asked.cursor };
    let page = batches::page(&app, &params).await?;
    let servers = servers(&app).await?;
    let next = page.next_cursor.map(|c| query(&[("cursor", &c)])).unwrap_or_default();
    let batches = page.items.iter().map(|b| Head::new(b, &servers)).collect();
    html(&BatchesPage { chrome: Chrome::of(&actor, "batches", "Batches"), batches, next, later })
}

#[derive(Template)]
#[template(path = "batch_cancel.html")]
struct CancelPage {
    chrome: Chrome,
    batch: Head,
}

/// Says what cancelling will do, and to how many.
pub async fn confirm_cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    let batch = Head::new(&batches::read(&app, id).await?, &servers(&app).await?);
    html(&CancelPage { chrome: Chrome::of(&actor, "batches", "Cancel this batch?"), batch })
}

/// Cancels.
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    batches::read(&app, id).await?;
    app.store.cancel_batch(id, &actor.account.email).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}

/// Tries what failed again.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    batches::read(&app, id).await?;
    app.store.retry_batch(id, &actor.account.email).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}
