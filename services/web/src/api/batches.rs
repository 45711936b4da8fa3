//! `/batches`.

use super::{artists::PageParams, audit, jobs, view::BatchView};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{self, BodyOr, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ArtistId, BatchId, Refusal, ServerId};
use tourbus_store::{BatchQuery, BatchRetried, BatchStage, RefusalRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which batches; all of it may be left out.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct BatchParams {
    /// `open`, `paused` (both are not finished) or `finished`.
    pub state: Option<String>,
    /// Of this kind: `move`, `lofi` or `verify`.
    pub kind: Option<String>,
    /// To this server.
    pub server_id: Option<Uuid>,
    /// With a job of an artist with this in their name, or of the one with this id.
    pub artist: Option<String>,
    /// Asked for by this person: an email address.
    pub requested_by: Option<String>,
    /// Asked for at this time (RFC 3339) or later.
    #[serde(deserialize_with = "extract::moment")]
    pub since: Option<DateTime<Utc>>,
    /// Asked for before this time (RFC 3339).
    #[serde(deserialize_with = "extract::moment")]
    pub until: Option<DateTime<Utc>>,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

fn stage(text: Option<&str>) -> Result<Option<BatchStage>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some("open") => Ok(Some(BatchStage::Open)),
        Some("paused") => Ok(Some(BatchStage::Paused)),
        Some("finished") => Ok(Some(BatchStage::Ended)),
        Some(other) => Err(Problem::bad_request("bad_state", format!("`state` is {other:?}."))
            .remedy("Use open, paused or finished.")),
    }
}

/// Which batches these parameters mean, whatever the page.
pub fn query(params: &BatchParams) -> Result<BatchQuery, Problem> {
    Ok(BatchQuery {
        stage: stage(params.state.as_deref())?,
        kind: jobs::kind(params.kind.as_deref())?.map(|k| k.as_str().to_owned()),
        target_server_id: params.server_id.map(ServerId),
        artist: audit::text("artist", params.artist.as_deref())?,
        requested_by: audit::text("requested_by", params.requested_by.as_deref())?
            .map(|p| p.to_lowercase()),
        since: params.since,
        until: params.until,
        after: None,
        limit: 0,
    })
}

/// The batches that fit; the API's and the pages' way.
pub async fn page(app: &App, params: &BatchParams) -> Result<Page<BatchView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let query = BatchQuery {
        after: cursor::unpack_newest(params.cursor.as_deref())?,
        limit: limit + 1,
        ..query(params)?
    };
    let rows = app.store.batches(&query).await?;
    let page =
        Page::cut(rows, limit, |r| cursor::pack_newest(r.created_at, r.id), std::convert::identity);
    let items = BatchView::with_progress(&app.store, &app.feed, page.items).await?;
    Ok(Page { items, next_cursor: page.next_cursor })
}

/// One batch; the API's and the pages' way.
pub async fn read(app: &App, id: BatchId) -> Result<BatchView, Problem> {
    let mut found = BatchView::read(&app.store, &app.feed, &[id]).await?;
    found.pop().ok_or_else(|| Problem::not_found("batch", id))
}

/// Batches, the newest first.
#[utoipa::path(get, path = "/batches", tag = "batches", operation_id = "list_batches",
    params(BatchParams),
    responses((status = 200, body = Page<BatchView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<BatchParams>,
) -> Result<Json<Page<BatchView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// One batch.
#[utoipa::path(get, path = "/batches/{id}", tag = "batches", operation_id = "get_batch",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = BatchView), (status = 404, body = Problem)))]
pub async fn one(State(app): State<App>, Id(id): Id<BatchId>) -> Result<Json<BatchView>, Problem> {
    read(&app, id).await.map(Json)
}

/// An artist that a batch did not take.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Refusal)]
pub struct RefusalView {
    /// The artist.
    pub artist_id: Uuid,
    /// Its name; null if there is no such artist.
    pub artist_name: Option<String>,
    /// Stable name of the reason, as in the answer to `POST /moves`.
    pub reason: String,
    /// What it means and what to do.
    pub detail: &'static str,
}

impl From<RefusalRow> for RefusalView {
    fn from(row: RefusalRow) -> Self {
        let detail = explain(&row.reason);
        Self { artist_id: row.artist_id, artist_name: row.artist_name, reason: row.reason, detail }
    }
}

/// What a reason's stable name means and what to do.
pub fn explain(reason: &str) -> &'static str {
    let quoted = serde_json::Value::String(reason.to_owned());
    serde_json::from_value::<Refusal>(quoted).map_or("", Refusal::explain)
}

