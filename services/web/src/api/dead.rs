//! `/queues/dead`: messages that the broker took off its queues for good.

use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Body, BodyOr, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tourbus_store::{DeadLetterQuery, DeadLetterRow, Requeued};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Longest value that a filter may have, in characters.
const TEXT_CHARS_MAX: usize = 100;

/// A dead letter.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// Its id.
    pub id: Uuid,
    /// When the broker took it off its queue.
    pub died_at: DateTime<Utc>,
    /// Off which queue.
    pub queue: String,
    /// Whose lane that was; null if it was none.
    pub server_slug: Option<String>,
    /// Which lane.
    pub lane: Option<String>,
    /// The broker's word for it: `rejected`, `delivery_limit`, `expired` or `maxlen`.
    pub reason: String,
    /// What is wrong with it: a stable name.
    pub fault: String,
    /// The same in words.
    pub detail: String,
    /// `work` (an order to a server) or `event` (what a server told).
    pub sort: String,
    /// The step's kind or the event's name; null where it cannot be read.
    pub kind: Option<String>,
    /// The job that it is about; null where it cannot be read, or is not to be believed.
    pub job_id: Option<Uuid>,
    /// That job's artist.
    pub artist_name: Option<String>,
    /// What the broker noted on it.
    #[schema(value_type = Object)]
    pub headers: Value,
    /// The message: its JSON, with a signed order unfolded; or its text if it is no JSON.
    #[schema(value_type = Object)]
    pub body: Value,
    /// Its size in bytes.
    pub bytes: u64,
    /// `waiting`, or `requeueing` while the coordinator reads an event again.
    pub state: String,
    /// Why the last requeue did not work; null if there was none.
    pub note: Option<String>,
}

impl From<DeadLetterRow> for DeadLetterView {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            id: row.id,
            died_at: row.died_at,
            queue: row.queue,
            server_slug: row.server_slug,
            lane: row.lane,
            reason: row.reason,
            fault: row.fault,
            detail: row.detail,
            sort: row.sort,
            kind: row.kind,
            job_id: row.job_id,
            artist_name: row.artist_name,
            headers: row.headers,
            bytes: row.body.len() as u64,
            body: decoded(&row.body),
            state: row.state,
            note: row.note,
        }
    }
}

/// JSON, with the order inside a signed message unfolded; else text.
fn decoded(body: &[u8]) -> Value {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return Value::String(String::from_utf8_lossy(body).into_owned());
    };
    if let Some(inner) = value.get("work").and_then(Value::as_str)
        && let Ok(inner) = serde_json::from_str(inner)
    {
        value["work"] = inner;
    }
    value
}

/// Which letters; all of it may be left out.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DeadParams {
    /// Off the lanes of the server with this slug.
    pub server: Option<String>,
    /// With this fault.
    pub fault: Option<String>,
    /// With this reason of the broker's.
    pub reason: Option<String>,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

fn word(name: &str, value: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(value) = value.filter(|v| !v.is_empty()) else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if value.chars().count() > TEXT_CHARS_MAX || !value.chars().all(plain) {
        return Err(Problem::bad_request("bad_filter", format!("`{name}` is {value:?}."))
            .remedy("Use a value that a letter of the list has."));
    }
    Ok(Some(value.to_owned()))
}

fn query(
    server: Option<&str>,
    fault: Option<&str>,
    reason: Option<&str>,
) -> Result<DeadLetterQuery, Problem> {
    Ok(DeadLetterQuery {
        server_slug: word("server", server)?,
        fault: word("fault", fault)?,
        reason: word("reason", reason)?,
        ..DeadLetterQuery::default()
    })
}

/// One page; the API's and the pages' way.
pub async fn page(app: &App, params: &DeadParams) -> Result<Page<DeadLetterView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let (server, fault, reason) = (&params.server, &params.fault, &params.reason);
    let query = DeadLetterQuery {
        after: cursor::unpack_newest(params.cursor.as_deref())?,
        limit: limit + 1,
        ..query(server.as_deref(), fault.as_deref(), reason.as_deref())?
    };
    let rows = app.store.dead_letters(&query).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack_newest(r.died_at, r.id), DeadLetterView::from))
}

