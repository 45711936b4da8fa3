//! Telling the coordinator: what a step tells on the way, and how a try ends.
//!
//! What is told on the way may be lost. A notice may not: it waits for the end of its try, and is
//! confirmed before that end is told, for after it the try counts no more.

use crate::context::Emit;
use chrono::Utc;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tourbus_broker::{Publication, PublishError, Publisher};
use tourbus_domain::{ErrorClass, Slug, StepRef, TraceParent};
use tourbus_protocol::{Event, EventBody, names};
use uuid::Uuid;

/// Events on the way that are kept while the broker is slow; more are dropped, which is
/// harmless: the end of a try lists again what matters.
const WAITING_MAX: usize = 4096;
/// Events that are published together.
const BATCH_MAX: usize = 64;
/// Pause before publishing again what could not be.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Publishes events of this worker. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    server: Slug,
    worker: String,
    publisher: Publisher,
    waiting: mpsc::Sender<EventBody>,
    notices: Notices,
    traces: Traces,
}

/// Spans of tries that have not ended.
type Traces = Arc<Mutex<HashMap<StepRef, TraceParent>>>;

/// Notices of tries that have not ended.
type Notices = Arc<Mutex<HashMap<StepRef, Vec<EventBody>>>>;

/// Publishes what was emitted, until all senders are gone.
pub struct Pump {
    events: Events,
    waiting: mpsc::Receiver<EventBody>,
}

impl Events {
    /// For this worker of this server.
    pub fn new(server: Slug, worker: String, publisher: Publisher) -> (Self, Pump) {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let (notices, traces) = (Notices::default(), Traces::default());
        let events = Self { server, worker, publisher, waiting: sender, notices, traces };
        (events.clone(), Pump { events, waiting })
    }

    /// From now on events of this try carry its span.
    pub fn begin_trace(&self, step: StepRef, span: TraceParent) {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).insert(step, span);
    }

    /// They do no more.
    pub fn end_trace(&self, step: &StepRef) {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).remove(step);
    }

    fn trace_of(&self, body: &EventBody) -> Option<TraceParent> {
        let step = body.step()?;
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).get(step).copied()
    }

    /// Publishes once.
    pub async fn publish(&self, body: EventBody) -> Result<(), PublishError> {
        self.publisher.publish(self.publication(body)?).await
    }

    /// Publishes the end of a try, its notices first, each until it is confirmed, for as long as
    /// `worthwhile` and until `deadline`. Whether all is confirmed.
    pub async fn deliver(
        &self,
        end: EventBody,
        worthwhile: impl Fn() -> bool,
        deadline: impl Fn() -> Option<Instant>,
    ) -> bool {
        let notices = end.step().map(|step| self.take_notices(step)).unwrap_or_default();
        for body in notices.into_iter().chain([end]) {
            if !self.insist(body, &worthwhile, &deadline).await {
                return false;
            }
        }
        true
    }

    /// The notices of a try that ends; they are not told again.
    pub fn take_notices(&self, step: &StepRef) -> Vec<EventBody> {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.remove(step).unwrap_or_default()
    }

    async fn insist(
        &self,
        body: EventBody,
        worthwhile: &impl Fn() -> bool,
        deadline: &impl Fn() -> Option<Instant>,
    ) -> bool {
        loop {
            let error = match self.publish(body.clone()).await {
                Ok(()) => return true,
                Err(error) => error,
            };
            let name = body.name();
            let late = deadline().is_some_and(|d| Instant::now() >= d);
            if error.class() == ErrorClass::Permanent || late || !worthwhile() {
                tracing::warn!(event = name, %error, "event.lost");
                return false;
            }
            tracing::debug!(event = name, %error, "event.again");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    fn publication(&self, body: EventBody) -> Result<Publication, PublishError> {
        let kind = body.name();
        let id = Uuid::now_v7();
        let event = Event {
            id,
            server: self.server.clone(),
            worker: self.worker.clone(),
            at: Utc::now(),
            trace: self.trace_of(&body),
            body,
        };
        let body = serde_json::to_vec(&event)
            .map_err(|e| PublishError::Refused { reason: e.to_string() })?;
        let routing_key = names::event_key(&self.server, kind);
        let exchange = names::EVENTS_EXCHANGE.to_owned();
        Ok(Publication { exchange, routing_key, body, message_id: id, kind })
    }
}

impl Emit for Events {
    fn emit(&self, body: EventBody) {
        if let EventBody::Noticed { step, .. } = body {
            let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
            notices.entry(step).or_default().push(body);
            return;
        }
        let name = body.name();
        if self.waiting.try_send(body).is_err() {
            metrics::counter!("tourbus_worker_events_dropped_total", "event" => name).increment(1);
        }
    }
}

impl Pump {
    /// Runs until every [`Events`] but this one's own is gone.
    pub async fn run(self) {
        let Self { events, mut waiting } = self;
        let Events { server, worker, publisher, waiting: own, notices, traces } = events;
        // The last sender but ours ends the loop.
        let (idle, _) = mpsc::channel(1);
        drop(own);
        let events = Events { server, worker, publisher, waiting: idle, notices, traces };
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let publications = batch.drain(..).filter_map(|b| events.publication(b).ok()).collect();
            for result in events.publisher.publish_all(publications).await {
                if let Err(error) = result {
                    metrics::counter!("tourbus_worker_events_dropped_total", "event" => "any")
                        .increment(1);
                    tracing::debug!(%error, "event.dropped");
                }
            }
        }
    }
}
