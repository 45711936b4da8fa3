//! `/verify`: reading artists' files back, and what was found.

use super::{
    moves::{self, key},
    view::{FindingView, VerifyServerView},
};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Body, Id, Params},
    problem::Problem,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tourbus_domain::{ArtistId, BatchId, ServerId};
use tourbus_store::{
    ARTISTS_PER_VERIFY_MAX, FindingQuery, Resolution, Resolved, VerifyAnswer, VerifyOnce,
    VerifyRefusal, VerifyRequest, VerifyWhich,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Ids in one request at most.
const IDS_MAX: usize = 50_000;
/// Slowest reading, in bytes per second: a piece of a file must be read before a delivery is due.
pub const RATE_BYTES_S_MIN: u64 = 1_000_000;
/// Fastest.
pub const RATE_BYTES_S_MAX: u64 = 100_000_000_000;

/// Whose files to read. Exactly one of `artist_ids`, `server_id` and `everything`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyBody {
    /// These artists.
    pub artist_ids: Option<Vec<Uuid>>,
    /// All artists who live on this server.
    pub server_id: Option<Uuid>,
    /// All artists there are.
    pub everything: bool,
    /// How fast each worker reads, in bytes per second, 1000000 at least; without it the
    /// cluster's setting.
    pub rate_bytes_s: Option<u64>,
    /// Only say what would be read, and how long it may take.
    pub dry_run: bool,
    /// Why, for people to read; at most 500 characters.
    pub reason: String,
}

/// An artist whose files are not read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedVerify {
    /// The artist.
    pub artist_id: Uuid,
    /// Stable name: `unknown` or `queued`.
    pub reason: &'static str,
    /// What it means and what to do.
    pub detail: &'static str,
}

/// What one server has to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerifyShareView {
    /// The server.
    pub server_id: Uuid,
    /// Artists whose files are read.
    pub artists: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// How long one worker takes for that, at the rate, in seconds.
    pub estimate_s: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerifyResult {
    /// The batch; null for a dry run, and when nothing was accepted.
    pub batch_id: Option<Uuid>,
    /// Artists that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others.
    pub refused: Vec<RefusedVerify>,
    /// How fast each worker reads, in bytes per second.
    pub rate_bytes_s: u64,
    /// Who has what to do.
    pub servers: Vec<VerifyShareView>,
}

const fn explain(refusal: VerifyRefusal) -> &'static str {
    match refusal {
        VerifyRefusal::Unknown => "No artist has this id.",
        VerifyRefusal::Queued => {
            "A job reads the artist's files already, or is about to. Wait for it, or cancel it."
        }
    }
}

impl From<VerifyAnswer> for VerifyResult {
    fn from(answer: VerifyAnswer) -> Self {
        let refused = answer.refused.into_iter().map(|(artist, reason)| RefusedVerify {
            artist_id: artist.0,
            reason: reason.as_str(),
            detail: explain(reason),
        });
        let share = |s: tourbus_store::VerifyShare| VerifyShareView {
            server_id: s.server_id.0,
            artists: s.artists,
            bytes: s.bytes,
            estimate_s: s.estimate_s,
        };
        Self {
            batch_id: answer.batch_id.map(|id| id.0),
            accepted: answer.accepted,
            refused: refused.collect(),
            rate_bytes_s: answer.rate_bytes_s,
            servers: answer.shares.into_iter().map(share).collect(),
        }
    }
}

fn which(body: &VerifyBody) -> Result<VerifyWhich, Problem> {
    let VerifyBody { artist_ids, server_id, everything, .. } = body;
    match (artist_ids, server_id, everything) {
        (Some(ids), None, false) if (1..=IDS_MAX).contains(&ids.len()) => {
            Ok(VerifyWhich::Artists(ids.iter().copied().map(ArtistId).collect()))
        }
        (Some(ids), None, false) => {
            let detail = format!("The request has {} ids.", ids.len());
            Err(Problem::unprocessable("which_artists", detail)
                .remedy(format!("Send 1 to {IDS_MAX} ids; or a `server_id`, or `everything`.")))
        }
        (None, Some(id), false) => Ok(VerifyWhich::Server(ServerId(*id))),
        (None, None, true) => Ok(VerifyWhich::All),
        _ => Err(Problem::unprocessable(
            "which_artists",
            "The request has none, or several, of `artist_ids`, `server_id` and `everything`.",
        )
        .remedy("Send exactly one.")),
    }
}