/// One page of refusals; the API's and the pages' way.
pub async fn refusal_page(
    app: &App,
    id: BatchId,
    params: &PageParams,
) -> Result<Page<RefusalView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let after: Option<Uuid> = params.cursor.as_deref().map(cursor::unpack).transpose()?;
    let rows = app.store.refusals(id, after.map(ArtistId), limit + 1).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack(&r.artist_id), RefusalView::from))
}

/// The artists that a batch did not take.
#[utoipa::path(get, path = "/batches/{id}/refusals", tag = "batches",
    operation_id = "list_refusals", params(("id" = Uuid, Path), PageParams),
    responses((status = 200, body = Page<RefusalView>), (status = 404, body = Problem)))]
pub async fn refusals(
    State(app): State<App>,
    Id(id): Id<BatchId>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<RefusalView>>, Problem> {
    read(&app, id).await?;
    refusal_page(&app, id, &params).await.map(Json)
}

/// What came of cancelling a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CancelResult {
    /// Jobs that this cancel has begun to undo.
    pub cancelled: u64,
    /// Jobs that could not be cancelled any more: their new server has taken over, and they are
    /// about to finish as moved. Jobs that had finished before are not counted, nor are jobs that
    /// were being undone already.
    pub too_late: u64,
    /// The batch afterwards.
    pub batch: BatchView,
}

/// Cancels every job of a batch that is not past its cutover.
#[utoipa::path(post, path = "/batches/{id}/cancel", tag = "batches",
    operation_id = "cancel_batch", params(("id" = Uuid, Path)),
    responses((status = 200, body = CancelResult), (status = 404, body = Problem)))]
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Json<CancelResult>, Problem> {
    actor.require(Right::Steer)?;
    read(&app, id).await?;
    let done = app.store.cancel_batch(id, &actor.by()).await?;
    let batch = read(&app, id).await?;
    Ok(Json(CancelResult { cancelled: done.cancelled, too_late: done.too_late, batch }))
}

/// Holds a batch back or lets it go; the API's and the pages' way.
pub async fn hold(
    app: &App,
    actor: &Actor,
    id: BatchId,
    pause: bool,
) -> Result<BatchView, Problem> {
    actor.require(Right::Steer)?;
    read(app, id).await?;
    // Who hangs up has asked all the same: the walk over the jobs goes on to its end.
    let (store, by) = (app.store.clone(), actor.by());
    let held = tokio::spawn(async move { store.pause_batch(id, pause, &by).await })
        .await
        .map_err(|error| Problem::internal(&error))??;
    if held.is_none() {
        let detail = "This batch has ended: there is nothing to hold back or to go on with.";
        return Err(Problem::conflict("wrong_state", detail).remedy("Look at the batch again."));
    }
    read(app, id).await
}

/// Holds back what is queued of a batch. What has begun goes on to its end.
#[utoipa::path(post, path = "/batches/{id}/pause", tag = "batches",
    operation_id = "pause_batch", params(("id" = Uuid, Path)),
    responses((status = 200, body = BatchView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Json<BatchView>, Problem> {
    hold(&app, &actor, id, true).await.map(Json)
}

/// Goes on with a batch that was held back.
#[utoipa::path(post, path = "/batches/{id}/resume", tag = "batches",
    operation_id = "resume_batch", params(("id" = Uuid, Path)),
    responses((status = 200, body = BatchView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn resume(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
) -> Result<Json<BatchView>, Problem> {
    hold(&app, &actor, id, false).await.map(Json)
}

/// What to retry.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBody {
    /// Also jobs that were cancelled; without it only those that failed or are stuck.
    pub include_cancelled: bool,
}

/// What came of retrying a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RetryResult {
    /// Jobs that are queued again.
    pub retried: u64,
    /// Jobs that could not be: another job holds the artist, or its home has changed.
    pub refused: u64,
    /// Jobs that are still being undone, and can be retried when that has ended.
    pub undoing: u64,
    /// The batch afterwards.
    pub batch: BatchView,
}

/// Tries every job of a batch again that failed or is stuck; on request also what was cancelled.
/// The body may be left out.
#[utoipa::path(post, path = "/batches/{id}/retry", tag = "batches",
    operation_id = "retry_batch", params(("id" = Uuid, Path)),
    request_body = Option<RetryBody>,
    responses((status = 200, body = RetryResult), (status = 404, body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<BatchId>,
    BodyOr(body): BodyOr<RetryBody>,
) -> Result<Json<RetryResult>, Problem> {
    actor.require(Right::Steer)?;
    read(&app, id).await?;
    let done = app.store.retry_batch(id, body.include_cancelled, &actor.by()).await?;
    let batch = read(&app, id).await?;
    let BatchRetried { retried, refused, undoing } = done;
    Ok(Json(RetryResult { retried, refused, undoing, batch }))
}
