//! A file of an artist's tree.

use crate::{
    answer,
    app::App,
    body::FileBody,
    conditions::{self, Validators, Verdict},
    hifi, kind,
    plays::Meter,
    range::Range,
};
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::{io, net::IpAddr, sync::Arc};
use tourbus_domain::Slug;
use tourbus_mediaroot::serve::{Found, OpenFile, Patience};
use tourbus_protocol::{
    TreePath,
    page::{lofi_of, song_of_lofi},
};

/// Where songs are in an artist's tree.
const SONGS: &[u8] = b"songs/";
/// What artists upload is not ours: shown as a document, it may do nothing.
const POLICY: &str = "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; \
                      style-src 'unsafe-inline'";
/// Of what plays or shows and carries no script. Not sandboxed: a browser opens a song in a
/// document of its own, which in a sandbox may not load that very song.
const PASSIVE_POLICY: &str = "default-src 'none'; media-src 'self'; img-src 'self'; \
                              style-src 'unsafe-inline'";

/// Answers with the file, a part of it, the way to its new home, or why not.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: &Request<Incoming>,
    peer: IpAddr,
    slug: Slug,
    path: TreePath,
) -> Response<Body> {
    let lofi = lofi_of(&path);
    match open(app, &slug, &path, lofi.as_ref()).await {
        Ok((Found::File(file), false)) => send(app, request, peer, file, &path),
        Ok((Found::File(file), true)) => match hifi::may_have(app, &slug).await {
            Ok(true) => send(app, request, peer, file, &path),
            Ok(false) => answer::sentence(
                StatusCode::FORBIDDEN,
                "The artist offers this song to hear, not to download.\n",
            ),
            Err(error) => failed(&error, &slug, &path),
        },
        Ok((Found::Moved(home), _)) => answer::moved(&home, request.uri()),
        Ok((Found::NoFile, _)) => {
            answer::sentence(StatusCode::NOT_FOUND, "The artist has no file of this name.\n")
        }
        Ok((Found::NoArtist, _)) => {
            answer::sentence(StatusCode::NOT_FOUND, "No artist of this name is on this server.\n")
        }
        Err(error) => failed(&error, &slug, &path),
    }
}

/// Finds a file of an artist, from the kernel's memory if it can be; and whether there is another
/// one beside it.
pub(crate) async fn open(
    app: &Arc<App>,
    slug: &Slug,
    path: &TreePath,
    beside: Option<&TreePath>,
) -> io::Result<(Found, bool)> {
    match app.root.open_beside(slug, path, beside, Patience::Cached) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let (app, slug, path) = (Arc::clone(app), slug.clone(), path.clone());
            let beside = beside.cloned();
            tokio::task::spawn_blocking(move || {
                app.root.open_beside(&slug, &path, beside.as_ref(), Patience::Disk)
            })
            .await
            .map_err(io::Error::other)?
        }
        found => found,
    }
}

/// The answer to a look-up that failed; the error itself is for the log.
pub(crate) fn failed(error: &io::Error, slug: &Slug, path: &TreePath) -> Response<Body> {
    tracing::warn!(%error, %slug, %path, "media.open_failed");
    match error.kind() {
        io::ErrorKind::PermissionDenied => answer::sentence(
            StatusCode::FORBIDDEN,
            "The server may not read this file; its administrator can mend that.\n",
        ),
        io::ErrorKind::InvalidData => answer::sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server's record of this artist is damaged; its administrator can mend that.\n",
        ),
        _ => {
            let text = "The server cannot open this file just now; please try again.\n";
            let mut response = answer::sentence(StatusCode::SERVICE_UNAVAILABLE, text);
            answer::set(&mut response, header::RETRY_AFTER, "1");
            response
        }
    }
}

fn send(
    app: &App,
    request: &Request<Incoming>,
    peer: IpAddr,
    file: OpenFile,
    path: &TreePath,
) -> Response<Body> {
    let validators = Validators::of(&file);
    let verdict = conditions::judge(request.method(), request.headers(), &validators, file.bytes);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(12);
    stamp(headers, &validators);
    let bytes = file.bytes;
    let (status, part) = match verdict {
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, None),
        Verdict::Failed => (StatusCode::PRECONDITION_FAILED, Some((0, 0))),
        Verdict::Send(Range::Unsatisfiable) => {
            text(headers, header::CONTENT_RANGE, &format!("bytes */{bytes}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((0, 0)))
        }
        Verdict::Send(Range::Whole) => (StatusCode::OK, Some((0, bytes))),
        Verdict::Send(Range::Part { first, last }) => {
            text(headers, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{bytes}"));
            (StatusCode::PARTIAL_CONTENT, Some((first, last - first + 1)))
        }
    };
    describe(headers, path, status);
    if let Some((at, length)) = part {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if length > 0 && request.method() != http::Method::HEAD {
            let meter = meter(app, request.headers(), peer, &file, path);
            let body = FileBody::new(file.fd, at, length, meter, &app.pool, &app.counters);
            *response.body_mut() = Body::new(body);
        }
    }
    *response.status_mut() = status;
    response
}

/// Whether sending this file can be a play: it is a song.
fn meter(
    app: &App,
    headers: &HeaderMap,
    peer: IpAddr,
    file: &OpenFile,
    path: &TreePath,
) -> Option<Meter> {
    let plays = app.plays.as_ref()?;
    // A LOFI that is heard is a play of its song.
    let lofi = song_of_lofi(path);
    let song = lofi.as_ref().unwrap_or(path);
    let name = song.as_bytes().strip_prefix(SONGS)?;
    if !kind::is_audio(kind::media_type(name)) {
        return None;
    }
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    let listener = (app.client(headers, peer), agent);
    Some(plays.meter(listener, file.artist, song.clone(), file.bytes))
}

/// What a 200, a 206 and a 304 have in common.
fn stamp(headers: &mut HeaderMap, validators: &Validators) {
    text(headers, header::ETAG, &validators.etag);
    text(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(validators.modified));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=0, must-revalidate"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, answer::ANYBODY);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn describe(headers: &mut HeaderMap, path: &TreePath, status: StatusCode) {
    let name = path.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    let media_type = kind::media_type(name);
    // A 304 updates the headers of what is cached: it must not change the policy.
    let policy = if kind::is_passive(media_type) { PASSIVE_POLICY } else { POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    if !status.is_success() {
        return;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if !kind::is_inline(media_type) {
        text(headers, header::CONTENT_DISPOSITION, &kind::attachment(name));
    }
}

/// Adds a header made of visible ASCII.
fn text(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(error) => tracing::error!(%error, %name, "media.header_impossible"),
    }
}
