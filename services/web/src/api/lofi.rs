//! `/lofi`: small renditions of songs.

use super::{
    artists::PageParams,
    moves::{self, Priority},
    profiles,
    view::{LofiFailureView, LofiServerView},
};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Body, Params},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tokio::try_join;
use tourbus_domain::{ArtistId, ServerId};
use tourbus_store::{
    LofiAnswer, LofiRefusal, LofiRequest, LofiSongs, LofiWhich, SONGS_PER_BATCH_MAX, Teller, Told,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Ids in one request at most.
const IDS_MAX: usize = 50_000;
/// Failures that are tried again at a time.
pub const RETRIES_MAX: u32 = 5_000;

/// What to convert. Exactly one of `song_ids`, `artist_ids`, `server_id` and `everything`.
// The flags are the API's, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LofiBody {
    /// These songs.
    pub song_ids: Option<Vec<Uuid>>,
    /// All songs of these artists.
    pub artist_ids: Option<Vec<Uuid>>,
    /// All songs of the artists who live on this server.
    pub server_id: Option<Uuid>,
    /// All songs there are.
    pub everything: bool,
    /// By this profile; without it each artist's own, or the cluster's.
    pub profile: Option<String>,
    /// Only songs that have no LOFI.
    pub only_missing: bool,
    /// Only songs whose LOFI was not made by the profile that is asked for.
    pub only_outdated: bool,
    /// `express` goes before everything that is converted in bulk.
    pub priority: Priority,
    /// Only say what would be converted, and how long it may take.
    pub dry_run: bool,
    /// Why, for people to read; at most 500 characters.
    pub reason: String,
}

/// A song that is not converted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedSong {
    /// The song.
    pub song_id: Uuid,
    /// Stable name: `unknown` or `queued`.
    pub reason: &'static str,
    /// What it means and what to do.
    pub detail: &'static str,
}

/// What one server has to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LofiShareView {
    /// The server.
    pub server_id: Uuid,
    /// Songs to convert.
    pub songs: u64,
    /// Their length, as far as it is known, in milliseconds.
    pub audio_ms: u64,
    /// How long that may take, by what the server converted in the last day, in milliseconds; null
    /// when it has converted nothing then, or no worker of it is there.
    pub estimate_ms: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LofiResult {
    /// The batch; null for a dry run, and when nothing was accepted.
    pub batch_id: Option<Uuid>,
    /// Songs that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others.
    pub refused: Vec<RefusedSong>,
    /// Who has what to do.
    pub servers: Vec<LofiShareView>,
}

const fn explain(refusal: LofiRefusal) -> &'static str {
    match refusal {
        LofiRefusal::Unknown => "No song has this id. Its artist may have deleted it.",
        LofiRefusal::Queued => {
            "A job makes its LOFI already. Wait for it, or cancel it and ask again."
        }
    }
}

impl From<LofiAnswer> for LofiResult {
    fn from(answer: LofiAnswer) -> Self {
        let refused = answer.refused.into_iter().map(|(song_id, reason)| RefusedSong {
            song_id,
            reason: reason.as_str(),
            detail: explain(reason),
        });
        let share = |s: tourbus_store::LofiShare| LofiShareView {
            server_id: s.server_id.0,
            songs: s.songs,
            audio_ms: s.audio_ms,
            estimate_ms: s.estimate_ms,
        };
        Self {
            batch_id: answer.batch_id.map(|id| id.0),
            accepted: answer.accepted,
            refused: refused.collect(),
            servers: answer.shares.into_iter().map(share).collect(),
        }
    }
}

fn which(body: &LofiBody) -> Result<LofiSongs, Problem> {
    let LofiBody { song_ids, artist_ids, server_id, everything, .. } = body;
    let named = usize::from(song_ids.is_some())
        + usize::from(artist_ids.is_some())
        + usize::from(server_id.is_some())
        + usize::from(*everything);
    if named != 1 {
        let detail = format!(
            "The request has {named} of `song_ids`, `artist_ids`, `server_id` and \
                              `everything`."
        );
        return Err(Problem::unprocessable("which_songs", detail).remedy("Send exactly one."));
    }
    let ids = song_ids.as_ref().or(artist_ids.as_ref()).map_or(1, Vec::len);
    if ids == 0 || ids > IDS_MAX {
        return Err(Problem::unprocessable("which_songs", format!("The request has {ids} ids."))
            .remedy(format!("Send 1 to {IDS_MAX} ids; or a `server_id`, or `everything`.")));
    }
    Ok(match (song_ids, artist_ids, server_id) {
        (Some(ids), ..) => LofiSongs::Songs(ids.clone()),
        (_, Some(ids), _) => LofiSongs::Artists(ids.iter().copied().map(ArtistId).collect()),
        (_, _, Some(id)) => LofiSongs::Server(ServerId(*id)),
        _ => LofiSongs::All,
    })
}

/// Queues (or tries) conversions; the API's and the pages' way.
pub async fn submit(app: &App, actor: &Actor, body: &LofiBody) -> Result<LofiResult, Problem> {
    actor.require(Right::Artists)?;
    let reason = moves::reason(&body.reason)?;
    if let Some(profile) = &body.profile {
        profiles::must_exist(app, profile, "profile").await?;
    }
    let songs = which(body)?;
    if let LofiSongs::Server(id) = songs
        && app.store.server(id).await?.is_none()
    {
        return Err(Problem::unprocessable(
            "no_such_server",
            format!("No server has the id {id}."),
        )
        .remedy("Use an id of GET /api/v1/servers.")
        .field("server_id"));
    }
    let request = LofiRequest {
        by: actor.by(),
        songs,
        profile: body.profile.clone(),
        which: match (body.only_missing, body.only_outdated) {
            (true, _) => LofiWhich::Missing,
            (false, true) => LofiWhich::Outdated,
            (false, false) => LofiWhich::All,
        },
        express: body.priority == Priority::Express,
        reason,
        dry_run: body.dry_run,
    };
    let answer = app.store.enqueue_lofi(&request).await?;
    if answer.too_many {
        let detail = format!("The request means more than {SONGS_PER_BATCH_MAX} songs.");
        return Err(Problem::unprocessable("too_many_songs", detail)
            .remedy("Ask for one server at a time, or for what is missing only."));
    }
    Ok(answer.into())
}

