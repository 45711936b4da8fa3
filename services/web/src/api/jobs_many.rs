//! `/jobs/{cancel|retry|express}`: the same of many jobs at once.

use super::{
    jobs::{self, Ask, ListParams},
    selection::{self, Selection},
};
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::{self, Body},
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tourbus_domain::JobId;
use tourbus_store::{JOBS_PER_ASK_MAX, JobAsk, JobsWhich};
use utoipa::ToSchema;
use uuid::Uuid;

/// Jobs whose outcome is told one by one; beyond that they are only counted.
const TOLD_MAX: usize = 1000;

/// Which jobs, as in `GET /jobs`; nothing means all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobFilter {
    /// Of this batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
    /// In this state, or in one of several, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// From or to this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<Uuid>,
    /// Of artists with this in their name, or of the one with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Of batches that this person asked for: an email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Queued at this time (RFC 3339) or later.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "extract::moment")]
    pub since: Option<DateTime<Utc>>,
    /// Queued before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "extract::moment")]
    pub until: Option<DateTime<Utc>>,
}

impl From<JobFilter> for ListParams {
    fn from(filter: JobFilter) -> Self {
        let JobFilter { batch_id, state, kind, server_id, artist, requested_by, since, until } =
            filter;
        Self {
            batch_id,
            state,
            kind,
            server_id,
            artist,
            requested_by,
            since,
            until,
            limit: None,
            cursor: None,
        }
    }
}

/// Which jobs: by their ids, or by a filter.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobsBody {
    /// These; at most 10000.
    pub ids: Option<Vec<Uuid>>,
    /// All that fit, and of which it can be asked: to cancel what is open before its cutover, to
    /// expedite what waits, to retry what failed or is stuck (and what was cancelled, if `state`
    /// names it).
    pub filter: Option<JobFilter>,
    /// Only say how many that is.
    pub dry_run: bool,
}

/// Why some jobs were left as they were.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobsRefusal {
    /// Stable name of the reason.
    pub code: &'static str,
    /// What it means.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    /// How many jobs.
    pub jobs: u64,
}

/// What came of one job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobOutcome {
    /// The job.
    pub id: Uuid,
    /// `done`, `unchanged` (it was so already) or `refused`.
    pub outcome: &'static str,
    /// Why it was refused: the `code` of a reason; null if it was not.
    pub code: Option<&'static str>,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct JobsResult {
    /// Jobs that it was asked of; in a dry run, would be: counted up to 1000000.
    pub matched: u64,
    /// Jobs that have changed.
    pub done: u64,
    /// Jobs that were so already.
    pub unchanged: u64,
    /// Jobs that were left as they were.
    pub refused: u64,
    /// Why, the most frequent reason first.
    pub refused_reasons: Vec<JobsRefusal>,
    /// The first 1000, one by one.
    pub jobs: Vec<JobOutcome>,
    /// More fit than are taken at once: ask again.
    pub more: bool,
    /// When it was counted: as `until`, it keeps out what is queued from then on. Null unless in a dry
    /// run by a filter.
    pub as_of: Option<DateTime<Utc>>,
}

/// Jobs that a dry run counts at most.
const COUNT_MAX: u32 = 1_000_000;

const fn to_store(what: Ask) -> JobAsk {
    match what {
        Ask::Cancel => JobAsk::Cancel,
        Ask::Retry => JobAsk::Retry,
        Ask::Express => JobAsk::Express,
    }
}

fn which(body: JobsBody) -> Result<(JobsWhich, serde_json::Value), Problem> {
    let (which, note) =
        selection::read("jobs", body.ids.as_deref(), body.filter, JOBS_PER_ASK_MAX)?;
    let which = match which {
        Selection::Ids(ids) => JobsWhich::Ids(ids.into_iter().map(JobId).collect()),
        Selection::Filter(filter) => JobsWhich::Fitting(Box::new(jobs::query(&filter.into())?)),
    };
    Ok((which, note))
}

/// Asks something of many jobs; the API's and the pages' way.
pub async fn ask(
    app: &App,
    actor: &Actor,
    what: Ask,
    body: JobsBody,
) -> Result<JobsResult, Problem> {
    actor.require(Right::Steer)?;
    let dry_run = body.dry_run;
    let (which, note) = which(body)?;
    if dry_run {
        let as_of = matches!(which, JobsWhich::Fitting(_)).then(Utc::now);
        let matched = match &which {
            JobsWhich::Ids(ids) => ids.len() as u64,
            JobsWhich::Fitting(query) => {
                app.store.count_jobs_for(to_store(what), query, COUNT_MAX).await?
            }
        };
        return Ok(JobsResult { matched, as_of, ..JobsResult::default() });
    }
    // Who hangs up has asked all the same, and it is noted who that was.
    let (store, by) = (app.store.clone(), actor.by());
    let asked =
        tokio::spawn(async move { store.ask_jobs(to_store(what), &which, &by, note).await })
            .await
            .map_err(|error| Problem::internal(&error))??;
    let mut result = JobsResult { more: asked.more, ..JobsResult::default() };
    let mut reasons: BTreeMap<(&'static str, String), JobsRefusal> = BTreeMap::new();
    for (id, outcome) in asked.jobs {
        result.matched += 1;
        let (word, code) = match outcome {
            Ok(true) => ("done", None),
            Ok(false) => ("unchanged", None),
            Err(error) => {
                let Problem { code, detail, remedy, .. } = jobs::refused(error, id, what);
                // Its detail names the job: one reason all the same.
                let detail = match code {
                    "not_found" => "No job has this id.".to_owned(),
                    _ => detail,
                };
                let reason = reasons.entry((code, detail.clone()));
                let new = JobsRefusal { code, detail, remedy, jobs: 0 };
                reason.or_insert(new).jobs += 1;
                ("refused", Some(code))
            }
        };
        match word {
            "done" => result.done += 1,
            "unchanged" => result.unchanged += 1,
            _ => result.refused += 1,
        }
        if result.jobs.len() < TOLD_MAX {
            result.jobs.push(JobOutcome { id: id.0, outcome: word, code });
        }
    }
    result.refused_reasons = reasons.into_values().collect();
    result.refused_reasons.sort_by_key(|r| std::cmp::Reverse(r.jobs));
    Ok(result)
}

/// Cancels many jobs, a few hundred in each transaction. Asking again is harmless.
#[utoipa::path(post, path = "/jobs/cancel", tag = "jobs", operation_id = "cancel_jobs",
    request_body = JobsBody,
    responses((status = 200, body = JobsResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<JobsBody>,
) -> Result<Json<JobsResult>, Problem> {
    ask(&app, &actor, Ask::Cancel, body).await.map(Json)
}

/// Tries many jobs again, likewise.
#[utoipa::path(post, path = "/jobs/retry", tag = "jobs", operation_id = "retry_jobs",
    request_body = JobsBody,
    responses((status = 200, body = JobsResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<JobsBody>,
) -> Result<Json<JobsResult>, Problem> {
    ask(&app, &actor, Ask::Retry, body).await.map(Json)
}

/// Lets many jobs overtake the backlog, likewise.
#[utoipa::path(post, path = "/jobs/express", tag = "jobs", operation_id = "express_jobs",
    request_body = JobsBody,
    responses((status = 200, body = JobsResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn express(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<JobsBody>,
) -> Result<Json<JobsResult>, Problem> {
    ask(&app, &actor, Ask::Express, body).await.map(Json)
}