/// Checks a rate.
pub fn rate(rate_bytes_s: u64) -> Result<u64, Problem> {
    if (RATE_BYTES_S_MIN..=RATE_BYTES_S_MAX).contains(&rate_bytes_s) {
        return Ok(rate_bytes_s);
    }
    let detail = format!("{rate_bytes_s} bytes per second is no rate to read at.");
    Err(Problem::unprocessable("bad_rate", detail)
        .remedy(format!("Use {RATE_BYTES_S_MIN} to {RATE_BYTES_S_MAX}: 50000000 is 50 MB/s."))
        .field("verify_rate_bytes_s"))
}

/// Queues (or tries) readings; the API's and the pages' way.
pub async fn submit(
    app: &App,
    actor: &Actor,
    body: &VerifyBody,
    key: Option<&str>,
) -> Result<VerifyResult, Problem> {
    actor.require(Right::Steer)?;
    let reason = moves::reason(&body.reason)?;
    let which = which(body)?;
    if let VerifyWhich::Server(id) = which
        && app.store.server(id).await?.is_none()
    {
        let detail = format!("No server has the id {id}.");
        return Err(Problem::unprocessable("no_such_server", detail)
            .remedy("Use an id of GET /api/v1/servers.")
            .field("server_id"));
    }
    let request = VerifyRequest {
        by: actor.by(),
        which,
        rate_bytes_s: body.rate_bytes_s.map(rate).transpose()?,
        reason,
        dry_run: body.dry_run,
    };
    let text = serde_json::to_vec(body)
        .map_err(|e| Problem::unprocessable("not_hashable", e.to_string()))?;
    // Moves have keys too: the same key is another request there.
    let hash = Sha256::digest([b"verify ", text.as_slice()].concat());
    let once = app.store.enqueue_verify(&request, key.map(|k| (k, hash.as_slice()))).await?;
    let VerifyOnce::Answer(answer) = once else {
        return Err(Problem::unprocessable(
            "idempotency_key_reused",
            "This Idempotency-Key was used before, for another request.",
        )
        .remedy("Draw a new key for each new request; repeat a request only unchanged."));
    };
    if answer.too_many {
        let detail = format!("The request means more than {ARTISTS_PER_VERIFY_MAX} artists.");
        return Err(Problem::unprocessable("too_many_artists", detail)
            .remedy("Ask for one server at a time."));
    }
    Ok(answer.into())
}

/// Queues a reading of all files of every artist that is asked for, on the artist's home server.
#[utoipa::path(post, path = "/verify", tag = "verify", operation_id = "create_verify",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key and request again give the same answer, and one batch.")),
    request_body = VerifyBody,
    responses((status = 202, body = VerifyResult), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body<VerifyBody>,
) -> Result<(StatusCode, Json<VerifyResult>), Problem> {
    let result = submit(&app, &actor, &body, key(&headers)?).await?;
    Ok((StatusCode::ACCEPTED, Json(result)))
}

/// What was verified when, and what is open.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VerifyOverview {
    /// Artists in all.
    pub artists: i64,
    /// Artists whose files were never read.
    pub never_verified: i64,
    /// When the one was verified who waits longest, of the others.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Findings that nobody has resolved.
    pub open_findings: i64,
    /// In how many days every artist's files are read once; 0 for never by itself.
    pub every_days: u32,
    /// How fast files are read unless asked otherwise, in bytes per second.
    pub rate_bytes_s: u64,
    /// Each server.
    pub servers: Vec<VerifyServerView>,
}

/// What was verified when; the API's and the pages' way.
pub async fn overview(app: &App) -> Result<VerifyOverview, Problem> {
    let servers: Vec<VerifyServerView> =
        app.store.verify_servers().await?.into_iter().map(Into::into).collect();
    let settings = app.store.cluster_settings().await?;
    Ok(VerifyOverview {
        artists: servers.iter().map(|s| s.artists).sum(),
        never_verified: servers.iter().map(|s| s.never_verified).sum(),
        oldest_at: servers.iter().filter_map(|s| s.oldest_at).min(),
        open_findings: servers.iter().map(|s| s.open_findings).sum(),
        every_days: settings.verify_every_days,
        rate_bytes_s: settings.verify_rate_bytes_s,
        servers,
    })
}

/// What was verified when, per server, and how much is open.
#[utoipa::path(get, path = "/verify", tag = "verify", operation_id = "get_verify",
    responses((status = 200, body = VerifyOverview), (status = 403, body = Problem)))]
