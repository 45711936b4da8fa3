//! The front page: find an artist.

use super::{
    chrome::{Chrome, html},
    form::query,
    show,
};
use crate::{
    api::artists::{self, ListParams, Sort},
    app::App,
    auth::guard,
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, http::HeaderMap, response::Response};
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

struct Line {
    slug: String,
    name: String,
    songs: i32,
    plays: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    chrome: Chrome,
    q: String,
    artists: Vec<Line>,
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
    let line = |a: crate::api::view::ArtistView| Line {
        slug: a.slug,
        name: a.name,
        songs: a.songs,
        plays: show::count(a.plays_total),
    };
    let next = found.next_cursor.map(|c| query(&[("q", &q), ("cursor", &c)])).unwrap_or_default();
    let artists = found.items.into_iter().map(line).collect();
    let actor = guard::visitor(&app, &headers).await;
    let chrome = actor.map_or_else(|| Chrome::public("Tourbus"), |a| Chrome::of(&a, "", "Tourbus"));
    html(&HomePage { chrome, q, artists, next, later })
}