/// Queues a conversion of every song that is asked for, each on its artist's home server.
#[utoipa::path(post, path = "/lofi", tag = "lofi", operation_id = "create_lofi",
    request_body = LofiBody,
    responses((status = 202, body = LofiResult), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<LofiBody>,
) -> Result<(StatusCode, Json<LofiResult>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(submit(&app, &actor, &body).await?)))
}

/// How far the renditions are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LofiOverview {
    /// By which profile songs are converted whose artist has none of their own.
    pub profile: String,
    /// Songs in all.
    pub songs: u64,
    /// Songs that have a LOFI.
    pub lofis: u64,
    /// Conversions that wait or are at work.
    pub open: u64,
    /// Songs whose last conversion failed; counted up to 200, the newest.
    pub failed: u64,
    /// Of these, songs that have no LOFI at all.
    pub failed_without_lofi: u64,
    /// There are more than were counted.
    pub failed_more: bool,
    /// Each server.
    pub servers: Vec<LofiServerView>,
}

/// How far the renditions are; the API's and the pages' way.
pub async fn overview(app: &App) -> Result<LofiOverview, Problem> {
    let store = &app.store;
    let (servers, failed, profile) =
        try_join!(store.lofi_servers(), store.lofi_failed(), store.lofi_profile())?;
    let totals = tourbus_store::LofiTotals::of(&servers);
    Ok(LofiOverview {
        profile,
        songs: totals.songs,
        lofis: totals.lofis,
        open: totals.open,
        failed: failed.songs,
        failed_without_lofi: failed.without_lofi,
        failed_more: failed.more,
        servers: servers.into_iter().map(Into::into).collect(),
    })
}

/// How far the renditions are, and how fast they are made.
#[utoipa::path(get, path = "/lofi", tag = "lofi", operation_id = "get_lofi",
    responses((status = 200, body = LofiOverview), (status = 403, body = Problem)))]
pub async fn get(State(app): State<App>) -> Result<Json<LofiOverview>, Problem> {
    overview(&app).await.map(Json)
}

/// Songs whose last conversion failed, with the file and the reason; the newest first.
#[utoipa::path(get, path = "/lofi/failures", tag = "lofi", operation_id = "list_lofi_failures",
    params(PageParams), responses((status = 200, body = Page<LofiFailureView>)))]
pub async fn failures(
    State(app): State<App>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<LofiFailureView>>, Problem> {
    if params.cursor.is_some() {
        return Err(Problem::bad_request("bad_cursor", "This list has one page.")
            .remedy("Ask for up to 1000 with `limit`; what is mended leaves the list."));
    }
    let limit = cursor::limit(params.limit)?;
    let rows = app.store.lofi_failures(limit).await?;
    Ok(Json(Page::whole(rows.into_iter().map(Into::into).collect())))
}

/// What came of trying failures again.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct LofiRetried {
    /// Conversions that are queued again.
    pub retried: u64,
    /// Conversions that are not: another job makes the song's LOFI.
    pub refused: u64,
}

/// Tries again what failed; the API's and the pages' way.
pub async fn retry_failed(app: &App, actor: &Actor) -> Result<LofiRetried, Problem> {
    actor.require(Right::Steer)?;
    let by = actor.by();
    let jobs = app.store.lofi_failed_jobs(RETRIES_MAX).await?;
    let retry = |job_id| Told {
        job_id,
        input: tourbus_domain::Input::Retry,
        by: Teller::Person(by.clone()),
    };
    let told: Vec<Told> = jobs.into_iter().map(retry).collect();
    let outcomes = app.store.apply_inputs(&told, &tourbus_domain::MoveSettings::default()).await?;
    let retried = outcomes.iter().filter(|o| o.is_ok()).count() as u64;
    Ok(LofiRetried { retried, refused: outcomes.len() as u64 - retried })
}

/// Tries every song again whose last conversion failed; the newest 5,000.
#[utoipa::path(post, path = "/lofi/retry", tag = "lofi", operation_id = "retry_lofi",
    responses((status = 202, body = LofiRetried), (status = 403, body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
) -> Result<(StatusCode, Json<LofiRetried>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(retry_failed(&app, &actor).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_way_says_which_songs() {
        let ids = || Some(vec![Uuid::nil()]);
        let one = LofiBody { song_ids: ids(), ..LofiBody::default() };
        assert_eq!(which(&one).unwrap(), LofiSongs::Songs(vec![Uuid::nil()]));
        let everything = LofiBody { everything: true, ..LofiBody::default() };
        assert_eq!(which(&everything).unwrap(), LofiSongs::All);
        for bad in [
            LofiBody::default(),
            LofiBody { artist_ids: ids(), ..everything },
            LofiBody { song_ids: Some(Vec::new()), ..LofiBody::default() },
        ] {
            assert_eq!(which(&bad).unwrap_err().code, "which_songs");
        }
    }
}
