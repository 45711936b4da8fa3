//! An artist's page.

use crate::{MediaError, answer, app::App, file, kind};
use askama::Template;
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::{io, os::unix::ffi::OsStrExt as _, sync::Arc};
use tourbus_domain::Slug;
use tourbus_mediaroot::serve::{Patience, Place, Tree};
use tourbus_protocol::{TreePath, page::About};

/// Where the style sheet is.
pub(crate) const STYLE_PATH: &str = "/assets/artist.css";
/// Where the icon is.
pub(crate) const ICON_PATH: &str = "/assets/artist-icon.svg";
/// Where the player is.
pub(crate) const PLAYER_PATH: &str = "/assets/player.js";
/// Songs shown at most.
const SONGS_MAX: usize = 500;
/// Largest `artist.json` that is read, in bytes.
const ABOUT_BYTES_MAX: usize = 64 << 10;
/// Names that a cover may have.
const COVERS: [&str; 4] = ["cover.svg", "cover.png", "cover.jpg", "cover.webp"];
/// What stays readable in a URL's path.
const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Song {
    title: String,
    url: String,
}

#[derive(Template)]
#[template(path = "artist.html")]
struct ArtistPage<'a> {
    name: &'a str,
    text: &'a str,
    cover: Option<String>,
    songs: Vec<Song>,
    main_url: &'a str,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundPage<'a> {
    main_url: &'a str,
}

/// The policy of our own pages. Songs may come from any server of the cluster: when the artist
/// moves while the page is open, its players are sent to the new home.
pub(crate) fn policy(main_domain: &str) -> Result<HeaderValue, MediaError> {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' {main_domain}:* *.{main_domain}:*; \
         media-src 'self' {main_domain}:* *.{main_domain}:*; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let bad = || MediaError::Cluster { key: "main_domain", value: main_domain.to_owned() };
    let plain = main_domain.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    if !plain || main_domain.is_empty() {
        return Err(bad());
    }
    HeaderValue::from_str(&policy).map_err(|_| bad())
}

/// Answers with the page, or the way to the artist's new home.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: &Request<Incoming>,
    slug: Slug,
) -> Response<Body> {
    let (worker, whose) = (Arc::clone(app), slug.clone());
    let made = tokio::task::spawn_blocking(move || make(&worker, &whose)).await;
    match made.map_err(io::Error::other).and_then(|m| m) {
        Ok(Made::Page(html)) => respond(app, StatusCode::OK, html),
        Ok(Made::Moved(home)) => answer::moved(&home, request.uri()),
        Ok(Made::Nowhere) => not_found(app),
        Err(error) => file::failed(&error, &slug, &TreePath::default()),
    }
}

/// 404, with the way to the front door.
pub(crate) fn not_found(app: &App) -> Response<Body> {
    match (NotFoundPage { main_url: &app.main_url }).render() {
        Ok(html) => respond(app, StatusCode::NOT_FOUND, html),
        Err(error) => broken(&error),
    }
}

/// The style sheet.
pub(crate) fn style() -> Response<Body> {
    asset("text/css; charset=utf-8", include_str!("../assets/artist.css"))
}

/// The player.
pub(crate) fn player() -> Response<Body> {
    asset("text/javascript; charset=utf-8", include_str!("../assets/player.js"))
}

/// The icon.
pub(crate) fn icon() -> Response<Body> {
    asset("image/svg+xml", include_str!("../assets/artist-icon.svg"))
}

fn asset(media_type: &'static str, text: &'static str) -> Response<Body> {
    let mut response = answer::whole(StatusCode::OK, media_type, text);
    answer::set(&mut response, header::CACHE_CONTROL, "public, max-age=300");
    response
}

fn respond(app: &App, status: StatusCode, html: String) -> Response<Body> {
    let mut response = answer::whole(status, "text/html; charset=utf-8", html);
    answer::set(&mut response, header::CACHE_CONTROL, "no-store");
    answer::set(&mut response, header::REFERRER_POLICY, "no-referrer");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, app.page_policy.clone());
    response
}

