//! One batch, live.

use super::{
    batch_head::Head,
    batch_lines::{Chip, JobLine, JobList, Section},
    batch_words::Words,
    chrome::{Chrome, html},
    form::{Fields, query},
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
use futures_util::future::try_join_all;
use serde::Deserialize;
use std::collections::HashSet;
use tourbus_domain::{BatchId, JobState};
use tourbus_store::JobGroup;

/// Jobs on a page.
const JOBS: u32 = 50;
/// Refusals on a page.
const REFUSALS: u32 = 100;
/// Without JavaScript, a running batch's page reloads this often, in seconds.
const RELOAD_S: u32 = 5;

/// Every server, also those that were deleted: for names.
pub async fn servers(app: &App) -> Result<Vec<ServerView>, Problem> {
    let rows = app.store.servers_ever().await?;
    Ok(rows.into_iter().map(|r| ServerView::new(r, app.config.offline_after_s)).collect())
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
struct JobsFragment {
    jobs: JobList,
}

#[derive(Template)]
#[template(path = "_batch_head.html")]
struct HeadFragment {
    chrome: Chrome,
    batch: Head,
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
    let fragment = headers.get("x-fragment").and_then(|v| v.to_str().ok());
    let head = Head::new(&batch, &servers);
    let mut chrome = Chrome::of(&actor, "batches", head.headline.clone());
    chrome.reload_s = if head.finished { 0 } else { RELOAD_S };
    if fragment == Some("head") {
        return html(&HeadFragment { chrome, batch: head });
    }
    let jobs = jobs(&app, &actor, &batch, &asked, &servers).await?;
    if fragment == Some("jobs") {
        return html(&JobsFragment { jobs });
    }
    let params = PageParams { limit: Some(REFUSALS), cursor: asked.refusals };
    let refused = batches::refusal_page(&app, id, &params).await?;
    let next = refused.next_cursor.map(|c| query(&[("refusals", &c)])).unwrap_or_default();
    let refusals = Refusals { lines: refused.items, next };
    html(&BatchPage { chrome, batch: head, jobs, refusals, position })
}

/// The group that a page's address names; none for all.
pub fn group(text: &str) -> Result<Option<JobGroup>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let known: Vec<&str> = JobGroup::ALL.iter().map(|g| g.as_str()).collect();
    let group = JobGroup::parse(text).ok_or_else(|| {
        Problem::bad_request("bad_group", format!("{text:?} is no group of jobs."))
            .remedy(format!("Use one of {}, or none for all.", known.join(", ")))
    })?;
    Ok(Some(group))
}

async fn jobs(
    app: &App,
    actor: &Actor,
    batch: &BatchView,
    asked: &Query,
    servers: &[ServerView],
) -> Result<JobList, Problem> {
    let chosen = group(&asked.group)?;
    let mut list = JobList {
        chips: chips(batch, chosen),
        sections: Vec::new(),
        previous: String::new(),
        next: String::new(),
        may_steer: actor.may(Right::Steer),
        back: format!("/batches/{}", batch.id),
        show_batch: false,
        pick: false,
        picked: false,
        empty: Words::of(&batch.kind).empty,
    };
    let Some(group) = chosen else {
        list.sections = sections(app, batch, servers).await?;
        return Ok(list);
    };
    let page = asked.page.min(10_000);
    let (id, states) = (batch.id.into(), group.states());
    let rows = app.store.batch_jobs(id, states, page * JOBS, JOBS + 1).await?;
    let href =
        |page: u32| format!("?{}", query(&[("group", &*asked.group), ("page", &page.to_string())]));
    if page > 0 {
        list.previous = href(page - 1);
    }
    if rows.len() > JOBS as usize {
        list.next = href(page + 1);
    }
    let line = |row| JobLine::new(JobView::from(row), servers);
    list.sections = Section::only(rows.into_iter().take(JOBS as usize).map(line).collect());
    Ok(list)
}

/// Of each group what fits, so that one look shows what moves, what failed and what waits.
async fn sections(
    app: &App,
    batch: &BatchView,
    servers: &[ServerView],
) -> Result<Vec<Section>, Problem> {
    let small = batch.jobs_total <= JOBS as i32;
    let filled: Vec<_> = groups(batch).into_iter().filter(|(_, _, count)| *count > 0).collect();
    let read = filled.iter().map(|(_, group, _)| {
        let limit = match group {
            _ if small => JOBS,
            JobGroup::Running | JobGroup::Failed => 25,
            JobGroup::Waiting | JobGroup::Cancelled => 10,
            JobGroup::Moved => 15,
        };
        app.store.batch_jobs(batch.id.into(), group.states(), 0, limit)
    });
    let read = try_join_all(read).await?;
    let mut sections = Vec::new();
    // Each group is read by itself: a job that goes on between two readings is in both.
    let mut seen = HashSet::new();
    for ((title, group, count), rows) in filled.into_iter().zip(read) {
        let line = |row| JobLine::new(JobView::from(row), servers);
        let new = rows.into_iter().map(line).filter(|l: &JobLine| seen.insert(l.id));
        let lines: Vec<JobLine> = new.collect();
        if lines.is_empty() {
            continue;
        }
        let whole = lines.len() as i64 >= i64::from(count);
        let more = if whole { String::new() } else { format!("?group={}", group.as_str()) };
        sections.push(Section { title, group: group.as_str(), count, lines, more });
    }
    Ok(sections)
}

/// The groups of a batch's jobs in the order in which a person looks for them, with counts.
fn groups(batch: &BatchView) -> [(&'static str, JobGroup, i32); 5] {
    let words = Words::of(&batch.kind);
    [
        (words.now, JobGroup::Running, batch.jobs_running),
        ("Failed", JobGroup::Failed, batch.jobs_failed),
        ("Waiting", JobGroup::Waiting, batch.jobs_queued),
        (words.done_heading, JobGroup::Moved, batch.jobs_succeeded),
        ("Cancelled", JobGroup::Cancelled, batch.jobs_cancelled),
    ]
}

fn chips(batch: &BatchView, chosen: Option<JobGroup>) -> Vec<Chip> {
    let chip = |name, group: Option<JobGroup>, count| Chip {
        href: group.map_or_else(|| "?".to_owned(), |g| format!("?group={}", g.as_str())),
        name,
        group: group.map_or("all", JobGroup::as_str),
        count,
        chosen: group == chosen,
    };
    let words = Words::of(&batch.kind);
    vec![
        chip("All", None, batch.jobs_total),
        chip(words.doing, Some(JobGroup::Running), batch.jobs_running),
        chip("Waiting", Some(JobGroup::Waiting), batch.jobs_queued),
        chip(words.done_heading, Some(JobGroup::Moved), batch.jobs_succeeded),
        chip("Failed", Some(JobGroup::Failed), batch.jobs_failed),
        chip("Cancelled", Some(JobGroup::Cancelled), batch.jobs_cancelled),
    ]
}

/// What a cancel would do, in jobs.
#[derive(Default)]
struct CancelCounts {
    waiting: u64,
    moving: u64,
    /// The new server has taken over.
    too_late: u64,
    undoing: u64,
    /// Those that a cancel can still reach.
    cancellable: u64,
}

impl CancelCounts {
    fn of(states: &[(JobState, u64)]) -> Self {
        let mut counts = Self::default();
        for (state, n) in states {
            match state {
                JobState::Queued => counts.waiting += n,
                JobState::Running | JobState::Copying | JobState::Syncing | JobState::Cutover => {
                    counts.moving += n;
                }
                JobState::Retiring => counts.too_late += n,
                JobState::RollingBack => counts.undoing += n,
                JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Stuck => {}
            }
        }
        counts.cancellable = counts.waiting + counts.moving;
        counts
    }
}

#[derive(Template)]
#[template(path = "batch_cancel.html")]
struct CancelPage {
    chrome: Chrome,
    batch: Head,
    counts: CancelCounts,
}

/// Says what cancelling will do, and to how many.
pub async fn confirm_cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    let batch = Head::new(&batches::read(&app, id).await?, &servers(&app).await?);
    let counts = CancelCounts::of(&app.store.batch_states(id).await?);
    html(&CancelPage { chrome: Chrome::of(&actor, "batches", "Cancel this batch?"), batch, counts })
}

/// Cancels.
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    batches::read(&app, id).await?;
    app.store.cancel_batch(id, &actor.by()).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}

/// Holds back what is queued.
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    batches::hold(&app, &actor, id, true).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}

/// Goes on with what was held back.
pub async fn resume(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Response, Problem> {
    batches::hold(&app, &actor, id, false).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}

/// Tries again what failed; what was cancelled too, if the form says so.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
    fields: Fields,
) -> Result<Response, Problem> {
    actor.require(Right::Steer)?;
    batches::read(&app, id).await?;
    let include_cancelled = fields.ticked("include_cancelled");
    app.store.retry_batch(id, include_cancelled, &actor.by()).await?;
    Ok(Redirect::to(&format!("/batches/{id}")).into_response())
}
