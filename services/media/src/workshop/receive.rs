//! Uploads: begun, asked about, continued, given up.

use super::{
    Leave, blocking, names,
    problem::Problem,
    quota::{self, shown},
    settle, tus, with_tree,
};
use crate::app::App;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tourbus_mediaroot::{Upload, UploadKind, UploadState, Writable, upload, uploads};
use uuid::Uuid;

/// Gathered before the disk is asked, in bytes: all the memory that an upload takes.
const PIECE_BYTES: usize = 1 << 20;
/// Longest wait for a sender who says nothing.
const SENDER_WAIT: Duration = Duration::from_secs(60);
/// Uploads of one artist that have begun and are not done, at most.
const OPEN_MAX: usize = 1000;
/// Free disk that uploads leave, in bytes.
const DISK_RESERVE_BYTES: u64 = 256 << 20;

fn unknown() -> Problem {
    Problem::not_found("There is no such upload, or it was given up.")
        .remedy("Begin a new one. Uploads that nobody continues are given up after 7 days.")
}

/// Begins an upload.
pub(super) async fn begin(
    app: &Arc<App>,
    request: &Request<Incoming>,
    leave: &Leave,
) -> Result<Response<Body>, Problem> {
    let headers = request.headers();
    tus::check(headers)?;
    let bytes = tus::number(headers, &tus::LENGTH)?;
    let kind = tus::metadata(headers, "kind")?.unwrap_or_else(|| "song".to_owned());
    let kind = UploadKind::parse(&kind).ok_or_else(|| {
        Problem::bad_request("bad_kind", format!("The kind {kind:?} is none."))
            .remedy("Use song, image, cover or vault.")
    })?;
    let name = tus::metadata(headers, "filename")?.unwrap_or_default();
    names::check(&name)?;
    may_be(kind, bytes)?;
    let free_bytes = app.root.space()?.free_bytes;
    let quota_bytes = leave.grant.quota_bytes;
    let (id, state) = (Uuid::now_v7(), UploadState::Receiving);
    let begun = Upload { id, kind, name, bytes, at: Utc::now(), state };
    with_tree(app, leave, move |tree| {
        quota::check(quota::usage(tree.tree())?, quota_bytes, bytes)?;
        has_room(bytes, free_bytes)?;
        few(tree)?;
        Ok(tree.begin_upload(&begun)?)
    })
    .await?;
    metrics::counter!("tourbus_media_uploads_total", "event" => "begun").increment(1);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    let location = format!("/artists/{}/uploads/{id}", leave.grant.slug);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(tus::OFFSET, HeaderValue::from(0_u64));
    expires(response.headers_mut());
    Ok(response)
}

/// Files that nobody goes on with are given up in time; until then there may be so many.
fn few(tree: &Writable) -> Result<(), Problem> {
    let begun = uploads(tree.tree())?;
    let open = begun.iter().filter(|(u, _)| u.state == UploadState::Receiving).count();
    if open < OPEN_MAX {
        return Ok(());
    }
    let detail = format!("{open} uploads have begun and are not done.");
    Err(Problem::new(StatusCode::CONFLICT, "too_many_uploads", detail)
        .remedy("Go on with them, or give some up."))
}

fn may_be(kind: UploadKind, bytes: u64) -> Result<(), Problem> {
    if bytes == 0 {
        let detail = "The file is empty.";
        return Err(Problem::bad_request("empty", detail).remedy("Look at it on your side."));
    }
    let most = match kind {
        UploadKind::Image | UploadKind::Cover => super::images::BYTES_MAX,
        UploadKind::Song | UploadKind::Vault => tus::BYTES_MAX,
    };
    if bytes > most {
        let detail = format!("The file has {}; at most {} are taken.", shown(bytes), shown(most));
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
            .remedy("Use a smaller file."));
    }
    Ok(())
}

fn has_room(bytes: u64, free_bytes: u64) -> Result<(), Problem> {
    if bytes.saturating_add(DISK_RESERVE_BYTES) > free_bytes {
        let detail =
            format!("The file has {}; the server's disk has no room for it.", shown(bytes));
        return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", detail)
            .remedy("Try again when an administrator has made room."));
    }
    Ok(())
}

fn expires(headers: &mut HeaderMap) {
    let ends =
        std::time::SystemTime::now() + tourbus_mediaroot::UPLOAD_KEEP.to_std().unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&httpdate::fmt_http_date(ends)) {
        headers.insert(tus::EXPIRES, value);
    }
}

/// How far an upload is, when whoever is still writing to it has stopped: the answer stays true. One
/// that is whole and waits to be looked at is looked at now: whoever asks takes it for done.
pub(super) async fn look(
    app: &Arc<App>,
    request: &Request<Incoming>,
    leave: &Leave,
    id: Uuid,
) -> Result<Response<Body>, Problem> {
    tus::check(request.headers())?;
    let turn = app.turns.take(id).await?;
    let (found, arrived) = find(app, leave, id).await?;
    if found.state == UploadState::Receiving && arrived == found.bytes {
        settle::settle(app, leave, id, turn).await?;
    } else if let UploadState::Refused { code, detail } = found.state {
        return Err(Problem::unprocessable(&code, detail));
    }
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(tus::OFFSET, HeaderValue::from(arrived));
    headers.insert(tus::LENGTH, HeaderValue::from(found.bytes));
    expires(headers);
    Ok(response)
}

