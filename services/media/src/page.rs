//! An artist's page.

use crate::{MediaError, answer, app::App, file, waveform};
use askama::Template;
use axum::body::Body;
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::{io, sync::Arc};
use tourbus_config::ClusterConfig;
use tourbus_domain::{ArtistId, Slug};
use tourbus_mediaroot::{
    Beneath, Unreadable,
    serve::{Patience, Place},
};
use tourbus_protocol::{
    TreePath,
    page::{About, IMAGES_DIR, lofi_of},
    visitor::{VISITOR_COOKIE, Visitor},
};

/// Where the style sheet is.
pub(crate) const STYLE_PATH: &str = "/assets/artist.css";
/// Where the icon is.
pub(crate) const ICON_PATH: &str = "/assets/artist-icon.svg";
/// Where the player is.
pub(crate) const PLAYER_PATH: &str = "/assets/player.js";
/// Where the script is that knows who is signed in.
pub(crate) const VISITOR_PATH: &str = "/assets/visitor.js";
/// Songs shown at most.
const SONGS_MAX: usize = 500;
/// Songs whose waveform is drawn at most: the others are small and in a long list.
const WAVEFORMS_MAX: usize = 100;
/// Names that a cover may have.
const COVERS: [&str; 4] = ["cover.svg", "cover.png", "cover.jpg", "cover.webp"];
/// What stays readable in a URL's path.
const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Song {
    title: String,
    /// What is heard: the LOFI if there is one.
    url: String,
    /// The original.
    original: String,
    /// `3:05`; empty when it is not known.
    length: String,
    /// A path in a box of 200 to 32; empty when there is none.
    wave: String,
    /// Whether the original may be downloaded.
    download: bool,
}

#[derive(Template)]
#[template(path = "artist.html")]
struct ArtistPage<'a> {
    name: &'a str,
    text: &'a str,
    cover: Option<String>,
    songs: Vec<Song>,
    main_url: &'a str,
    slug: &'a str,
    visitor: Option<&'a Visitor>,
    /// Whether the page is the visitor's own.
    own: bool,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFoundPage<'a> {
    main_url: &'a str,
}

/// The origin of the master's pages: scheme, host and port.
pub(crate) fn origin(main_url: &str) -> Result<HeaderValue, MediaError> {
    let bad = || MediaError::Cluster { key: "main_url", value: main_url.to_owned() };
    let (scheme, rest) = main_url.split_once("://").ok_or_else(bad)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    if host.is_empty() || !plain || !matches!(scheme, "http" | "https") {
        return Err(bad());
    }
    HeaderValue::from_str(&format!("{scheme}://{host}")).map_err(|_| bad())
}

/// The policy of our own pages. Songs may come from any server of the cluster: when the artist
/// moves while the page is open, its players are sent to the new home. The master is asked who is
/// signed in.
pub(crate) fn policy(cluster: &ClusterConfig) -> Result<HeaderValue, MediaError> {
    let main_domain = &cluster.main_domain;
    let main = origin(&cluster.main_url)?;
    let main = main.to_str().unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src {main}; \
         img-src 'self' {main_domain}:* *.{main_domain}:*; \
         media-src 'self' {main_domain}:* *.{main_domain}:*; base-uri 'none'; \
         form-action {main}; frame-ancestors 'none'"
    );
    let bad = || MediaError::Cluster { key: "main_domain", value: main_domain.clone() };
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
    let visitor = visitor_of(app, request.headers());
    let made = tokio::task::spawn_blocking(move || make(&worker, &whose, visitor.as_ref())).await;
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

/// The script that knows who is signed in.
pub(crate) fn visitor() -> Response<Body> {
    asset("text/javascript; charset=utf-8", include_str!("../assets/visitor.js"))
}

/// Who looks, as the master has told the browser within the last minute.
fn visitor_of(app: &App, headers: &HeaderMap) -> Option<Visitor> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let pairs = cookies.flat_map(|v| v.split(';')).map(str::trim);
    let mut texts = pairs.filter_map(|p| p.strip_prefix(VISITOR_COOKIE)?.strip_prefix('='));
    texts.find_map(|text| app.visitors.believe(text, Utc::now()).ok())
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

