//! What workers tell: gathered, applied many in one transaction, then acknowledged.

mod again;
mod catalogues;
mod heartbeats;
mod parse;

pub(crate) use again::{Again, fault};

use crate::{Coordinator, CoordinatorError, patience::Patience};
use futures_util::future::join_all;
use heartbeats::VoidLimiter;
use parse::{Parsed, Refused};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tourbus_broker::{Deliveries, Delivery};
use tourbus_domain::TraceParent;
use tourbus_protocol::names;
use tourbus_store::{HeartbeatFrom, InputError, Outcomes, PlaysApplied, PlaysFrom, Told, VoidTry};
use tourbus_telemetry::trace::{Span, SpanKind};

/// Events in hand at most, unacknowledged: what bounds memory while the database is away.
const PREFETCH: u16 = 500;
/// Most events in one transaction.
const GATHER_MAX: usize = 200;
/// How long the first event of a transaction waits for others.
const GATHER_WAIT: Duration = Duration::from_millis(20);

impl Coordinator {
    /// Consumes events until the end.
    pub(crate) async fn consume_events(&self) -> Result<(), CoordinatorError> {
        let mut deliveries = self.broker.consume(names::EVENTS_QUEUE, PREFETCH, "coordinator");
        let mut limiter = VoidLimiter::default();
        loop {
            let first = tokio::select! {
                () = self.shutdown.cancelled() => break,
                delivery = deliveries.next() => delivery,
            };
            let Some(first) = first else { break };
            let batch = gather(first, &mut deliveries).await;
            metrics::histogram!("tourbus_event_batch_events").record(batch.len() as f64);
            let begun = Instant::now();
            self.take(batch, &mut limiter).await;
            metrics::histogram!("tourbus_event_apply_seconds").record(begun.elapsed());
        }
        deliveries.stop().await;
        Ok(())
    }

    /// Applies a batch and settles its deliveries. Those that are dropped here, because the
    /// process ends before the database is back, are delivered again.
    async fn take(&self, batch: Vec<Delivery>, limiter: &mut VoidLimiter) {
        let mut spans = Vec::new();
        let (mut beats, mut told, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let (mut others, mut refused) = (Vec::new(), Vec::new());
        let (mut plays, mut played, mut catalogues) = (Vec::new(), Vec::new(), Vec::new());
        for delivery in batch {
            match parse::event(&delivery) {
                Ok(Parsed::Heartbeat(beat)) => {
                    beats.push(beat);
                    others.push(delivery);
                }
                Ok(Parsed::Told(one, trace)) => {
                    spans.extend(trace.and_then(|trace| applying(trace, &delivery, &one)));
                    told.push(one);
                    places.push(delivery);
                }
                Ok(Parsed::Plays(one)) => {
                    plays.push(one);
                    played.push(delivery);
                }
                Ok(Parsed::Catalogue(one)) => catalogues.push((one, delivery)),
                Ok(Parsed::Checked) => others.push(delivery),
                Err(why) => refused.push((delivery, why)),
            }
        }
        reject(refused).await;
        if !self.take_heartbeats(&beats, limiter).await {
            return;
        }
        ack(others).await;
        if let Some(outcomes) = self.apply(&told).await {
            settle(&told, places, outcomes).await;
            spans.into_iter().for_each(Span::end);
        }
        self.take_plays(&plays, played).await;
        self.take_catalogues(catalogues).await;
    }

    /// Applies plays. What cannot be applied, because the process ends before the database is
    /// back, comes again.
    async fn take_plays(&self, plays: &[PlaysFrom], deliveries: Vec<Delivery>) {
        if plays.is_empty() {
            return;
        }
        let mut patience = Patience::new("plays");
        loop {
            let error = match self.store.apply_plays(plays).await {
                Ok(applied) => {
                    note_plays(applied);
                    return ack(deliveries).await;
                }
                Err(error) => error,
            };
            if patience.after(&error, self).await {
                continue;
            }
            if error.is_transient() {
                return;
            }
            return self.take_plays_one_by_one(plays, deliveries).await;
        }
    }

    /// The same, one batch per transaction, so that only the culprit is refused.
    async fn take_plays_one_by_one(&self, plays: &[PlaysFrom], deliveries: Vec<Delivery>) {
        for (one, delivery) in plays.iter().zip(deliveries) {
            match self.store.apply_plays(std::slice::from_ref(one)).await {
                Ok(applied) => {
                    note_plays(applied);
                    ack(vec![delivery]).await;
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, batch = %one.batch, "plays.later");
                }
                Err(error) => reject(vec![(delivery, Refused::PlaysNotApplied(error))]).await,
            }
        }
    }

