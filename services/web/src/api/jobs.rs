//! `/jobs`.

use super::{
    audit,
    view::{JobDetail, JobView},
};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{self, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use tourbus_domain::{BatchId, JobId, JobKind, JobState, ServerId};
use tourbus_store::{InputError, JobQuery, Outcome, StoreError};
use utoipa::IntoParams;
use uuid::Uuid;

/// Which jobs.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Of this batch.
    pub batch_id: Option<Uuid>,
    /// In this state, or in one of several, separated by commas.
    pub state: Option<String>,
    /// Of this kind: `move`, `provision`, `lofi` or `verify`.
    pub kind: Option<String>,
    /// From or to this server.
    pub server_id: Option<Uuid>,
    /// Of artists with this in their name, or of the one with this id.
    pub artist: Option<String>,
    /// Of batches that this person asked for: an email address.
    pub requested_by: Option<String>,
    /// Queued at this time (RFC 3339) or later.
    #[serde(deserialize_with = "extract::moment")]
    pub since: Option<DateTime<Utc>>,
    /// Queued before this time (RFC 3339).
    #[serde(deserialize_with = "extract::moment")]
    pub until: Option<DateTime<Utc>>,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

fn states(text: Option<&str>) -> Result<Vec<JobState>, Problem> {
    let parts = text.into_iter().flat_map(|t| t.split(',')).map(str::trim);
    let parse = |part: &str| {
        part.parse::<JobState>().map_err(|e| {
            let known: Vec<&str> = JobState::ALL.iter().map(|s| s.as_str()).collect();
            Problem::bad_request("bad_state", format!("`state`: {e}."))
                .remedy(format!("Use one or several of {}.", known.join(", ")))
        })
    };
    parts.filter(|p| !p.is_empty()).map(parse).collect()
}

/// The kind of this name; `None` for none.
pub fn kind(text: Option<&str>) -> Result<Option<JobKind>, Problem> {
    let parse = |text: &str| {
        text.parse::<JobKind>().map_err(|e| {
            let known: Vec<&str> = JobKind::ALL.iter().map(|k| k.as_str()).collect();
            Problem::bad_request("bad_kind", format!("`kind`: {e}."))
                .remedy(format!("The kinds of jobs are: {}.", known.join(", ")))
        })
    };
    text.filter(|t| !t.is_empty()).map(parse).transpose()
}

/// One page of jobs; the API's and the pages' way.
pub async fn page(app: &App, params: &ListParams) -> Result<Page<JobView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let query = JobQuery {
        after: cursor::unpack_newest(params.cursor.as_deref())?,
        limit: limit + 1,
        ..query(params)?
    };
    let rows = app.store.jobs(&query).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack_newest(r.created_at, r.id), JobView::from))
}

/// Which jobs these parameters mean, whatever the page.
pub fn query(params: &ListParams) -> Result<JobQuery, Problem> {
    Ok(JobQuery {
        batch_id: params.batch_id.map(BatchId),
        states: states(params.state.as_deref())?,
        kind: kind(params.kind.as_deref())?.map(|k| k.as_str().to_owned()),
        server_id: params.server_id.map(ServerId),
        artist: audit::text("artist", params.artist.as_deref())?,
        requested_by: audit::text("requested_by", params.requested_by.as_deref())?
            .map(|p| p.to_lowercase()),
        since: params.since,
        until: params.until,
        after: None,
        limit: 0,
    })
}

/// One job with its history; the API's and the pages' way.
pub async fn read(app: &App, id: JobId) -> Result<JobDetail, Problem> {
    let row = app.store.job(id).await?.ok_or_else(|| Problem::not_found("job", id))?;
    let timeline = app.store.job_timeline(id).await?;
    let steps = app.store.job_steps(id).await?;
    Ok(JobDetail {
        job: row.into(),
        timeline: timeline.into_iter().map(Into::into).collect(),
        steps: steps.into_iter().map(Into::into).collect(),
    })
}

