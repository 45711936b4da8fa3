//! `/moves`: queue moves.

use crate::{
    app::App,
    auth::{Actor, Right},
    extract::Body,
    problem::Problem,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::{ArtistId, Refusal, ServerId};
use tourbus_store::{Matching, MoveAnswer, MoveRequest, Once};
use utoipa::ToSchema;
use uuid::Uuid;

/// Artists in one request at most.
pub const ARTISTS_MAX: u32 = 50_000;
/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// A reason, as it is kept.
pub fn reason(text: &str) -> Result<String, Problem> {
    if text.chars().count() > REASON_CHARS_MAX || text.contains('\0') {
        return Err(Problem::unprocessable("bad_reason", "`reason` is too long, or has a NUL.")
            .remedy(format!("Use at most {REASON_CHARS_MAX} characters."))
            .field("reason"));
    }
    Ok(text.trim().to_owned())
}

/// Artists, described instead of listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Part of the name, any case; empty means every name.
    pub filter: String,
    /// Only those who live here.
    pub server_id: Option<Uuid>,
    /// But not these.
    pub except_ids: Vec<Uuid>,
}

/// Which lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Behind everything queued.
    #[default]
    Normal,
    /// Before everything queued.
    Express,
}

/// What to move where. Either `artist_ids` or `selector`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// These artists.
    #[serde(default)]
    pub artist_ids: Option<Vec<Uuid>>,
    /// Or all artists that match.
    #[serde(default)]
    pub selector: Option<Selector>,
    /// The new home.
    pub target_server_id: Uuid,
    /// Only say what would be accepted and refused.
    #[serde(default)]
    pub dry_run: bool,
    /// Which lane.
    #[serde(default)]
    pub priority: Priority,
    /// Why, for people to read; at most 500 characters.
    #[serde(default)]
    pub reason: String,
}

/// An artist that is not moved.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Refused {
    /// The artist.
    pub artist_id: Uuid,
    /// Its name; null if there is no such artist.
    pub name: Option<String>,
    /// Stable name: `unknown_artist`, `already_there`, `already_moving`, `not_enough_space`,
    /// `unknown_server`, `server_inactive`, `server_draining`, `server_not_joined`,
    /// `server_offline`, `server_quarantined` or `source_offline`.
    pub reason: &'static str,
    /// What it means and what to do.
    pub detail: &'static str,
}

/// How many artists are not moved for one reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedReason {
    /// Stable name, as in `refused`.
    pub reason: &'static str,
    /// How many artists.
    pub artists: u64,
    /// For people: `47 already live on Server3`.
    pub summary: String,
    /// What it means and what to do.
    pub detail: &'static str,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MoveResult {
    /// The batch; null for a dry run, and when nothing was accepted.
    pub batch_id: Option<Uuid>,
    /// Artists that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others.
    pub refused: Vec<Refused>,
    /// The others, added up; the most frequent reason first.
    pub refused_reasons: Vec<RefusedReason>,
}

/// Refusals for people: each artist by name, and added up, the most frequent reason first.
pub async fn refusals(
    app: &App,
    refused: &[(ArtistId, Refusal)],
    target: &str,
) -> Result<(Vec<Refused>, Vec<RefusedReason>), Problem> {
    let ids: Vec<ArtistId> = refused.iter().map(|(id, _)| *id).collect();
    let names: HashMap<Uuid, String> = if ids.is_empty() {
        HashMap::new()
    } else {
        app.store.artist_names(&ids).await?.into_iter().collect()
    };
    let mut counts: BTreeMap<Refusal, u64> = BTreeMap::new();
    for (_, refusal) in refused {
        *counts.entry(*refusal).or_default() += 1;
    }
    let reason = |(refusal, artists): (Refusal, u64)| RefusedReason {
        reason: refusal.as_str(),
        artists,
        summary: refusal.tell(artists, target),
        detail: refusal.explain(),
    };
    let mut reasons: Vec<_> = counts.into_iter().map(reason).collect();
    reasons.sort_by_key(|r| std::cmp::Reverse(r.artists));
    let one = |(id, reason): &(ArtistId, Refusal)| Refused {
        artist_id: id.0,
        name: names.get(&id.0).cloned(),
        reason: reason.as_str(),
        detail: reason.explain(),
    };
    Ok((refused.iter().map(one).collect(), reasons))
}

async fn told(app: &App, answer: MoveAnswer, target: ServerId) -> Result<MoveResult, Problem> {
    let target = if answer.refused.is_empty() {
        String::new()
    } else {
        app.store.server(target).await?.map_or_else(String::new, |s| s.name)
    };
    let (refused, refused_reasons) = refusals(app, &answer.refused, &target).await?;
    Ok(MoveResult {
        batch_id: answer.batch_id.map(|id| id.0),
        accepted: answer.accepted,
        refused,
        refused_reasons,
    })
}