fn broken(error: &askama::Error) -> Response<Body> {
    tracing::error!(%error, "media.page_failed");
    answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown.\n")
}

enum Made {
    Page(String),
    Moved(String),
    Nowhere,
}

fn make(app: &App, slug: &Slug) -> io::Result<Made> {
    let tree = match app.root.find(slug, Patience::Disk)? {
        Place::Here(tree) => tree,
        Place::Moved(home) => return Ok(Made::Moved(home)),
        Place::Nowhere => return Ok(Made::Nowhere),
    };
    let about = about(&tree)?;
    let name = if about.name.trim().is_empty() { slug.as_str() } else { about.name.trim() };
    let page = ArtistPage {
        name,
        text: &about.text,
        cover: cover(&tree, slug)?,
        songs: songs(&tree, slug)?,
        main_url: &app.main_url,
    };
    page.render().map(Made::Page).map_err(io::Error::other)
}

/// An `artist.json` that is missing, too big or broken costs the artist the words, not the page.
fn about(tree: &Tree) -> io::Result<About> {
    let Ok(path) = TreePath::new(About::FILE.as_bytes()) else { return Ok(About::default()) };
    let Some(file) = tree.open(&path, Patience::Disk)? else { return Ok(About::default()) };
    let mut bytes = Vec::with_capacity(ABOUT_BYTES_MAX);
    rustix::io::read(&file.fd, rustix::buffer::spare_capacity(&mut bytes))?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn cover(tree: &Tree, slug: &Slug) -> io::Result<Option<String>> {
    let Ok(dir) = TreePath::new(&b"images"[..]) else { return Ok(None) };
    let names = tree.names(&dir, SONGS_MAX)?.unwrap_or_default();
    let cover = COVERS.iter().find(|c| names.iter().any(|n| n == **c));
    Ok(cover.map(|name| media_url(slug, "images", name.as_bytes())))
}

fn songs(tree: &Tree, slug: &Slug) -> io::Result<Vec<Song>> {
    let Ok(dir) = TreePath::new(&b"songs"[..]) else { return Ok(Vec::new()) };
    let names = tree.names(&dir, SONGS_MAX)?.unwrap_or_default();
    let names = names.iter().map(|n| n.as_bytes());
    let audible = names.filter(|n| !n.starts_with(b".") && kind::is_audio(kind::media_type(n)));
    Ok(audible.map(|n| Song { title: title(n), url: media_url(slug, "songs", n) }).collect())
}

fn media_url(slug: &Slug, dir: &str, name: &[u8]) -> String {
    format!("/artists/{slug}/media/{dir}/{}", percent_encode(name, PATH_PART))
}

/// `01-river-of-glass.wav` → `River of glass`.
fn title(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    let words = match stem.split_once(['-', '_', ' ']) {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => stem,
    };
    let mut letters = words.trim().chars().map(|c| if matches!(c, '-' | '_') { ' ' } else { c });
    let first = letters.next().map(char::to_uppercase);
    let title: String = first.into_iter().flatten().chain(letters).collect();
    if title.is_empty() { stem.to_owned() } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_from_file_names() {
        for (name, want) in [
            ("01-river-of-glass.wav", "River of glass"),
            ("river.mp3", "River"),
            ("1999.mp3", "1999"),
            ("02-.mp3", "02-"),
            ("99 red.mp3", "Red"),
            ("été_noir.mp3", "Été noir"),
        ] {
            assert_eq!(title(name.as_bytes()), want);
        }
    }

    #[test]
    fn a_domain_cannot_widen_the_policy() {
        assert!(policy("tourbus.localhost").is_ok());
        for bad in ["", "a; script-src *", "a b", "a\r\n"] {
            assert!(policy(bad).is_err(), "{bad:?} was taken");
        }
    }
}
