//! One delivery, from checking its signature to acknowledging it.
//!
//! ```text
//!  verify ──refused──▶ dead letters
//!    │ enter the fence ──stale──▶ ack, say nothing
//!    │ started · run the step ──void──▶ ack, say nothing
//!    ▼ done | failed | yielded, confirmed ──▶ seal the fence ──▶ ack
//! ```

use crate::{
    buffers::Buffers,
    context::{Context, Outcome, Stop, crashed, previous_try_still_running},
    convert::Converter,
    events::Events,
    fault,
    held::Held,
    lanes::LaneGate,
    limiter::Limiter,
    phase::Phase,
    quarantine::Watchman,
    steps,
    trust::{Announcement, Trust},
};
use chrono::Utc;
use std::{future, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tourbus_broker::Delivery;
use tourbus_config::WorkerLimits;
use tourbus_domain::{
    ErrorClass, JobError, Lane, LanePauses, StepKind, StepRef, StepResult, TraceParent,
};
use tourbus_mediaroot::{Entered, Entering, LimitsNote, MediaRoot, RootError, Ticket, Way};
use tourbus_protocol::{EventBody, Order, Refused, Work};
use tourbus_staging::Staging;
use tourbus_telemetry::trace::{Span, SpanKind};
use tracing::Instrument as _;
use uuid::Uuid;

/// Longest wait for an earlier try to let go.
const ENTER_WAIT: Duration = Duration::from_secs(30);
/// How often that is looked at.
const ENTER_POLL: Duration = Duration::from_millis(20);
/// How often a move that waits for its turn asks for it.
const PLACE_POLL: Duration = Duration::from_millis(250);
/// The same for one that is to overtake those.
const PLACE_POLL_EXPRESS: Duration = Duration::from_millis(25);
/// When an import whose move has no place yet is sent again, in seconds.
const PLACE_AGAIN_S: u32 = 15;
/// How long an export whose move has no place yet keeps its message: behind it may stand the next
/// part of one that has.
const PLACE_HOLD: Duration = Duration::from_secs(1);
/// How often a running try is asked whether it still counts, besides the step's own checks.
const VOID_POLL: Duration = Duration::from_millis(250);

/// What every delivery needs. Shared.
pub struct Desk<S> {
    pub trust: Arc<Trust>,
    pub root: MediaRoot,
    pub staging: S,
    pub buffers: Buffers,
    pub limiter: Limiter,
    pub limits: Arc<WorkerLimits>,
    pub events: Events,
    pub held: Held,
    pub phase: Arc<Phase>,
    pub watchman: Arc<Watchman>,
    pub gate: Arc<LaneGate>,
    pub converter: Converter,
}

/// How entering ended.
enum Entry {
    Entered(Entered),
    Stale,
    Ended(Stop),
}

impl<S: Staging> Desk<S> {
    /// Deals with one delivery.
    pub async fn take(&self, delivery: Delivery) {
        let work = match self.verify(&delivery).await {
            Ok(work) => work,
            Err(refused) => {
                tracing::warn!(%refused, routing_key = delivery.routing_key, "work.refused");
                metrics::counter!("tourbus_worker_refused_total").increment(1);
                settled(delivery.reject().await);
                return;
            }
        };
        match work.order.clone() {
            Order::VoidV1 => return self.void(&work, delivery).await,
            Order::ReleaseV1 { quarantine } => return self.release(quarantine, delivery).await,
            Order::TrustV1 { generation, keys } => {
                return self.trust(generation, keys, delivery).await;
            }
            Order::LimitsV1 { revision, workers, limits } => {
                let issued_at = work.issued_at;
                let note = LimitsNote { revision, issued_at, workers, limits };
                return self.limit(note, delivery).await;
            }
            Order::LanesV1 { generation, paused } => {
                let pauses = LanePauses { generation, paused: paused.into_iter().collect() };
                return self.lanes(pauses, delivery).await;
            }
            _ => (),
        }
        let trace_id = work.trace.map(TraceParent::trace_id);
        let logged = tracing::info_span!("try", trace_id);
        self.attend(&work, delivery).instrument(logged).await;
    }

    /// Does a step and tells how it ended.
    async fn attend(&self, work: &Work, delivery: Delivery) {
        let step = work.step_ref();
        let _hold = self.held.hold(step);
        let lane = lane_of(&delivery, work);
        let span = work.trace.map(|trace| doing(trace, work, lane));
        if let Some(span) = &span {
            self.events.begin_trace(step, span.context);
        }
        let begun = Instant::now();
        let (outcome, entered) = self.act(work, lane).await;
        metrics::histogram!("tourbus_worker_step_seconds", "kind" => step.key.kind.as_str())
            .record(begun.elapsed());
        if let Some(mut span) = span {
            span = span.with("outcome", &ending(&outcome));
            span.error = match &outcome {
                Err(Stop::Failed(error)) => Some(error.to_string()),
                _ => None,
            };
            span.end();
        }
        self.tell(work, outcome, delivery, entered).await;
        self.events.end_trace(&step);
    }

    /// Enters the fence and runs the step; again with some ballast less, if its notes found the
    /// disk full. An import gets none: it would only fill it with the artist's files.
    async fn act(&self, work: &Work, lane: Lane) -> (Outcome, Option<Arc<Entered>>) {
        let kind = work.key.kind;
        loop {
            let (outcome, entered) = match self.enter(work).await {
                Entry::Entered(entered) => {
                    let entered = Arc::new(entered);
                    let outcome = match self.wait_for_place(work, lane, &entered).await {
                        Ok(()) => self.run(work.clone(), lane, Arc::clone(&entered)).await,
                        Err(stop) => Err(stop),
                    };
                    (outcome, Some(entered))
                }
                Entry::Stale => (Err(Stop::Void), None),
                Entry::Ended(stop) => (Err(stop), None),
            };
            match outcome {
                Err(Stop::Failed(error)) if error.code == fault::DISK_FULL => {
                    if kind != StepKind::Import && self.gave_up_ballast().await {
                        drop(entered);
                        continue;
                    }
                    return (Err(Stop::Failed(still_full(kind, error))), entered);
                }
                other => return (other, entered),
            }
        }
    }

    async fn gave_up_ballast(&self) -> bool {
        let root = self.root.clone();
        match blocking(move || root.give_up_ballast()).await {
            Ok(given) => {
                tracing::warn!(given, "disk.full: the notes of moves need the ballast");
                given
            }
            Err(error) => {
                tracing::warn!(%error, "disk.full: the ballast cannot be given up");
                false
            }
        }
    }

    async fn verify(&self, delivery: &Delivery) -> Result<Work, Refused> {
        match self.trust.check(&delivery.body, Utc::now()) {
            Err(Refused::UnknownKey(_)) => {
                let trust = Arc::clone(&self.trust);
                let looking = blocking(move || {
                    trust.look();
                    Ok(())
                });
                if let Err(error) = looking.await {
                    tracing::debug!(%error, "trust.not_looked");
                }
                self.trust.check(&delivery.body, Utc::now())
            }
            checked => checked,
        }
    }

    /// Takes an announcement of the master's keys.
    async fn trust(&self, generation: u64, keys: Vec<String>, delivery: Delivery) {
        let trust = Arc::clone(&self.trust);
        let announced = tokio::task::spawn_blocking(move || trust.announced(generation, keys));
        match announced.await {
            Ok(Ok(())) => settled(delivery.ack().await),
            Ok(Err(Announcement::Refused(refused))) => {
                tracing::error!(%refused, "trust.refused");
                settled(delivery.reject().await);
            }
            Ok(Err(Announcement::Root(error))) => {
                tracing::error!(%error, "trust.not_noted");
                settled(delivery.requeue().await);
            }
            // The runtime is ending.
            Err(_) => settled(delivery.requeue().await),
        }
    }

    /// Takes an announcement of this server's limits.
    async fn limit(&self, note: LimitsNote, delivery: Delivery) {
        let limiter = self.limiter.clone();
        match blocking(move || limiter.announced(&note)).await {
            Ok(()) => settled(delivery.ack().await),
            Err(error) => {
                tracing::error!(%error, "limits.not_noted");
                settled(delivery.requeue().await);
            }
        }
    }

    /// Waits until as few moves run as the master allows; what waits is not begun. An export
    /// goes back to the end of its lane, where the backlog stands; an import for a while. Neither keeps
    /// its message for long, for behind it may stand those of a move that has a place.
    async fn wait_for_place(&self, work: &Work, lane: Lane, entered: &Entered) -> Result<(), Stop> {
        let way = match work.key.kind {
            StepKind::Export => Way::Out,
            StepKind::Import => Way::In,
            _ => return Ok(()),
        };
        let until = Instant::now() + PLACE_HOLD;
        let poll = if lane == Lane::Express { PLACE_POLL_EXPRESS } else { PLACE_POLL };
        loop {
            entered.check()?;
            let (limiter, job) = (self.limiter.clone(), work.job_id);
            if blocking(move || limiter.take_place(job, way)).await? {
                return Ok(());
            }
            let reason = "as many moves run as this server may have";
            if way == Way::In {
                return Err(Stop::Snoozed { reason, after_s: PLACE_AGAIN_S });
            }
            // Nothing begins any more that has not begun.
            let closed = self.gate.standing().paused.contains(&lane)
                || self.watchman.standing().is_some()
                || self.phase.stopping.is_cancelled();
            if closed || Instant::now() >= until {
                return Err(Stop::Snoozed { reason, after_s: 0 });
            }
            tokio::select! {
                () = self.phase.stopping.cancelled() => (),
                () = sleep(poll) => (),
            }
        }
    }

    /// Calls a try off, and everything below the floor.
    async fn void(&self, work: &Work, delivery: Delivery) {
        let (fence, key) = (self.root.fence(work.job_id), work.key);
        let (epoch, floor) = (work.epoch, work.floor);
        let voided = blocking(move || fence.void(key, epoch, floor)).await;
        match voided {
            Ok(()) => settled(delivery.ack().await),
            Err(error) => {
                tracing::error!(%error, "work.void_failed");
                settled(delivery.requeue().await);
            }
        }
    }

    /// Lifts a quarantine.
    async fn release(&self, quarantine: Uuid, delivery: Delivery) {
        let watchman = Arc::clone(&self.watchman);
        match blocking(move || watchman.release(quarantine)).await {
            Ok(()) => settled(delivery.ack().await),
            Err(error) => {
                tracing::error!(%error, "quarantine.not_released");
                settled(delivery.requeue().await);
            }
        }
    }

    /// Pauses and resumes lanes.
    async fn lanes(&self, pauses: LanePauses, delivery: Delivery) {
        let gate = Arc::clone(&self.gate);
        match blocking(move || gate.ordered(&pauses)).await {
            Ok(()) => settled(delivery.ack().await),
            Err(error) => {
                tracing::error!(%error, "lanes.not_noted");
                settled(delivery.requeue().await);
            }
        }
    }

    async fn enter(&self, work: &Work) -> Entry {
        let ticket = Ticket::new(work.epoch);
        let deadline = Instant::now() + ENTER_WAIT;
        let (fence, key, floor) = (self.root.fence(work.job_id), work.key, work.floor);
        let first = fence.clone();
        let mut entering = blocking(move || first.enter(key, ticket, floor)).await;
        loop {
            match entering {
                Ok(Entering::Entered(entered)) => return Entry::Entered(entered),
                Ok(Entering::Stale) => return Entry::Stale,
                Ok(Entering::Busy) => (),
                Err(e) => return Entry::Ended(fault::from_root(&e).into()),
            }
            if self.phase.stopping.is_cancelled() {
                return Entry::Ended(Stop::Interrupted);
            }
            if Instant::now() >= deadline {
                return Entry::Ended(previous_try_still_running().into());
            }
            sleep(ENTER_POLL).await;
            let again = fence.clone();
            entering = blocking(move || again.enter_again(key, ticket)).await;
        }
    }

    /// Runs the step. A panic is its failure, never the worker's.
    async fn run(&self, work: Work, lane: Lane, entered: Arc<Entered>) -> Outcome {
        use crate::context::Emit;
        let step = work.step_ref();
        let interrupt = CancellationToken::new();
        let context = Context {
            root: self.root.clone(),
            staging: self.staging.clone(),
            buffers: self.buffers.clone(),
            limiter: self.limiter.clone(),
            limits: Arc::clone(&self.limits),
            step,
            entered: Arc::clone(&entered),
            interrupt: interrupt.clone(),
            events: Arc::new(self.events.clone()),
            issued_at: work.issued_at,
            lane,
            converter: self.converter.clone(),
        };
        let Some(running) = steps::start(context, work.order) else {
            return Err(wrong_order(&step).into());
        };
        self.events.emit(EventBody::Started { step });
        tracing::info!(job = %step.job_id, step = %step.key.kind, seq = step.key.seq,
            epoch = step.epoch, "step.started");
        let mut task = AbortOnDropHandle::new(tokio::spawn(running));
        let hold_until = Instant::now() + Duration::from_secs(self.limits.delivery_hold_s);
        let interrupting = async {
            tokio::select! {
                () = self.phase.stopping.cancelled() => (),
                () = sleep_until(hold_until) => (),
            }
            interrupt.cancel();
            future::pending::<()>().await;
        };
        let voided = async {
            while entered.check().is_ok() {
                sleep(VOID_POLL).await;
            }
        };
        tokio::select! {
            ended = &mut task => ended.unwrap_or_else(|e| {
                tracing::error!(job = %step.job_id, step = %step.key.kind, error = %e, "step.panicked");
                Err(crashed(&e.to_string()).into())
            }),
            () = interrupting => Err(Stop::Interrupted),
            () = voided => Err(Stop::Void),
            () = self.phase.cut_off.cancelled() => Err(Stop::Interrupted),
        }
    }

    /// Whether this server is still fit for work.
    async fn judge(&self, work: &Work, outcome: &Outcome) {
        let Some(artist) = work.order.artist().map(|a| a.id) else { return };
        let (watchman, kind, outcome) =
            (Arc::clone(&self.watchman), work.key.kind, outcome.clone());
        let judging = blocking(move || {
            watchman.ended(kind, artist, &outcome);
            Ok(())
        });
        if let Err(error) = judging.await {
            tracing::warn!(%error, "quarantine.not_judged");
        }
    }

    /// Tells how the try ended, and only then acknowledges.
    async fn tell(
        &self,
        work: &Work,
        outcome: Outcome,
        delivery: Delivery,
        entered: Option<Arc<Entered>>,
    ) {
        let step = work.step_ref();
        note(&step, &outcome);
        self.judge(work, &outcome).await;
        let body = match outcome {
            Ok(result) => EventBody::Done { step, result },
            Err(Stop::Failed(error)) => EventBody::Failed { step, error },
            Err(Stop::Interrupted) => {
                let stopping = self.phase.stopping.is_cancelled();
                let reason = if stopping { "shutdown" } else { "continues" };
                EventBody::Yielded { step, reason: reason.to_owned() }
            }
            Err(Stop::Snoozed { reason, after_s }) => {
                EventBody::Snoozed { step, reason: reason.to_owned(), after_s }
            }
            Err(Stop::Void) => {
                // Nothing is to be said of it any more, not even these.
                self.events.take_notices(&step);
                drop(entered);
                settled(delivery.ack().await);
                return;
            }
        };
        let deadline = || self.phase.silent_at();
        if !self.events.deliver(body, || delivery.is_live(), deadline).await {
            // Dropped unacknowledged, the message comes again, and the step repeats.
            return;
        }
        // From here on a repeated message of this try is stale, however late it comes.
        let (fence, key, epoch) = (self.root.fence(work.job_id), work.key, work.epoch);
        if let Err(error) = blocking(move || fence.void(key, epoch, 0)).await {
            tracing::warn!(%error, "fence.not_sealed");
        }
        drop(entered);
        settled(delivery.ack().await);
    }
}

/// The lane that a delivery came on; its routing key names it last.
fn lane_of(delivery: &Delivery, work: &Work) -> Lane {
    let last = delivery.routing_key.rsplit('.').next().unwrap_or_default();
    last.parse().unwrap_or_else(|_| work.key.kind.lane())
}

/// How a try ended, for logs and metrics.
const fn ending(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(Stop::Failed(_)) => "failed",
        Err(Stop::Interrupted) => "yielded",
        Err(Stop::Snoozed { .. }) => "snoozed",
        Err(Stop::Void) => "void",
    }
}

