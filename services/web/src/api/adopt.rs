//! `POST /artists/adopt`: an artist of another community, whose files are here already.

use super::artist_new;
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::Body,
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use tourbus_domain::{ArtistId, ServerId};
use tourbus_protocol::TreePath;
use tourbus_store::{Adopted, NewArtist, NewSong};
use utoipa::ToSchema;
use uuid::Uuid;

/// Songs of one artist at most.
const SONGS_MAX: usize = 10_000;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// Most plays that are believed, for counters not to overflow.
const PLAYS_MAX: u64 = 1 << 50;

/// A song of an adopted artist.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptedSong {
    /// For people.
    pub title: String,
    /// Where it is in the artist's tree.
    pub path: String,
    /// Size, in bytes.
    pub bytes: u64,
    /// Plays, ever.
    #[serde(default)]
    pub plays_total: u64,
}

/// An artist whose tree is whole on its home server; `tourbus adopt` makes both.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptBody {
    /// The artist; names its tree in the media root.
    pub id: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The home server.
    pub server_id: Uuid,
    /// Plays, ever.
    #[serde(default)]
    pub plays_total: u64,
    /// Plays in the last 30 days.
    #[serde(default)]
    pub plays_30d: u64,
    /// Size of the tree, in bytes.
    pub bytes: u64,
    /// Its songs, in the order of the page.
    #[serde(default)]
    pub songs: Vec<AdoptedSong>,
    /// Only says what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdoptAnswer {
    /// The artist.
    pub artist_id: Uuid,
    /// Whether it was not known before; what is known is left as it is.
    pub new: bool,
    /// Its home server.
    pub server_id: Uuid,
}

fn checked(body: &AdoptBody) -> Result<NewArtist, Problem> {
    let bad = |field: &'static str, detail: String| {
        Problem::unprocessable("bad_adoption", detail)
            .remedy("Use `tourbus adopt`, which sends what is asked for here.")
            .field(field)
    };
    let name = artist_new::name(&body.name)?;
    let slug = artist_new::slug(Some(&body.slug), &name)?;
    if body.songs.len() > SONGS_MAX {
        return Err(bad("songs", format!("An artist has at most {SONGS_MAX} songs.")));
    }
    let mut paths = HashSet::new();
    if let Some(twice) = body.songs.iter().find(|song| !paths.insert(&song.path)) {
        return Err(bad("songs", format!("The song {:?} is named twice.", twice.path)));
    }
    let count = |field, n: u64| {
        if n <= PLAYS_MAX { Ok(n) } else { Err(bad(field, format!("{n} is more than can be."))) }
    };
    let song = |song: &AdoptedSong| {
        TreePath::new(song.path.as_bytes())
            .map_err(|e| bad("songs", format!("A song's path is none: {e}.")))?;
        Ok(NewSong {
            title: song.title.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect(),
            path: song.path.clone(),
            bytes: count("songs", song.bytes)?,
            plays_total: count("songs", song.plays_total)?,
            // The home server tells of it as soon as the artist is known.
            duration_ms: 0,
        })
    };
    Ok(NewArtist {
        id: ArtistId(body.id),
        slug,
        name,
        server_id: ServerId(body.server_id),
        plays_total: count("plays_total", body.plays_total)?,
        plays_30d: count("plays_30d", body.plays_30d)?,
        bytes: count("bytes", body.bytes)?,
        songs: body.songs.iter().map(song).collect::<Result<_, Problem>>()?,
    })
}

/// Makes an artist known whose files are on a server already.
#[utoipa::path(post, path = "/artists/adopt", tag = "artists", operation_id = "adopt_artist",
    request_body = AdoptBody,
    responses((status = 200, body = AdoptAnswer), (status = 201, body = AdoptAnswer),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn adopt(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<AdoptBody>,
) -> Result<(StatusCode, Json<AdoptAnswer>), Problem> {
    actor.require(Right::Artists)?;
    let new = checked(&body)?;
    let answer =
        |new, home: ServerId| Json(AdoptAnswer { artist_id: body.id, new, server_id: home.0 });
    match app.store.adopt_artist(&actor.by(), &new, body.dry_run).await? {
        Adopted::Made if body.dry_run => Ok((StatusCode::OK, answer(true, new.server_id))),
        Adopted::Made => Ok((StatusCode::CREATED, answer(true, new.server_id))),
        Adopted::Known(home) => Ok((StatusCode::OK, answer(false, home))),
        Adopted::SlugTaken => Err(artist_new::slug_taken(new.slug.as_str())),
        Adopted::NoServer => Err(Problem::conflict(
            "no_server",
            "This server takes no artists: it is being drained, or is not there.",
        )
        .remedy("Name a server of the list at /api/v1/servers.")),
    }
}