/// Jobs, the newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", operation_id = "list_jobs",
    params(ListParams),
    responses((status = 200, body = Page<JobView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<JobView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// One job, with its timeline and its steps.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", operation_id = "get_job",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = JobDetail), (status = 404, body = Problem)))]
pub async fn one(State(app): State<App>, Id(id): Id<JobId>) -> Result<Json<JobDetail>, Problem> {
    read(&app, id).await.map(Json)
}

/// The signed report of a move; the API's and the pages' way.
pub async fn report_of(app: &App, id: JobId) -> Result<serde_json::Value, Problem> {
    if let Some(report) = app.store.report(id).await? {
        return Ok(report);
    }
    let row = app.store.job(id).await?.ok_or_else(|| Problem::not_found("job", id))?;
    let (detail, remedy) = match (&*row.kind, &*row.state) {
        ("move", "succeeded") if app.store.owes_report(id).await? => (
            "The report of this move is not written yet: the coordinator does that within seconds.",
            "Try again in a few seconds; see that a coordinator runs.",
        ),
        ("move", "succeeded") => (
            "This move is older than reports: none was written, and none will be.",
            "See the job's timeline. To have its files read back, queue a verification.",
        ),
        ("move", _) => ("Only a move that succeeded has a report.", "Wait until it has."),
        _ => ("Only moves have reports.", "See the job's timeline."),
    };
    Err(Problem::new(axum::http::StatusCode::NOT_FOUND, "no_report", "There is no report")
        .detail(detail)
        .remedy(remedy))
}

/// What a move did, and what was verified and how, signed by the master. Check it with
/// `tourbus verify-report`.
#[utoipa::path(get, path = "/jobs/{id}/report", tag = "jobs", operation_id = "get_move_report",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Object, description = "`{key_id, public_key, signature, \
        report}`: `report` is JSON text, signed as it stands"), (status = 404, body = Problem)))]
pub async fn report(
    State(app): State<App>,
    Id(id): Id<JobId>,
) -> Result<Json<serde_json::Value>, Problem> {
    report_of(&app, id).await.map(Json)
}

/// What can be asked of a job.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// Undo it.
    Cancel,
    /// Try it again.
    Retry,
    /// Let it overtake the backlog.
    Express,
}

/// Why this cannot be asked of a job in this state, and what can be done instead.
const fn why_not(what: Ask, state: JobState) -> (&'static str, &'static str) {
    use JobState as S;
    match (what, state) {
        (Ask::Cancel, S::Retiring) => (
            "It cannot be cancelled any more: the new server has already taken over.",
            "Let it finish; then move the artist back if you want to.",
        ),
        (Ask::Express, S::Running) => (
            "Only a job that still waits can be expedited; this one is at work already.",
            "There is nothing to do: it no longer waits.",
        ),
        (Ask::Cancel, S::Succeeded) => (
            "It cannot be cancelled any more: the artist has moved.",
            "Move the artist back if you want to.",
        ),
        (Ask::Cancel, S::Failed | S::Cancelled) => (
            "There is nothing to cancel: the move has ended, and everything is undone.",
            "The artist is where it was, and free.",
        ),
        (Ask::Cancel, S::Stuck) => (
            "There is nothing to cancel: the move has ended, and undoing it has failed.",
            "Mend what the job's error names, then retry: that undoes the rest.",
        ),
        (Ask::Cancel, _) => ("It cannot be cancelled now.", "Look at the job again."),
        (Ask::Express, S::Copying | S::Syncing | S::Cutover | S::Retiring) => (
            "Only a move that still waits can be expedited; this one is moving already.",
            "There is nothing to do: it no longer waits.",
        ),
        (Ask::Express, _) => (
            "Only a move that still waits can be expedited; this one has ended or is being undone.",
            "Retry it, or queue a new move, with priority express.",
        ),
        (Ask::Retry, S::Succeeded) => (
            "Only a move that failed, was cancelled or got stuck can be retried; this one \
             succeeded.",
            "Queue a new move to move the artist again.",
        ),
        (Ask::Retry, _) => (
            "Only a move that failed, was cancelled or got stuck can be retried; this one has not \
             ended.",
            "Wait until it has ended, or cancel it first.",
        ),
    }
}

/// Why a job was left as it was.
pub fn refused(error: InputError, id: JobId, what: Ask) -> Problem {
    match error {
        InputError::UnknownJob => Problem::not_found("job", id),
        InputError::Illegal(e) => {
            let (detail, remedy) = why_not(what, e.state);
            Problem::conflict("wrong_state", detail).remedy(remedy)
        }
        InputError::ArtistHeld => Problem::conflict("artist_held", "Another job holds the artist.")
            .remedy("Wait for it, or cancel it first."),
        InputError::HomeChanged => Problem::conflict(
            "home_changed",
            "The artist no longer lives on this job's source server.",
        )
        .remedy("Queue a new move instead."),
        InputError::SongHeld => {
            Problem::conflict("song_held", "Another job is making this song’s LOFI.")
                .remedy("Wait for it, or cancel it first.")
        }
        InputError::VerifyHeld => {
            Problem::conflict("verify_held", "Another job is verifying this artist.")
                .remedy("Wait for it, or cancel it first.")
        }
        InputError::ServerDeleted => {
            Problem::conflict("server_deleted", "A server of this job was deleted.")
                .remedy("Queue a new move, to another server.")
        }
        InputError::TargetDraining => Problem::conflict(
            "server_draining",
            "This job's target is being drained: it takes no more artists.",
        )
        .remedy("Queue a move to another server, or stop draining that one."),
        other => {
            tracing::error!(error = %other, job = %id, "job.refused_input");
            Problem::conflict("refused", format!("The job was left as it was: {other}."))
        }
    }
}

/// Asks something of a job; the API's and the pages' way.
pub async fn ask(app: &App, actor: &Actor, id: JobId, what: Ask) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    let by = &actor.by();
    let answer: Result<Result<Outcome, InputError>, StoreError> = match what {
        Ask::Cancel => app.store.cancel_job(id, by).await,
        Ask::Retry => app.store.retry_job(id, by).await,
        Ask::Express => app.store.express_job(id, by).await,
    };
    answer?.map_err(|e| refused(e, id, what))?;
    Ok(())
}

/// Cancels a job: it is undone, and its artist set free. 409 after the cutover.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = JobDetail), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
) -> Result<Json<JobDetail>, Problem> {
    ask(&app, &actor, id, Ask::Cancel).await?;
    read(&app, id).await.map(Json)
}

/// Tries a job again that failed, was cancelled or is stuck.
#[utoipa::path(post, path = "/jobs/{id}/retry", tag = "jobs", operation_id = "retry_job",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = JobDetail), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
) -> Result<Json<JobDetail>, Problem> {
    ask(&app, &actor, id, Ask::Retry).await?;
    read(&app, id).await.map(Json)
}

/// Lets a queued job overtake the backlog.
#[utoipa::path(post, path = "/jobs/{id}/express", tag = "jobs", operation_id = "express_job",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = JobDetail), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn express(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
) -> Result<Json<JobDetail>, Problem> {
    ask(&app, &actor, id, Ask::Express).await?;
    read(&app, id).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_domain::IllegalTransition;

    #[test]
    fn a_refusal_speaks_of_the_artist_and_not_of_our_states() {
        for state in JobState::ALL {
            for (what, trigger) in [
                (Ask::Cancel, tourbus_domain::Trigger::Abort),
                (Ask::Express, tourbus_domain::Trigger::Started),
                (Ask::Retry, tourbus_domain::Trigger::Retry),
            ] {
                let error = InputError::Illegal(IllegalTransition { state, trigger });
                let problem = refused(error, JobId::new(), what);
                for text in [&problem.detail, &problem.remedy] {
                    assert!(text.ends_with('.'), "{text}");
                    for word in ["retiring", "syncing", "cutover", "rolling", "Abort", "Started"] {
                        assert!(!text.contains(word), "{state} {what:?}: {text}");
                    }
                }
            }
        }
        let late = InputError::Illegal(IllegalTransition {
            state: JobState::Retiring,
            trigger: tourbus_domain::Trigger::Abort,
        });
        let problem = refused(late, JobId::new(), Ask::Cancel);
        assert!(problem.detail.contains("the new server has already taken over"));
    }
}
