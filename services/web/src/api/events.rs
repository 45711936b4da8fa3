//! `/events`: server-sent events.

use crate::{app::App, extract::Params, feed::Told, problem::Problem};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::IntoParams;
use uuid::Uuid;

/// A comment is sent after this much silence, so that both sides notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A browser waits this long before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// Which changes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only of this batch.
    pub batch_id: Option<Uuid>,
    /// After this position: like the header `Last-Event-ID`, which wins.
    pub after: Option<String>,
}

/// A stream that is open, counted for as long as it is.
struct Open;

impl Open {
    fn begin() -> Self {
        metrics::gauge!("tourbus_sse_clients").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("tourbus_sse_clients").decrement(1.0);
    }
}

/// Everything a subscription holds.
struct Subscription {
    app: App,
    batch: Option<Uuid>,
    past: VecDeque<Arc<Told>>,
    resync: bool,
    rx: Receiver<Arc<Told>>,
    _open: Open,
}

impl Subscription {
    fn event(&self, told: &Told) -> Event {
        let name = if told.batch_id.is_some() { "change" } else { "resync" };
        Event::default().id(self.app.feed.position(told.seq)).event(name).data(&told.json)
    }

    fn resync(&self) -> Event {
        Event::default().id(self.app.feed.now()).event("resync").data("{}").retry(RETRY)
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.resync) {
            return Some(self.resync());
        }
        if let Some(told) = self.past.pop_front() {
            return Some(self.event(&told));
        }
        let shutdown = self.app.shutdown.clone();
        loop {
            let told = tokio::select! {
                () = shutdown.cancelled() => return None,
                told = self.rx.recv() => told,
            };
            match told {
                Ok(told) if told.concerns(self.batch) => return Some(self.event(&told)),
                Ok(_) => {}
                // Too slow to follow: what was missed is read anew.
                Err(RecvError::Lagged(_)) => return Some(self.resync()),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn stream_of(subscription: Subscription) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(subscription, |mut s| async move { s.next().await.map(|e| (Ok(e), s)) })
}

/// Changes as they happen. `change`: `{batch, jobs}`, the batch and those of its jobs that have
/// changed, as in `/batches` and `/jobs`. `resync`: some changes were missed, read anew.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "stream_events",
    params(EventParams),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let (past, rx) = app.feed.subscribe(last.or(params.after.as_deref()));
    let batch = params.batch_id;
    let resync = past.is_none();
    let past = past.unwrap_or_default().into_iter().filter(|t| t.concerns(batch)).collect();
    let stream = stream_of(Subscription { app, batch, past, resync, rx, _open: Open::begin() });
    let mut response =
        Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Tells nginx not to hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
