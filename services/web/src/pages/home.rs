//! The front page: find an artist.

use super::{
    chrome::{Chrome, html},
    form::query,
    sign_up,
    tile::Tile,
};
use crate::{
    api::artists::{self, ListParams, Sort},
    app::App,
    auth::{Actor, guard, visitor},
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use serde::Deserialize;

/// Artists on a page.
const ARTISTS: u32 = 48;

/// What is looked for.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct Search {
    q: String,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    chrome: Chrome,
    q: String,
    artists: Vec<Tile>,
    next: String,
    later: bool,
}

/// Artists whose name holds the text; the most played ones without one.
pub async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    Params(search): Params<Search>,
) -> Result<Response, Problem> {
    let q = search.q.trim().to_owned();
    let later = search.cursor.is_some();
    let sort = if q.is_empty() { Sort::Plays30dDown } else { Sort::Name };
    let params = ListParams {
        filter: q.clone(),
        sort,
        limit: Some(ARTISTS),
        cursor: search.cursor,
        ..ListParams::default()
    };
    let found = artists::page(&app, &params).await?;
    let tile = |a: crate::api::view::ArtistView| {
        Tile::new(format!("/a/{}", a.slug), a.name, a.songs, a.plays_total)
    };
    let next = found.next_cursor.map(|c| query(&[("q", &q), ("cursor", &c)])).unwrap_or_default();
    let artists = found.items.into_iter().map(tile).collect();
    let (actor, kept) = guard::visitor(&app, &headers).await.unzip();
    let chrome = match &actor {
        Some(actor) => Chrome::of(actor, "", "Tourbus"),
        None => Chrome { sign_up: sign_up::is_open(&app).await?, ..Chrome::public("Tourbus") },
    };
    let mut response = html(&HomePage { chrome, q, artists, next, later })?;
    if let Some(cookie) = kept.flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // From here one goes on to an artist's page, on any server.
    if let Some(Actor { account, session: Some(_), .. }) = &actor
        && let Some(cookie) = visitor::cookie_of(&app, account).await?
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