fn too_many() -> Problem {
    Problem::unprocessable("too_many_artists", "The request means more artists than one batch has.")
        .remedy(format!("Move at most {ARTISTS_MAX} artists in one batch; narrow the filter."))
}

async fn resolve(app: &App, body: &MoveBody) -> Result<Vec<ArtistId>, Problem> {
    let ids: Vec<ArtistId> = match (&body.artist_ids, &body.selector) {
        (Some(ids), None) => ids.iter().copied().map(ArtistId).collect(),
        (None, Some(selector)) => {
            let ids = app.store.artist_ids(&matching(selector)?, ARTISTS_MAX).await?;
            if ids.is_empty() {
                return Err(nobody_matches(app, selector).await?);
            }
            ids
        }
        _ => {
            return Err(Problem::unprocessable(
                "which_artists",
                "The request has neither or both of `artist_ids` and `selector`.",
            )
            .remedy("Send exactly one of them."));
        }
    };
    match ids.len() {
        0 => Err(Problem::unprocessable("no_artists", "`artist_ids` is empty.")
            .remedy("Select at least one artist.")),
        n if n > ARTISTS_MAX as usize => Err(too_many()),
        _ => Ok(ids),
    }
}

/// Why a selector means nobody.
async fn nobody_matches(app: &App, selector: &Selector) -> Result<Problem, Problem> {
    if let Some(id) = selector.server_id
        && app.store.server(ServerId(id)).await?.is_none()
    {
        let detail = format!("No server has the id {id}, which `selector.server_id` names.");
        return Ok(Problem::unprocessable("no_such_server", detail)
            .remedy("Use an id of GET /api/v1/servers, or leave it out for every server."));
    }
    Ok(Problem::unprocessable("no_artists", "No artist matches the selector.")
        .remedy("Widen it: a shorter `filter`, another `server_id`, fewer `except_ids`."))
}

/// What a selector means to the database.
pub fn matching(selector: &Selector) -> Result<Matching, Problem> {
    Ok(Matching {
        filter: super::artists::filter(&selector.filter)?,
        server_id: selector.server_id.map(ServerId),
        except: selector.except_ids.iter().copied().map(ArtistId).collect(),
    })
}

/// Queues (or tries) a move; the API's and the pages' way.
pub async fn submit(
    app: &App,
    actor: &Actor,
    body: &MoveBody,
    key: Option<&str>,
) -> Result<MoveResult, Problem> {
    actor.require(Right::Move)?;
    let reason = reason(&body.reason)?;
    let request = MoveRequest {
        by: actor.by(),
        artist_ids: resolve(app, body).await?,
        target: ServerId(body.target_server_id),
        reason,
        express: body.priority == Priority::Express,
        dry_run: body.dry_run,
        disk_reserve_bytes: app.config.disk_reserve_bytes,
        offline_after_s: app.config.offline_after_s,
    };
    let Some(key) = key.filter(|_| !body.dry_run) else {
        let answer = app.store.enqueue_moves(&request).await?;
        return told(app, answer, request.target).await;
    };
    let text = serde_json::to_vec(body)
        .map_err(|e| Problem::unprocessable("not_hashable", e.to_string()))?;
    match app.store.enqueue_moves_once(&request, key, &Sha256::digest(&text)).await? {
        Once::Fresh(answer) | Once::Replayed(answer) => told(app, answer, request.target).await,
        Once::Conflict => Err(Problem::unprocessable(
            "idempotency_key_reused",
            "This Idempotency-Key was used before, for another request.",
        )
        .remedy("Draw a new key for each new request; repeat a request only unchanged.")),
    }
}

/// The `Idempotency-Key`, checked.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|t| (1..=255).contains(&t.len()));
    text.map(Some).ok_or_else(|| {
        Problem::bad_request("bad_idempotency_key", "The Idempotency-Key is empty or too long.")
            .remedy("Use 1 to 255 visible ASCII characters; a UUID is fine.")
    })
}

/// Queues a move for every artist that can be moved, and refuses the others one by one.
#[utoipa::path(post, path = "/moves", tag = "moves", operation_id = "create_moves",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key and request again give the same answer, and one batch.")),
    request_body = MoveBody,
    responses((status = 202, body = MoveResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body<MoveBody>,
) -> Result<(StatusCode, Json<MoveResult>), Problem> {
    let result = submit(&app, &actor, &body, key(&headers)?).await?;
    Ok((StatusCode::ACCEPTED, Json(result)))
}