pub async fn get(State(app): State<App>) -> Result<Json<VerifyOverview>, Problem> {
    overview(&app).await.map(Json)
}

/// Which findings.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FindingParams {
    /// Only of this artist.
    pub artist_id: Option<Uuid>,
    /// Only of artists who live on this server.
    pub server_id: Option<Uuid>,
    /// Only what the readings of this batch have found, or found again.
    pub batch_id: Option<Uuid>,
    /// Also those that are resolved.
    pub resolved: bool,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Files that are not what they were, the newest first; those that nobody has resolved.
#[utoipa::path(get, path = "/verify/findings", tag = "verify", operation_id = "list_findings",
    params(FindingParams),
    responses((status = 200, body = Page<FindingView>), (status = 400, body = Problem)))]
pub async fn findings(
    State(app): State<App>,
    Params(params): Params<FindingParams>,
) -> Result<Json<Page<FindingView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// One page of findings; the API's and the pages' way.
pub async fn page(app: &App, params: &FindingParams) -> Result<Page<FindingView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let query = FindingQuery {
        artist: params.artist_id.map(ArtistId),
        server: params.server_id.map(ServerId),
        batch: params.batch_id.map(BatchId),
        resolved: params.resolved,
        after: cursor::unpack_newest(params.cursor.as_deref())?,
        limit: limit + 1,
    };
    let rows = app.store.findings(&query).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack_newest(r.found_at, r.id), FindingView::from))
}

/// What a person says of a finding.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResolveBody {
    /// The file is right as it is, and the next reading takes it so. Without it: it was mended,
    /// and if it was not, the next reading finds it anew.
    pub accept: bool,
    /// The finding's `state` as it was seen: 409 if a reading has found another since.
    pub state: Option<String>,
}

impl ResolveBody {
    const fn how(&self) -> Resolution {
        if self.accept { Resolution::Accepted } else { Resolution::Mended }
    }
}

/// Resolves a finding; the API's and the pages' way.
pub async fn settle(app: &App, actor: &Actor, id: Uuid, body: &ResolveBody) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    let seen = body.state.as_deref();
    match app.store.resolve_finding(&actor.by(), id, body.how(), seen).await? {
        Resolved::These(_) => Ok(()),
        Resolved::Changed => Err(changed()),
        Resolved::None => Err(Problem::not_found("finding", id)
            .remedy("It may be resolved already: list them again.")),
    }
}

fn changed() -> Problem {
    let detail = "Another reading has found something else since this was shown.";
    Problem::conflict("finding_changed", detail).remedy("Look at it again, and then decide.")
}

/// Resolves all open findings of an artist; `state` is the hash of all of them. How many those were.
pub async fn settle_all(
    app: &App,
    actor: &Actor,
    artist: ArtistId,
    body: &ResolveBody,
) -> Result<u64, Problem> {
    actor.require(Right::Steer)?;
    let seen = body.state.as_deref();
    match app.store.resolve_findings_of(&actor.by(), artist, body.how(), seen).await? {
        Resolved::These(n) => Ok(n),
        Resolved::None => Ok(0),
        Resolved::Changed => Err(changed()),
    }
}

/// Says what became of a finding.
#[utoipa::path(post, path = "/verify/findings/{id}/resolve", tag = "verify",
    operation_id = "resolve_finding", params(("id" = Uuid, Path)), request_body = ResolveBody,
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub async fn resolve(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    Body(body): Body<ResolveBody>,
) -> Result<StatusCode, Problem> {
    settle(&app, &actor, id, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_way_says_which_artists() {
        let ids = || Some(vec![Uuid::nil()]);
        let one = VerifyBody { artist_ids: ids(), ..VerifyBody::default() };
        assert_eq!(which(&one).unwrap(), VerifyWhich::Artists(vec![ArtistId(Uuid::nil())]));
        let everything = VerifyBody { everything: true, ..VerifyBody::default() };
        assert_eq!(which(&everything).unwrap(), VerifyWhich::All);
        for bad in [
            VerifyBody::default(),
            VerifyBody { artist_ids: ids(), ..everything },
            VerifyBody { artist_ids: Some(Vec::new()), ..VerifyBody::default() },
        ] {
            assert_eq!(which(&bad).unwrap_err().code, "which_artists");
        }
        assert!(rate(1).is_err() && rate(50_000_000).is_ok());
    }
}