/// The span of a try.
fn doing(trace: TraceParent, work: &Work, lane: Lane) -> Span {
    Span::begin(trace, SpanKind::Consumer, format!("do {}", work.key.kind))
        .with("server", &work.server)
        .with("lane", &lane)
        .with("job", &work.job_id)
        .with("seq", &work.key.seq)
        .with("epoch", &work.epoch)
}

/// Logs and counts how a try ended.
fn note(step: &StepRef, outcome: &Outcome) {
    let (kind, job) = (step.key.kind.as_str(), step.job_id);
    let (seq, epoch) = (step.key.seq, step.epoch);
    let name = ending(outcome);
    if let Ok(StepResult::Lofi { audio_ms, .. }) = outcome {
        metrics::counter!("tourbus_worker_converted_audio_seconds_total")
            .increment(audio_ms.div_ceil(1000));
    }
    metrics::counter!("tourbus_worker_steps_total", "kind" => kind, "outcome" => name).increment(1);
    if let Err(Stop::Failed(error)) = outcome {
        tracing::warn!(%job, step = kind, seq, epoch, code = error.code, %error, "step.failed");
    } else {
        tracing::info!(%job, step = kind, seq, epoch, outcome = name, "step.ended");
    }
}

/// What must be undone will be, as soon as somebody has made room.
fn still_full(kind: StepKind, error: JobError) -> JobError {
    if kind.is_rollback() { JobError { class: ErrorClass::Transient, ..error } } else { error }
}

/// The coordinator's own fault: the key and the order do not fit.
fn wrong_order(step: &StepRef) -> JobError {
    JobError::new(
        ErrorClass::Fatal,
        "wrong_order",
        format!("the order is not one of a {} step", step.key.kind),
        "Run the same version of tourbus on all servers, then retry",
    )
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, RootError> + Send + 'static,
) -> Result<T, RootError> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|e| {
        let source = std::io::Error::other(e);
        Err(RootError { action: "use", path: "the fence".into(), source })
    })
}

fn settled(result: Result<(), tourbus_broker::Lost>) {
    if let Err(lost) = result {
        // The message comes again; the fence knows that it has been dealt with.
        tracing::debug!(%lost, "delivery.lost");
    }
}
