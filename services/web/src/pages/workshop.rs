//! The artist's workshop. The page is ours; all it shows and changes is on the artist's home server,
//! which the browser asks by itself with leave that we give.

use super::{
    chrome::{Chrome, html},
    move_news::{self, News},
    tile::Tile,
};
use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::Slug;
use tourbus_store::Role;
use uuid::Uuid;

/// Artists of one account that are listed at most.
const ARTISTS_MAX: u32 = 500;

#[derive(Template)]
#[template(path = "workshops.html")]
struct ListPage {
    chrome: Chrome,
    artists: Vec<Tile>,
}

#[derive(Template)]
#[template(path = "workshop.html")]
struct WorkshopPage {
    chrome: Chrome,
    id: Uuid,
    slug: String,
    name: String,
    news: News,
}

/// One's own artists; straight to the workshop of the only one.
pub async fn list(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    if actor.account.role != Role::Artist && actor.may(Right::Look) {
        return Ok(Redirect::to("/move").into_response());
    }
    let artists = app.store.artists_of(actor.account.id, ARTISTS_MAX).await?;
    if let [only] = artists.as_slice() {
        return Ok(Redirect::to(&format!("/workshop/{}", only.slug)).into_response());
    }
    let tile = |a: tourbus_store::OwnArtist| {
        Tile::new(format!("/workshop/{}", a.slug), a.name, a.songs, a.plays_total)
    };
    let chrome = Chrome::of(&actor, "workshop", "Workshop");
    html(&ListPage { chrome, artists: artists.into_iter().map(tile).collect() })
}

/// An artist's workshop.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || {
        Problem::new(StatusCode::NOT_FOUND, "no_such_artist", "There is no such artist")
            .remedy("Look at the address, or go to your own artists at /workshop.")
    };
    let slug: Slug = slug.parse().map_err(|_| unknown())?;
    let facts = app.store.grant_facts_of(&slug).await?.ok_or_else(unknown)?;
    actor.require_artist(facts.account_id)?;
    let chrome = Chrome::of(&actor, "workshop", format!("Workshop of {}", facts.name));
    let news = move_news::of(&app, facts.id).await?;
    let mut response =
        html(&WorkshopPage { chrome, id: facts.id, slug: facts.slug, name: facts.name, news })?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy(&app)?);
    Ok(response)
}

/// As everywhere, but the page talks to the artist's home server: to any, for the artist may move.
fn policy(app: &App) -> Result<HeaderValue, Problem> {
    let domain = &app.config.cluster.main_domain;
    let servers = format!("'self' {domain}:* *.{domain}:*");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src {servers} data:; \
         media-src {servers}; connect-src {servers}; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::from_str(&policy).map_err(|e| Problem::internal(&e))
}