    /// `None` when the process is to end before the database is back.
    async fn apply(&self, told: &[Told]) -> Option<Outcomes> {
        let mut patience = Patience::new("events");
        loop {
            match self.store.apply_inputs(told, &self.config.moves).await {
                Ok(outcomes) => return Some(outcomes),
                Err(error) if patience.after(&error, self).await => {}
                Err(_) => return None,
            }
        }
    }

    /// Returns false when the process is to end before the heartbeats could be noted.
    async fn take_heartbeats(&self, beats: &[HeartbeatFrom], limiter: &mut VoidLimiter) -> bool {
        if beats.is_empty() {
            return true;
        }
        metrics::counter!("tourbus_heartbeats_total").increment(beats.len() as u64);
        let mut patience = Patience::new("heartbeats");
        let void = loop {
            match self.store.take_heartbeats(beats).await {
                Ok(void) => break limiter.pick(void),
                Err(error) if patience.after(&error, self).await => {}
                // What does not pass by itself is dropped: the next heartbeat is seconds away.
                Err(error) => return !error.is_transient(),
            }
        };
        self.call_off(&void).await;
        true
    }

    async fn call_off(&self, void: &[VoidTry]) {
        for one in void {
            let step = one.step;
            tracing::info!(server = %one.server, job = %step.job_id, step = %step.key.kind,
                epoch = step.epoch, floor = one.floor, "events.void_try_held");
        }
        metrics::counter!("tourbus_void_tries_total").increment(void.len() as u64);
        if void.is_empty() {
            return;
        }
        if let Err(error) = self.store.void_tries(void).await {
            tracing::warn!(%error, "events.void_not_ordered: asked again in half a minute");
        }
    }
}

/// The span of applying an event; none for those on the way, which are many and say little.
fn applying(trace: TraceParent, delivery: &Delivery, told: &Told) -> Option<Span> {
    let name = delivery.routing_key.rsplit('.').next().unwrap_or_default();
    if !matches!(name, "started" | "done" | "failed" | "yielded" | "snoozed") {
        return None;
    }
    tracing::debug!(trace_id = trace.trace_id(), job = %told.job_id, event = name, "events.told");
    let span = Span::begin(trace, SpanKind::Consumer, format!("apply {name}"));
    Some(span.with("job", &told.job_id))
}

fn note_plays(applied: PlaysApplied) {
    let PlaysApplied { plays, foreign, repeated } = applied;
    metrics::counter!("tourbus_plays_total", "outcome" => "applied").increment(plays);
    metrics::counter!("tourbus_plays_total", "outcome" => "foreign").increment(foreign);
    if foreign > 0 {
        tracing::warn!(foreign, "plays.of_artists_who_live_elsewhere: not counted");
    }
    if repeated > 0 {
        tracing::debug!(repeated, "plays.repeated");
    }
}

/// The first delivery and what comes right behind it.
async fn gather(first: Delivery, deliveries: &mut Deliveries) -> Vec<Delivery> {
    let mut batch = vec![first];
    let until = Instant::now() + GATHER_WAIT;
    while batch.len() < GATHER_MAX {
        match timeout_at(until, deliveries.next()).await {
            Ok(Some(delivery)) => batch.push(delivery),
            Ok(None) | Err(_) => break,
        }
    }
    batch
}

async fn settle(told: &[Told], deliveries: Vec<Delivery>, outcomes: Outcomes) {
    let (mut done, mut refused) = (Vec::with_capacity(deliveries.len()), Vec::new());
    let (mut applied, mut ignored) = (0, 0);
    for ((delivery, outcome), one) in deliveries.into_iter().zip(outcomes).zip(told) {
        match outcome {
            Ok(outcome) => {
                *(if outcome.ignored { &mut ignored } else { &mut applied }) += 1;
                done.push(delivery);
            }
            Err(InputError::UnknownJob) => {
                tracing::debug!(job = %one.job_id, "events.of_unknown_job");
                ignored += 1;
                done.push(delivery);
            }
            Err(error) => refused.push((delivery, Refused::NotApplied(error))),
        }
    }
    metrics::counter!("tourbus_events_total", "outcome" => "applied").increment(applied);
    metrics::counter!("tourbus_events_total", "outcome" => "ignored").increment(ignored);
    reject(refused).await;
    ack(done).await;
}

async fn ack(deliveries: Vec<Delivery>) {
    for lost in join_all(deliveries.into_iter().map(Delivery::ack)).await {
        if lost.is_err() {
            // It comes again, and changes nothing then.
            tracing::debug!("events.ack_lost");
        }
    }
}

async fn reject(refused: Vec<(Delivery, Refused)>) {
    metrics::counter!("tourbus_events_total", "outcome" => "rejected")
        .increment(refused.len() as u64);
    for (delivery, why) in refused {
        tracing::error!(%why, key = delivery.routing_key, "events.rejected: see the dead letters");
        if delivery.reject().await.is_err() {
            tracing::debug!("events.reject_lost");
        }
    }
}