async fn find(app: &Arc<App>, leave: &Leave, id: Uuid) -> Result<(Upload, u64), Problem> {
    with_tree(app, leave, move |tree| upload(tree.tree(), id)?.ok_or_else(unknown)).await
}

/// Gives an upload up.
pub(super) async fn give_up(
    app: &Arc<App>,
    request: &Request<Incoming>,
    leave: &Leave,
    id: Uuid,
) -> Result<Response<Body>, Problem> {
    tus::check(request.headers())?;
    let _turn = app.turns.take(id).await?;
    let there = with_tree(app, leave, move |tree| Ok(tree.drop_upload(id)?)).await?;
    if !there {
        return Err(unknown());
    }
    metrics::counter!("tourbus_media_uploads_total", "event" => "given_up").increment(1);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Takes more of an upload, and puts it into its place when it is whole.
pub(super) async fn go_on(
    app: &Arc<App>,
    request: Request<Incoming>,
    leave: &Leave,
    id: Uuid,
) -> Result<Response<Body>, Problem> {
    let headers = request.headers();
    tus::check(headers)?;
    tus::check_type(headers)?;
    let offset = tus::number(headers, &tus::OFFSET)?;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let turn = app.turns.take(id).await?;
    let (found, arrived) = find(app, leave, id).await?;
    match found.state {
        UploadState::Refused { code, detail } => return Err(Problem::unprocessable(&code, detail)),
        UploadState::Placed { .. } if offset == found.bytes => return Ok(at(found.bytes)),
        UploadState::Placed { .. } | UploadState::Receiving => {}
    }
    if offset != arrived {
        let detail =
            format!("{arrived} bytes of the upload are here; the request goes on at {offset}.");
        let problem = Problem::new(StatusCode::CONFLICT, "wrong_offset", detail)
            .remedy("Ask for the offset with HEAD, and go on from there.");
        return Err(problem.at(arrived));
    }
    if length.is_some_and(|more| offset.saturating_add(more) > found.bytes) {
        return Err(too_much(found.bytes));
    }
    let mut taking = Taking { app, leave, id, at: offset, end: found.bytes };
    let taken = taking.all(request.into_body(), &turn.over).await;
    let arrived = taking.at;
    let (app_, artist, given_at) = (Arc::clone(app), leave.grant.artist, leave.given_at());
    // Whatever happened: what the client is told to have arrived must be so after a power cut.
    let flushed = blocking(move || {
        let tree = app_.root.writable(artist, given_at, Utc::now())?;
        Ok(tree.flush_upload(id)?)
    });
    let flushed = flushed.await;
    taken?;
    flushed?;
    if arrived == found.bytes {
        settle::settle(app, leave, id, turn).await?;
    }
    Ok(at(arrived))
}

fn too_much(bytes: u64) -> Problem {
    Problem::bad_request(
        "too_much",
        format!("The request brings more than the {bytes} bytes that were announced."),
    )
    .remedy("Begin a new upload with the file's true length.")
}

fn at(offset: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(tus::OFFSET, HeaderValue::from(offset));
    expires(response.headers_mut());
    response
}

/// An upload while it is being received.
struct Taking<'a> {
    app: &'a Arc<App>,
    leave: &'a Leave,
    id: Uuid,
    at: u64,
    end: u64,
}

impl Taking<'_> {
    /// Takes all that comes. What has come before something fails is kept.
    async fn all(&mut self, mut body: Incoming, over: &CancellationToken) -> Result<(), Problem> {
        let tree = with_opened(self.app, self.leave).await?;
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let ended = loop {
            let frame = tokio::select! {
                () = over.cancelled() => break Err(taken_over()),
                frame = timeout(SENDER_WAIT, body.frame()) => frame,
            };
            let data = match frame {
                Ok(None) => break Ok(()),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(_))) => break Err(broken_off()),
                Err(_) => break Err(silent()),
            };
            if self.at + (piece.len() + data.len()) as u64 > self.end {
                break Err(too_much(self.end));
            }
            piece.extend_from_slice(&data);
            if piece.len() >= PIECE_BYTES {
                self.write(&tree, piece.split().freeze()).await?;
            }
        };
        if !piece.is_empty() {
            self.write(&tree, piece.freeze()).await?;
        }
        ended
    }

    async fn write(&mut self, tree: &Arc<Writable>, piece: Bytes) -> Result<(), Problem> {
        let (tree, id, at, length) = (Arc::clone(tree), self.id, self.at, piece.len() as u64);
        blocking(move || Ok(tree.append(id, at, &piece)?)).await?;
        self.at += length;
        metrics::counter!("tourbus_media_upload_bytes_total").increment(length);
        Ok(())
    }
}

async fn with_opened(app: &Arc<App>, leave: &Leave) -> Result<Arc<Writable>, Problem> {
    let (app, artist, given_at) = (Arc::clone(app), leave.grant.artist, leave.given_at());
    blocking(move || Ok(Arc::new(app.root.writable(artist, given_at, Utc::now())?))).await
}

fn taken_over() -> Problem {
    Problem::new(StatusCode::LOCKED, "taken_over", "Another request goes on with this upload.")
}

/// Nobody reads it any more.
fn broken_off() -> Problem {
    Problem::bad_request("broken_off", "The connection broke off.")
        .remedy("Ask for the offset with HEAD, and go on from there.")
}

fn silent() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "silent", "Nothing came for a minute.")
        .remedy("Ask for the offset with HEAD, and go on from there.")
}
