//! `/batches/{pause|resume|cancel|retry}`: the same of many batches at once.

use super::{
    batches::{self, BatchParams},
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
use tourbus_domain::BatchId;
use tourbus_store::{
    BATCHES_PER_ASK_MAX, BatchAsk, BatchOutcome as Outcome, BatchRefused, BatchesAsked,
    BatchesWhich,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which batches, as in `GET /batches`; nothing means all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchFilter {
    /// `open`, `paused` (both are not finished) or `finished`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// To this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<Uuid>,
    /// With a job of an artist with this in their name, or of the one with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// Asked for by this person: an email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Asked for at this time (RFC 3339) or later.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "extract::moment")]
    pub since: Option<DateTime<Utc>>,
    /// Asked for before this time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "extract::moment")]
    pub until: Option<DateTime<Utc>>,
}

impl From<BatchFilter> for BatchParams {
    fn from(filter: BatchFilter) -> Self {
        let BatchFilter { state, kind, server_id, artist, requested_by, since, until } = filter;
        Self {
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

/// Which batches: by their ids, or by a filter.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchesBody {
    /// These; at most 1000.
    pub ids: Option<Vec<Uuid>>,
    /// All that fit, and of which it can be asked: to pause what is open and not paused, to resume
    /// what is paused, to cancel what has jobs before their cutover, to retry what has jobs that
    /// failed or are stuck.
    pub filter: Option<BatchFilter>,
    /// Only for a retry: also jobs that were cancelled.
    pub include_cancelled: bool,
    /// Only say how many that is.
    pub dry_run: bool,
}

/// Why some batches were left as they were.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchesRefusal {
    /// Stable name of the reason.
    pub code: &'static str,
    /// What it means.
    pub detail: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// How many batches.
    pub batches: u64,
}

/// What came of one batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchOutcome {
    /// The batch.
    pub id: Uuid,
    /// `done`, `unchanged` (it was so already), `refused`, or `broke_off`: a part of it may have
    /// changed.
    pub outcome: &'static str,
    /// Jobs of it that have changed.
    pub jobs: u64,
    /// Why it was refused: the `code` of a reason; null if it was not.
    pub code: Option<&'static str>,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct BatchesResult {
    /// Batches that it was asked of; in a dry run, of which it can be asked.
    pub matched: u64,
    /// Jobs of these that have changed; in a dry run, that are concerned.
    pub jobs: u64,
    /// Jobs of batches that have changed which were meant, and left as they were: they have gone
    /// too far, are still being undone, or another job holds their artist.
    pub jobs_left: u64,
    /// Batches that have changed.
    pub done: u64,
    /// Batches that were so already.
    pub unchanged: u64,
    /// Batches that were left as they were.
    pub refused: u64,
    /// Why, the most frequent reason first.
    pub refused_reasons: Vec<BatchesRefusal>,
    /// One by one, in the order in which they were asked.
    pub batches: Vec<BatchOutcome>,
    /// Not all were asked: ask again.
    pub more: bool,
    /// As `until` of the next request, it goes on where this one ended. Null unless there are more
    /// that fit a filter.
    pub rest_until: Option<DateTime<Utc>>,
    /// Why it ended early; null if it did not. What is told here of batches is so all the same.
    pub broke_off: Option<Problem>,
    /// When it was counted: as `until`, it keeps out what is asked for from then on. Null unless in
    /// a dry run by a filter.
    pub as_of: Option<DateTime<Utc>>,
}

/// Why it is refused: code, what it means, what to do.
const fn why(refused: BatchRefused) -> (&'static str, &'static str, &'static str) {
    match refused {
        BatchRefused::Unknown => {
            ("not_found", "No batch has this id.", "Check the id; it may also have been deleted.")
        }
        BatchRefused::Ended => (
            "wrong_state",
            "The batch has ended: there is nothing to hold back, to go on with or to cancel.",
            "Look at the batch again.",
        ),
        BatchRefused::TooLate => (
            "too_late",
            "What is open of the batch cannot be cancelled any more: the new server has already \
             taken over.",
            "Let it finish; then move the artists back if you want to.",
        ),
        BatchRefused::NothingFailed => (
            "nothing_failed",
            "Nothing of the batch has failed or is stuck.",
            "Look at the batch again; what was cancelled is retried on request only.",
        ),
        BatchRefused::Undoing => (
            "undoing",
            "What is to be retried is still being undone.",
            "Retry when that has ended.",
        ),
        BatchRefused::JobsRefused => (
            "jobs_refused",
            "None of its jobs can be retried: another job holds the artist, the artist has moved \
             since, or a server takes no more.",
            "Open the batch and retry a job there: it says which.",
        ),
    }
}

fn which(body: &BatchesBody, what: BatchAsk) -> Result<(BatchesWhich, serde_json::Value), Problem> {
    if body.include_cancelled && !matches!(what, BatchAsk::Retry { .. }) {
        let detail = "`include_cancelled` has a meaning for a retry only.";
        return Err(selection::bad(detail, "Leave it out, or ask for a retry."));
    }
    let filter = body.filter.as_ref();
    let (which, note) =
        selection::read("batches", body.ids.as_deref(), filter, BATCHES_PER_ASK_MAX)?;
    let which = match which {
        Selection::Ids(ids) => BatchesWhich::Ids(ids.into_iter().map(BatchId).collect()),
        Selection::Filter(filter) => {
            BatchesWhich::Fitting(Box::new(batches::query(&filter.clone().into())?))
        }
    };
    Ok((which, note))
}

/// Asks something of many batches; the API's and the pages' way.
pub async fn ask(
    app: &App,
    actor: &Actor,
    what: BatchAsk,
    body: &BatchesBody,
) -> Result<BatchesResult, Problem> {
    actor.require(Right::Steer)?;
    let (which, note) = which(body, what)?;
    if body.dry_run {
        let as_of = matches!(which, BatchesWhich::Fitting(_)).then(Utc::now);
        let counted = app.store.count_batches_for(what, &which).await?;
        let (matched, jobs) = (counted.batches.unsigned_abs(), counted.jobs.unsigned_abs());
        return Ok(BatchesResult { matched, jobs, as_of, ..BatchesResult::default() });
    }
    // Who hangs up has asked all the same, and it is noted who that was.
    let (store, by) = (app.store.clone(), actor.by());
    let asked = tokio::spawn(async move { store.ask_batches(what, &which, &by, note).await })
        .await
        .map_err(|error| Problem::internal(&error))?;
    told(asked)
}

/// What came of it. An error only if it broke off before anything was done.
fn told(asked: BatchesAsked) -> Result<BatchesResult, Problem> {
    let whole = asked.batches.iter().any(|b| b.outcome != Outcome::BrokeOff);
    let broke_off = match asked.broke_off.map(Problem::from) {
        Some(problem) if !whole => return Err(problem),
        other => other,
    };
    let mut result = BatchesResult {
        more: asked.more,
        rest_until: asked.rest_until,
        broke_off,
        ..BatchesResult::default()
    };
    let mut reasons: BTreeMap<&'static str, BatchesRefusal> = BTreeMap::new();
    for one in asked.batches {
        result.matched += 1;
        result.jobs += one.jobs;
        let (outcome, code) = match one.outcome {
            Outcome::Done => ("done", None),
            Outcome::Unchanged => ("unchanged", None),
            Outcome::BrokeOff => ("broke_off", None),
            Outcome::Refused(refused) => {
                let (code, detail, remedy) = why(refused);
                let new = BatchesRefusal { code, detail, remedy, batches: 0 };
                reasons.entry(code).or_insert(new).batches += 1;
                ("refused", Some(code))
            }
        };
        match outcome {
            "done" => {
                result.done += 1;
                result.jobs_left += one.jobs_left;
            }
            "unchanged" => result.unchanged += 1,
            "refused" => result.refused += 1,
            _ => {}
        }
        result.batches.push(BatchOutcome { id: one.id.0, outcome, jobs: one.jobs, code });
    }
    result.refused_reasons = reasons.into_values().collect();
    result.refused_reasons.sort_by_key(|r| std::cmp::Reverse(r.batches));
    Ok(result)
}

/// Holds back what is queued of many batches, one after the other. Asking again is harmless.
#[utoipa::path(post, path = "/batches/pause", tag = "batches", operation_id = "pause_batches",
    request_body = BatchesBody,
    responses((status = 200, body = BatchesResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<BatchesBody>,
) -> Result<Json<BatchesResult>, Problem> {
    ask(&app, &actor, BatchAsk::Pause, &body).await.map(Json)
}

/// Goes on with many batches that were held back, likewise.
#[utoipa::path(post, path = "/batches/resume", tag = "batches", operation_id = "resume_batches",
    request_body = BatchesBody,
    responses((status = 200, body = BatchesResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<BatchesBody>,
) -> Result<Json<BatchesResult>, Problem> {
    ask(&app, &actor, BatchAsk::Resume, &body).await.map(Json)
}

/// Cancels every job of many batches that is not past its cutover, likewise.
#[utoipa::path(post, path = "/batches/cancel", tag = "batches", operation_id = "cancel_batches",
    request_body = BatchesBody,
    responses((status = 200, body = BatchesResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<BatchesBody>,
) -> Result<Json<BatchesResult>, Problem> {
    ask(&app, &actor, BatchAsk::Cancel, &body).await.map(Json)
}

/// Tries every job of many batches again that failed or is stuck, likewise.
#[utoipa::path(post, path = "/batches/retry", tag = "batches", operation_id = "retry_batches",
    request_body = BatchesBody,
    responses((status = 200, body = BatchesResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<BatchesBody>,
) -> Result<Json<BatchesResult>, Problem> {
    let what = BatchAsk::Retry { include_cancelled: body.include_cancelled };
    ask(&app, &actor, what, &body).await.map(Json)
}