/// Dead letters that wait for somebody, the latest first.
#[utoipa::path(get, path = "/queues/dead", tag = "queues", operation_id = "list_dead_letters",
    params(DeadParams),
    responses((status = 200, body = Page<DeadLetterView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<DeadParams>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// Requeues one letter; the API's and the pages' way.
pub async fn requeue_one(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    match app.store.requeue_dead_letter(id, &actor.by()).await? {
        Requeued::Done => Ok(()),
        Requeued::Unknown => Err(Problem::not_found("dead letter that waits", id)),
        Requeued::Superseded => Err(Problem::conflict(
            "superseded",
            "Nothing waits for this message: its job has gone on without it, has ended, or is paused.",
        )
        .remedy("Discard it; what is paused is sent anew when it is resumed.")),
        Requeued::Unreadable => Err(Problem::conflict(
            "unreadable",
            "This message names no step of a job that the master has signed for.",
        )
        .remedy("Read it, find out who sent it, then discard it.")),
    }
}

/// Sends the order of a dead letter again, as a new message with a new epoch; or has the
/// coordinator read an event again.
#[utoipa::path(post, path = "/queues/dead/{id}/requeue", tag = "queues",
    operation_id = "requeue_dead_letter", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn requeue(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<axum::http::StatusCode, Problem> {
    requeue_one(&app, &actor, id).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Discards one letter; the API's and the pages' way.
pub async fn discard_one(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    let all = DeadLetterQuery::default();
    match app.store.discard_dead_letters(Some(id), &all, &actor.by()).await? {
        0 => Err(Problem::not_found("dead letter that waits", id)),
        _ => Ok(()),
    }
}

/// Throws a dead letter away.
#[utoipa::path(post, path = "/queues/dead/{id}/discard", tag = "queues",
    operation_id = "discard_dead_letter", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn discard(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<axum::http::StatusCode, Problem> {
    discard_one(&app, &actor, id).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Which letters to settle; nothing means all.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadBody {
    /// Off the lanes of the server with this slug.
    pub server: Option<String>,
    /// With this fault.
    pub fault: Option<String>,
    /// With this reason of the broker's.
    pub reason: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct DeadResult {
    /// Letters that are settled.
    pub done: u64,
    /// Letters that cannot be requeued: nothing waits for them, or they cannot be read.
    pub refused: u64,
}

/// Requeues all that match; the API's and the pages' way.
pub async fn requeue_matching(
    app: &App,
    actor: &Actor,
    body: &DeadBody,
) -> Result<DeadResult, Problem> {
    actor.require(Right::Steer)?;
    let query = query(body.server.as_deref(), body.fault.as_deref(), body.reason.as_deref())?;
    let (done, refused) = app.store.requeue_dead_letters(&query, &actor.by()).await?;
    Ok(DeadResult { done, refused })
}

/// Discards all that match; the API's and the pages' way.
pub async fn discard_matching(
    app: &App,
    actor: &Actor,
    body: &DeadBody,
) -> Result<DeadResult, Problem> {
    actor.require(Right::Steer)?;
    let query = query(body.server.as_deref(), body.fault.as_deref(), body.reason.as_deref())?;
    let done = app.store.discard_dead_letters(None, &query, &actor.by()).await?;
    Ok(DeadResult { done, refused: 0 })
}

/// Requeues every dead letter that matches, at most 1000.
#[utoipa::path(post, path = "/queues/dead/requeue", tag = "queues",
    operation_id = "requeue_dead_letters", request_body = Option<DeadBody>,
    responses((status = 200, body = DeadResult), (status = 403, body = Problem)))]
pub async fn requeue_all(
    State(app): State<App>,
    actor: Actor,
    BodyOr(body): BodyOr<DeadBody>,
) -> Result<Json<DeadResult>, Problem> {
    requeue_matching(&app, &actor, &body).await.map(Json)
}

/// Throws away every dead letter that matches, at most 1000; `{}` means all.
#[utoipa::path(post, path = "/queues/dead/discard", tag = "queues",
    operation_id = "discard_dead_letters", request_body = DeadBody,
    responses((status = 200, body = DeadResult), (status = 403, body = Problem)))]
pub async fn discard_all(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<DeadBody>,
) -> Result<Json<DeadResult>, Problem> {
    discard_matching(&app, &actor, &body).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_signed_order_is_unfolded_and_what_is_no_json_is_text() {
        let body = br#"{"key_id":"k","work":"{\"epoch\":3}","signature":"s"}"#;
        assert_eq!(decoded(body)["work"], json!({ "epoch": 3 }));
        assert_eq!(decoded(b"rubbish \xff"), json!("rubbish \u{fffd}"));
        assert_eq!(decoded(br#"{"work":"no json"}"#), json!({ "work": "no json" }));
    }

    #[test]
    fn a_filter_is_a_word() {
        assert_eq!(word("fault", Some("bad_key")).unwrap().as_deref(), Some("bad_key"));
        assert_eq!(word("fault", Some("")).unwrap(), None);
        assert_eq!(word("fault", Some("a b")).unwrap_err().code, "bad_filter");
    }
}
