//! `/queues/dead`: messages that the broker took off its queues for good.

use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Body, BodyOr, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tourbus_store::{DeadLetterQuery, DeadLetterRow, Requeueing, SUPERSEDED, UNREADABLE};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Longest value that a filter may have, in characters.
const TEXT_CHARS_MAX: usize = 100;
/// How long a request waits for the coordinator to take a letter up.
const REQUEUE_PATIENCE: Duration = Duration::from_secs(5);
/// Between looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
    #[schema(value_type = Value)]
    pub body: Value,
    /// Its size in bytes.
    pub bytes: u64,
    /// `waiting`, or `requeueing` until the coordinator has taken it up.
    pub state: String,
    /// Why the last requeue did not work: `superseded`, `unreadable`, or why an event was refused
    /// again; null if there was none.
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

/// Why a letter could not be requeued, in words, and what to do.
pub fn refused(note: &str) -> (String, &'static str) {
    match note {
        SUPERSEDED => (
            "Nothing waits for this message: its job has gone on without it, has ended, or is \
             paused."
                .to_owned(),
            "Discard it; what is paused is sent anew when it is resumed.",
        ),
        UNREADABLE => (
            "This message names no step of a job that the master has signed for.".to_owned(),
            "Read it, find out who sent it, then discard it.",
        ),
        why => (format!("Read again, and refused again: {why}."), "Discard it."),
    }
}

/// Requeues one letter; the API's and the pages' way. Whether the coordinator has taken it up by
/// now.
pub async fn requeue_one(app: &App, actor: &Actor, id: Uuid) -> Result<bool, Problem> {
    actor.require(Right::Steer)?;
    if !app.store.requeue_dead_letter(id, &actor.by()).await? {
        return Err(Problem::not_found("dead letter that waits", id));
    }
    let deadline = tokio::time::Instant::now() + REQUEUE_PATIENCE;
    loop {
        match app.store.requeueing(id).await? {
            Requeueing::Done => return Ok(true),
            Requeueing::Pending if tokio::time::Instant::now() >= deadline => return Ok(false),
            Requeueing::Pending => tokio::time::sleep(LOOK_EVERY).await,
            Requeueing::Unknown => return Err(Problem::not_found("dead letter that waits", id)),
            Requeueing::Refused(note) => {
                let code = match &*note {
                    SUPERSEDED => "superseded",
                    UNREADABLE => "unreadable",
                    _ => "refused_again",
                };
                let (detail, remedy) = refused(&note);
                return Err(Problem::conflict(code, detail).remedy(remedy));
            }
        }
    }
}

/// Has the coordinator send the order of a dead letter again, as a new message with a new epoch;
/// or read an event again.
#[utoipa::path(post, path = "/queues/dead/{id}/requeue", tag = "queues",
    operation_id = "requeue_dead_letter", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Requeued."),
        (status = 202, description = "The coordinator has yet to take it up."),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn requeue(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    Ok(if requeue_one(&app, &actor, id).await? {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::ACCEPTED
    })
}

/// Discards one letter; the API's and the pages' way.
pub async fn discard_one(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    if app.store.discard_dead_letter(id, &actor.by()).await? {
        Ok(())
    } else {
        Err(Problem::not_found("dead letter that waits", id))
    }
}

/// Throws a dead letter away.
#[utoipa::path(post, path = "/queues/dead/{id}/discard", tag = "queues",
    operation_id = "discard_dead_letter", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn discard(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    discard_one(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
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

impl DeadBody {
    fn query(&self) -> Result<DeadLetterQuery, Problem> {
        query(self.server.as_deref(), self.fault.as_deref(), self.reason.as_deref())
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct DeadResult {
    /// Letters that matched.
    pub letters: u64,
}

/// Has all that match requeued; the API's and the pages' way.
pub async fn requeue_matching(app: &App, actor: &Actor, body: &DeadBody) -> Result<u64, Problem> {
    actor.require(Right::Steer)?;
    Ok(app.store.requeue_dead_letters(&body.query()?, &actor.by()).await?)
}

/// Discards all that match; the API's and the pages' way.
pub async fn discard_matching(app: &App, actor: &Actor, body: &DeadBody) -> Result<u64, Problem> {
    actor.require(Right::Steer)?;
    Ok(app.store.discard_dead_letters(&body.query()?, &actor.by()).await?)
}

/// Has the coordinator requeue every dead letter that matches; what cannot be is in the list
/// again, with a note.
#[utoipa::path(post, path = "/queues/dead/requeue", tag = "queues",
    operation_id = "requeue_dead_letters", request_body = Option<DeadBody>,
    responses((status = 202, body = DeadResult), (status = 400, body = Problem), (status = 422, body = Problem),
        (status = 403, body = Problem)))]
pub async fn requeue_all(
    State(app): State<App>,
    actor: Actor,
    BodyOr(body): BodyOr<DeadBody>,
) -> Result<(StatusCode, Json<DeadResult>), Problem> {
    let letters = requeue_matching(&app, &actor, &body).await?;
    Ok((StatusCode::ACCEPTED, Json(DeadResult { letters })))
}

/// Throws away every dead letter that matches; `{}` means all.
#[utoipa::path(post, path = "/queues/dead/discard", tag = "queues",
    operation_id = "discard_dead_letters", request_body = DeadBody,
    responses((status = 200, body = DeadResult), (status = 400, body = Problem), (status = 422, body = Problem),
        (status = 403, body = Problem)))]
pub async fn discard_all(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<DeadBody>,
) -> Result<Json<DeadResult>, Problem> {
    let letters = discard_matching(&app, &actor, &body).await?;
    Ok(Json(DeadResult { letters }))
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
