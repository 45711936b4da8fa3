//! The artist's workshop: writing to one's own tree, with leave that the master gave.
//!
//! | request | does |
//! |---|---|
//! | `POST /artists/{slug}/uploads` | begins an upload (tus 1.0) |
//! | `HEAD`, `PATCH`, `DELETE /artists/{slug}/uploads/{id}` | continues it, or gives it up |
//! | `GET /artists/{slug}/workshop` | all that the artist has |
//! | `PATCH /artists/{slug}/workshop` | name, text, downloads, the order of songs |
//! | `PATCH`, `DELETE /artists/{slug}/workshop/songs/{id}` | a song's title; a song |
//! | `DELETE /artists/{slug}/workshop/files/{path}` | a picture or a vault file |
//! | `POST /artists/{slug}/workshop/cover` | which picture stands for the artist |
//! | `POST /artists/{slug}/workshop/imports` | makes songs of files in `import/` |
//!
//! Every request carries a [`Grant`] as bearer token: web gives it, for this artist on this server,
//! for minutes. *Invariant:* nothing is written without one, nor to a tree that moves.

mod edit;
mod images;
mod import;
mod inspect;
mod names;
mod problem;
mod quota;
mod receive;
mod settle;
mod shelf;
mod turns;
mod tus;

pub use inspect::Inspected;
pub(crate) use inspect::Inspector;
pub(crate) use turns::Turns;

use crate::{answer, app::App};
use axum::body::Body;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use problem::Problem;
use std::sync::Arc;
use tourbus_domain::Slug;
use tourbus_mediaroot::{Beneath, NotNow, Writable};
use tourbus_protocol::visitor::{Grant, NotBelieved};
use uuid::Uuid;

/// What a path below an artist asks of the workshop; what follows `workshop/` is as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `uploads`.
    Uploads,
    /// `uploads/{id}`.
    Upload(Uuid),
    /// `workshop` and what follows.
    Workshop(Vec<String>),
}

/// What scripts of the main site may read of an answer.
const EXPOSED: &str = "Location, Retry-After, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, \
                       Upload-Expires, Upload-Length, Upload-Offset";
/// What they may send.
const ALLOWED: &str =
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset";
/// How.
const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";

/// Who asks: somebody with leave to write to this artist's tree.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    grant: Grant,
}

impl Leave {
    fn given_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.grant.issued_at_s, 0).unwrap_or_default()
    }
}

/// Answers a request to the workshop; never fails.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: Request<Incoming>,
    slug: Slug,
    place: Place,
) -> Response<Body> {
    let is_tus = !matches!(place, Place::Workshop(_));
    let head = *request.method() == Method::HEAD;
    let mut response = match *request.method() {
        Method::OPTIONS => preflight(),
        _ => match handle(app, request, slug, place).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(head),
        },
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, app.main_origin.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_tus {
        tus::stamp(headers);
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    answer::set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer::set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    answer::set(&mut response, header::ACCESS_CONTROL_MAX_AGE, "600");
    tus::describe(response.headers_mut());
    response
}

async fn handle(
    app: &Arc<App>,
    request: Request<Incoming>,
    slug: Slug,
    place: Place,
) -> Result<Response<Body>, Problem> {
    let leave = leave(app, request.headers(), &slug)?;
    match (request.method().clone(), place) {
        (Method::POST, Place::Uploads) => receive::begin(app, &request, &leave).await,
        (Method::HEAD, Place::Upload(id)) => receive::look(app, &request, &leave, id).await,
        (Method::PATCH, Place::Upload(id)) => {
            // Whoever has sent all of it may go: what came is kept all the same.
            let app = Arc::clone(app);
            let going = async move { receive::go_on(&app, request, &leave, id).await };
            tokio::spawn(going).await.unwrap_or_else(|error| {
                tracing::error!(%error, "workshop.panicked");
                Err(Problem::internal())
            })
        }
        (Method::DELETE, Place::Upload(id)) => receive::give_up(app, &request, &leave, id).await,
        (_, Place::Uploads) => Err(Problem::method("POST, OPTIONS")),
        (_, Place::Upload(_)) => Err(Problem::method("HEAD, PATCH, DELETE, OPTIONS")),
        (_, Place::Workshop(rest)) => edit::answer(app, request, &leave, &rest).await,
    }
}

/// Who asks. The token says for whom and where it is good; the path must say the same.
fn leave(app: &App, headers: &HeaderMap, slug: &Slug) -> Result<Leave, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = bearer else {
        return Err(Problem::unauthorized("The request carries no token."));
    };
    let grant: Grant = app.visitors.believe(token, Utc::now()).map_err(|why| match why {
        NotBelieved::Expired => Problem::unauthorized("The token has expired."),
        NotBelieved::Malformed | NotBelieved::Forged => {
            Problem::unauthorized("The token is none that this cluster's master has given.")
        }
    })?;
    if grant.server != app.server {
        let detail =
            format!("The token is for server {}, and this is {}.", grant.server, app.server);
        return Err(Problem::forbidden("other_server", detail));
    }
    if grant.slug != *slug {
        let detail = format!("The token is for artist {}, not for {slug}.", grant.slug);
        return Err(Problem::forbidden("other_artist", detail));
    }
    Ok(Leave { grant })
}

/// Does something with the artist's tree on a thread that may wait for the disk.
async fn with_tree<T: Send + 'static>(
    app: &Arc<App>,
    leave: &Leave,
    act: impl FnOnce(&Writable) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let (app, artist, given_at) = (Arc::clone(app), leave.grant.artist, leave.given_at());
    blocking(move || act(&app.root.writable(artist, given_at, Utc::now())?)).await
}

/// Looks at the artist's tree, also while it moves.
async fn read_tree<T: Send + 'static>(
    app: &Arc<App>,
    leave: &Leave,
    act: impl FnOnce(&Beneath) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let (app, artist) = (Arc::clone(app), leave.grant.artist);
    blocking(move || match Beneath::open(&app.root.tree(artist)) {
        Err(error) if error.is_missing() => Err(NotNow::Gone.into()),
        tree => act(&tree?),
    })
    .await
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| {
        tracing::error!(%error, "workshop.panicked");
        Err(Problem::internal())
    })
}

/// An answer in JSON.
fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Result<Response<Body>, Problem> {
    let text = serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "workshop.unwritable");
        Problem::internal()
    })?;
    Ok(answer::whole(status, "application/json", text))
}