fn make(app: &App, slug: &Slug, visitor: Option<&Visitor>) -> io::Result<Made> {
    let tree = match app.root.find(slug, Patience::Disk)? {
        Place::Here(tree) => tree,
        Place::Moved(home) => return Ok(Made::Moved(home)),
        Place::Nowhere => return Ok(Made::Nowhere),
    };
    let artist = tree.artist;
    let tree = tree.beneath()?;
    let about = about(&tree)?;
    let name = if about.name.trim().is_empty() { slug.as_str() } else { about.name.trim() };
    let page = ArtistPage {
        name,
        text: &about.text,
        cover: cover(&tree, slug, &about)?,
        songs: songs(&tree, artist, slug, &about)?,
        main_url: &app.main_url,
        slug: slug.as_str(),
        visitor,
        own: visitor.is_some_and(|v| v.artists.contains(slug)),
    };
    page.render().map(Made::Page).map_err(io::Error::other)
}

/// An `artist.json` that is missing, too big or broken costs the artist the words, not the page.
fn about(tree: &Beneath) -> io::Result<About> {
    match tourbus_mediaroot::about(tree) {
        Ok(about) => Ok(about),
        Err(Unreadable::Root(error)) if error.source.kind() != io::ErrorKind::FileTooLarge => {
            Err(error.source)
        }
        Err(error) => {
            tracing::warn!(%error, tree = %tree.path().display(), "media.page_without_words");
            Ok(About::default())
        }
    }
}

fn cover(tree: &Beneath, slug: &Slug, about: &About) -> io::Result<Option<String>> {
    let there = |path: &TreePath| tree.size(path).map(|s| s.is_some()).map_err(|e| e.source);
    if let Some(path) = &about.cover
        && there(path)?
    {
        return Ok(Some(media_url(slug, path)));
    }
    for name in COVERS {
        let path = TreePath::known(format!("{IMAGES_DIR}/{name}"));
        if there(&path)? {
            return Ok(Some(media_url(slug, &path)));
        }
    }
    Ok(None)
}

fn songs(tree: &Beneath, artist: ArtistId, slug: &Slug, about: &About) -> io::Result<Vec<Song>> {
    let songs = tourbus_mediaroot::songs(tree, artist, about).map_err(|e| e.source)?;
    let shown = songs.into_iter().filter(|s| !s.awaits_lofi).take(SONGS_MAX).enumerate();
    let heard = |path: &TreePath| {
        let lofi = lofi_of(path).filter(|lofi| tree.size(lofi).is_ok_and(|size| size.is_some()));
        media_url(slug, lofi.as_ref().unwrap_or(path))
    };
    let song = |(n, song): (usize, tourbus_protocol::page::Song)| Song {
        wave: song
            .waveform
            .filter(|_| n < WAVEFORMS_MAX)
            .and_then(|path| waveform::drawn(tree, &path))
            .unwrap_or_default(),
        length: length(song.duration_ms),
        url: heard(&song.path),
        original: media_url(slug, &song.path),
        title: song.title,
        download: about.downloads,
    };
    Ok(shown.map(song).collect())
}

/// `3:05`, `1:02:03`.
fn length(duration_ms: u64) -> String {
    let s = (duration_ms + 500) / 1000;
    match (s / 3600, s / 60 % 60, s % 60) {
        _ if duration_ms == 0 => String::new(),
        (0, minutes, s) => format!("{minutes}:{s:02}"),
        (hours, minutes, s) => format!("{hours}:{minutes:02}:{s:02}"),
    }
}

fn media_url(slug: &Slug, path: &TreePath) -> String {
    let parts = path.as_bytes().split(|b| *b == b'/');
    let parts: Vec<String> = parts.map(|p| percent_encode(p, PATH_PART).to_string()).collect();
    format!("/artists/{slug}/media/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_players_show_them() {
        for (ms, want) in
            [(0, ""), (499, "0:00"), (59_600, "1:00"), (185_000, "3:05"), (3_723_000, "1:02:03")]
        {
            assert_eq!(length(ms), want);
        }
    }

    #[test]
    fn a_domain_cannot_widen_the_policy() {
        let policy = |main_domain: &str, main_url: &str| {
            let (main_domain, main_url) = (main_domain.to_owned(), main_url.to_owned());
            policy(&ClusterConfig { main_domain, main_url })
        };
        let good = policy("tourbus.localhost", "http://tourbus.localhost:8080").unwrap();
        assert!(good.to_str().unwrap().contains("connect-src http://tourbus.localhost:8080;"));
        for bad in ["", "a; script-src *", "a b", "a\r\n"] {
            assert!(policy(bad, "http://a").is_err(), "{bad:?} was taken");
            assert!(policy("a", &format!("http://{bad}")).is_err(), "{bad:?} was taken");
        }
    }
}
