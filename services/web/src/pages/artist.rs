//! One artist, for those who run the cluster: where they live, their songs, and the songs' LOFI.

use super::{
    batch_lines::{Failure, server_name},
    chrome::{Chrome, html},
    form::{Fields, query},
    show,
};
use crate::{
    api::{
        artists::{self, PageParams},
        lofi::{self, LofiBody},
        moves::Priority,
        profiles,
        view::{ArtistView, SongView},
    },
    app::App,
    auth::{Actor, Right},
    cursor,
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ArtistId;
use uuid::Uuid;

/// Songs on the page.
const SONGS: u32 = 100;

struct SongLine {
    id: Uuid,
    title: String,
    path: String,
    length: String,
    bytes: String,
    plays: String,
    /// In words.
    state: &'static str,
    /// Which colour that is.
    tone: &'static str,
    job: Option<Uuid>,
    lofi_bytes: String,
    like: String,
    loudness: String,
    by: String,
    hidden: bool,
    failure: Option<Failure>,
}

struct Choice {
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "artist.html")]
struct ArtistPage {
    chrome: Chrome,
    artist: ArtistView,
    server: String,
    bytes: String,
    plays_total: String,
    plays_30d: String,
    songs: Vec<SongLine>,
    next: String,
    later: bool,
    profiles: Vec<Choice>,
    default: String,
    verify: super::verify::OfArtist,
    may: bool,
}

fn state(song: &SongView) -> (&'static str, &'static str) {
    match song.lofi_state {
        "queued" => ("Waiting", "queued"),
        "running" => ("Being converted", "copying"),
        "failed" => ("Failed", "failed"),
        "cancelled" => ("Cancelled", "cancelled"),
        "made" => ("There", "succeeded"),
        _ => ("None", ""),
    }
}

fn line(song: SongView) -> SongLine {
    let (state, tone) = state(&song);
    let lofi = song.lofi.as_ref();
    let number = |key: &str| lofi.and_then(|l| l[key].as_f64());
    let text = |key: &str| lofi.and_then(|l| l[key].as_str()).unwrap_or_default().to_owned();
    let like = number("bitrate_bps").zip(number("channels")).map(|(bps, channels)| {
        let channels = if channels < 2.0 { "mono" } else { "stereo" };
        let how = if text("made") == "copied" { ", copied" } else { "" };
        format!("{}: {:.0} kbit/s {channels}{how}", text("profile"), bps / 1000.0)
    });
    let length = if song.duration_ms > 0 {
        show::duration(song.duration_ms.unsigned_abs() / 1000)
    } else {
        String::new()
    };
    SongLine {
        id: song.id,
        title: song.title,
        path: show::path(&song.path),
        length,
        bytes: show::bytes(song.bytes),
        plays: show::count(song.plays_total),
        state,
        tone,
        job: song.lofi_job_id,
        lofi_bytes: number("bytes").map_or_else(String::new, |b| show::bytes(b as i64)),
        like: like.unwrap_or_default(),
        loudness: number("loudness_lufs").map_or_else(String::new, |l| format!("{l:.1} LUFS")),
        by: text("by"),
        hidden: song.awaits_lofi,
        failure: song.lofi_error.as_ref().filter(|_| tone == "failed").map(Failure::of),
    }
}

/// The page.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let artist = artists::read(&app, id).await?;
    let servers = super::batch::servers(&app).await?;
    let after: Option<i32> = params.cursor.as_deref().map(cursor::unpack).transpose()?;
    let rows = app.store.songs(id, after, SONGS + 1).await?;
    let songs = cursor::Page::cut(rows, SONGS, |r| cursor::pack(&r.position), SongView::from);
    let chosen = artist.lofi_profile.clone();
    let choice = |p: profiles::ProfileView| Choice {
        chosen: chosen.as_ref() == Some(&p.name),
        name: p.name,
    };
    let profiles = profiles::all(&app).await?;
    let default = app.store.lofi_profile().await?;
    let mut chrome = Chrome::of(&actor, "move", artist.name.clone());
    let open = |s: &SongView| matches!(s.lofi_state, "queued" | "running");
    let verify = super::verify::part(&app, &actor, id, &servers).await?;
    chrome.reload_s = if verify.is_open() || songs.items.iter().any(open) { 5 } else { 0 };
    html(&ArtistPage {
        chrome,
        server: server_name(&servers, artist.server_id),
        bytes: show::bytes(artist.bytes),
        plays_total: show::count(artist.plays_total),
        plays_30d: show::count(artist.plays_30d),
        next: songs.next_cursor.map(|c| query(&[("cursor", &c)])).unwrap_or_default(),
        songs: songs.items.into_iter().map(line).collect(),
        later: params.cursor.is_some(),
        profiles: profiles.into_iter().map(choice).collect(),
        default,
        verify,
        may: actor.may(Right::Artists),
        artist,
    })
}

/// Chooses the artist's profile.
pub async fn choose_profile(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    fields: Fields,
) -> Result<Response, Problem> {
    let name = Some(fields.text("profile")).filter(|name| !name.is_empty());
    profiles::choose_for(&app, &actor, id, name).await?;
    Ok(Redirect::to(&format!("/artists/{id}")).into_response())
}

/// Converts all of an artist's songs anew, or one of them.
pub async fn convert(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    fields: Fields,
) -> Result<Response, Problem> {
    let songs = fields.ids("song")?;
    let body = LofiBody {
        artist_ids: songs.is_empty().then(|| vec![id.0]),
        priority: if songs.is_empty() { Priority::Normal } else { Priority::Express },
        song_ids: Some(songs).filter(|ids| !ids.is_empty()),
        only_missing: fields.ticked("only_missing"),
        ..LofiBody::default()
    };
    lofi::submit(&app, &actor, &body).await?;
    Ok(Redirect::to(&format!("/artists/{id}")).into_response())
}
