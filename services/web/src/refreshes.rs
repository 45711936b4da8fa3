//! Pages that open tabs read anew by themselves: however many ask for the same at a time, it is made
//! once.
//!
//! What is shared was made for the same session, not longer ago than [`KEPT_FOR`], and after the last
//! change that tabs were told of: who is told of a change never gets what was made before it.

use crate::{app::App, auth::cookie, problem::Problem};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Pages' own scripts say with it that nobody has asked for the page: it is read anew.
const REFRESH: &str = "x-refresh";
/// A part of a page.
const FRAGMENT: &str = "x-fragment";
const KEPT_FOR: Duration = Duration::from_secs(1);

/// What is asked for, when, and by whom.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    session: String,
    path: String,
    fragment: Option<HeaderValue>,
    /// Where the feed was.
    seq: u64,
}

#[derive(Clone)]
struct Page {
    content_type: HeaderValue,
    body: Bytes,
}

/// Held by who makes it; the others wait.
type Making = Arc<tokio::sync::Mutex<Option<Page>>>;

/// What was made in the last second.
#[derive(Default)]
pub struct Refreshes {
    made: Mutex<HashMap<Asked, (Instant, Making)>>,
}

impl Refreshes {
    fn making(&self, asked: Asked) -> Making {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, (at, _)| at.elapsed() < KEPT_FOR);
        let fresh = || (Instant::now(), Making::default());
        Arc::clone(&made.entry(asked).or_insert_with(fresh).1)
    }
}

fn asked(app: &App, request: &Request) -> Option<Asked> {
    let headers = request.headers();
    if request.method() != Method::GET || !headers.contains_key(REFRESH) {
        return None;
    }
    Some(Asked {
        session: cookie::read(headers)?,
        path: request.uri().path_and_query()?.to_string(),
        fragment: headers.get(FRAGMENT).cloned(),
        seq: app.feed.seq(),
    })
}

/// Makes what is read anew once for all who ask for it at the same time. Around the guard: what is
/// shared cost no question to the database.
pub async fn share(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(asked) = asked(&app, &request) else { return next.run(request).await };
    let making = app.refreshes.making(asked);
    let mut made = making.lock().await;
    if let Some(page) = made.clone() {
        return answer(page);
    }
    let (parts, body) = next.run(request).await.into_parts();
    let Some(content_type) = parts.headers.get(header::CONTENT_TYPE).cloned() else {
        return Response::from_parts(parts, body);
    };
    let is_page =
        parts.status == StatusCode::OK && content_type.as_bytes().starts_with(b"text/html");
    if !is_page {
        return Response::from_parts(parts, body);
    }
    // Rendered pages are whole: nothing is read here that could fail half-way.
    match to_bytes(body, usize::MAX).await {
        Ok(body) => {
            *made = Some(Page { content_type, body: body.clone() });
            Response::from_parts(parts, Body::from(body))
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn answer(page: Page) -> Response {
    ([(header::CONTENT_TYPE, page.content_type)], page.body).into_response()
}
