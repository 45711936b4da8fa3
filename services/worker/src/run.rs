//! The process: lanes in, events out, and a graceful end.

use crate::{
    buffers::Buffers, convert::Converter, errand::Desk, events::Events, heartbeat, held::Held,
    lanes::LaneGate, limiter::Limiter, phase::Phase, quarantine::Watchman, trust::Trust,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tourbus_broker::Broker;
use tourbus_config::{Slots, WorkerConfig};
use tourbus_domain::{Lane, LanePauses, Quarantine};
use tourbus_mediaroot::{MediaRoot, RootError};
use tourbus_protocol::{Refused, names};
use tourbus_staging::{S3Staging, StagingError};
use tourbus_telemetry::{Health, Process};

/// How long the last events may take on their way out.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// Orders about its lanes that a worker takes at a time.
const CONTROL_SLOTS: u16 = 1;

/// Why a worker does not start. Once started it goes on over any fault of its parts.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Metrics could not be installed.
    #[error("cannot install metrics: {0}")]
    Metrics(String),
    /// The health address is taken.
    #[error("cannot listen on {address} for health and metrics: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The media root cannot be used.
    #[error("the media root cannot be used: {0}")]
    MediaRoot(#[from] RootError),
    /// `master_public_keys` holds something else than keys.
    #[error("master_public_keys: {0}")]
    Keys(#[from] Refused),
    /// The section `[staging]` is wrong.
    #[error("staging: {0}")]
    Staging(#[from] StagingError),
    /// A limit is out of its bounds.
    #[error("limits.{name} is {value}: it must be {bounds}")]
    Limit {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        bounds: &'static str,
    },
}

/// Runs a worker until `shutdown`, then ends within `limits.shutdown_s` and a few seconds.
pub async fn run(config: WorkerConfig, shutdown: CancellationToken) -> Result<(), WorkerError> {
    check(&config)?;
    crate::memory::give_back_early();
    let health = Health::install(Process::Worker, &["broker", "staging", "media_root"])
        .map_err(|e| WorkerError::Metrics(e.to_string()))?;
    let address = config.health.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| WorkerError::Listen { address, source })?;
    let root = MediaRoot::new(&config.media_root);
    root.prepare()?;
    let trust = Trust::new(root.clone(), config.server.clone(), config.master_public_keys)?;
    let trust = Arc::new(trust);
    let staging = S3Staging::connect(&config.staging)?;
    // A token of its own: acknowledgements must still go out after the shutdown has begun.
    let broker = Broker::start(&config.broker, &config.worker, CancellationToken::new());
    let (events, pump) =
        Events::new(config.server.clone(), config.worker.clone(), broker.publisher());
    let phase = Arc::new(Phase::new(Duration::from_secs(config.limits.shutdown_s)));
    let watchman = Watchman::new(root.clone(), config.limits.quarantine_after, health.clone())?;
    let watchman = Arc::new(watchman);
    let gate = Arc::new(LaneGate::new(root.clone())?);
    let held = Held::default();
    let limiter = Limiter::new(root.clone(), config.limits.disk_reserve_bytes);
    let period = Duration::from_millis(config.limits.heartbeat_ms);
    let desk = Arc::new(Desk {
        trust: Arc::clone(&trust),
        root: root.clone(),
        staging: staging.clone(),
        buffers: Buffers::new(config.limits.chunk_buffers, config.limits.chunk_bytes),
        limiter: limiter.clone(),
        limits: Arc::new(config.limits),
        events: events.clone(),
        held: held.clone(),
        phase: Arc::clone(&phase),
        watchman: Arc::clone(&watchman),
        gate: Arc::clone(&gate),
        converter: Converter::new(config.converter, config.worker.clone()),
    });

    let mut background = JoinSet::new();
    let serving = tourbus_telemetry::serve(listener, health.clone(), std::future::pending());
    background.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "health.ended");
        }
    });
    background.spawn(crate::plays::deliver(root.clone(), events.clone()));
    let pulse = heartbeat::Pulse {
        events,
        held,
        root,
        health: health.clone(),
        watchman,
        trust,
        limiter,
        gate,
        lofi_slots: config.slots.lofi_bulk,
    };
    background.spawn(pulse.beat(period));
    background.spawn(heartbeat::watch_broker(broker.clone(), health.clone()));
    background.spawn(heartbeat::watch_staging(staging, health));
    background.spawn(heartbeat::clean(Arc::clone(&desk)));
    let pumping = tokio::spawn(pump.run());

    let lanes = Lanes { server: config.server, worker: config.worker, slots: config.slots };
    let (mut consuming, errands) = lanes.consume(&broker, &desk);
    tracing::info!("worker.started");
    shutdown.cancelled().await;
    tracing::info!("worker.stopping");
    phase.stop();
    finish(&mut consuming, &errands, &phase).await;
    background.shutdown().await;
    drop(desk);
    if timeout(LAST_EVENTS, pumping).await.is_err() {
        tracing::debug!("worker.stop: some events are left untold");
    }
    broker.close().await;
    tracing::info!("worker.stopped");
    Ok(())
}

/// Waits for the errands, cutting them off when the patience is over.
async fn finish(consuming: &mut JoinSet<()>, errands: &TaskTracker, phase: &Phase) {
    let done = async {
        while consuming.join_next().await.is_some() {}
        errands.close();
        errands.wait().await;
    };
    let cutting = async {
        if let Some(at) = phase.cut_off_at() {
            sleep_until(at).await;
        }
        phase.cut_off.cancel();
        if let Some(at) = phase.silent_at() {
            sleep_until(at).await;
        }
    };
    tokio::select! {
        () = done => (),
        () = cutting => tracing::warn!("worker.stop: some work is left to others"),
    }
}

struct Lanes {
    server: tourbus_domain::Slug,
    worker: String,
    slots: Slots,
}

impl Lanes {
    /// Consumes every lane that has slots.
    fn consume(&self, broker: &Broker, desk: &Arc<Desk<S3Staging>>) -> (JoinSet<()>, TaskTracker) {
        let slots = self.slots;
        let lanes = [
            (Lane::Express, slots.express),
            (Lane::Export, slots.export),
            (Lane::Import, slots.import),
            (Lane::Lofi, slots.lofi),
            (Lane::LofiBulk, slots.lofi_bulk),
            (Lane::Verify, slots.verify),
            (Lane::Upkeep, slots.upkeep),
            (Lane::Control, CONTROL_SLOTS),
        ];
        let errands = TaskTracker::new();
        let mut consuming = JoinSet::new();
        for (lane, slots) in lanes.into_iter().filter(|(_, slots)| *slots > 0) {
            let consumption = Consumption {
                broker: broker.clone(),
                queue: names::lane_queue(&self.server, lane),
                slots,
                tag: format!("{}.{lane}", self.worker),
                desk: Arc::clone(desk),
                errands: errands.clone(),
            };
            consuming.spawn(consumption.run(lane));
        }
        (consuming, errands)
    }
}

/// Consuming one lane.
struct Consumption {
    broker: Broker,
    queue: String,
    slots: u16,
    tag: String,
    desk: Arc<Desk<S3Staging>>,
    errands: TaskTracker,
}

impl Consumption {
    /// Until the worker stops; not while something closes this lane.
    async fn run(self, lane: Lane) {
        let mut door = Door {
            quarantine: self.desk.watchman.subscribe(),
            pauses: self.desk.gate.subscribe(),
            // Undoing, and the release itself, go on in quarantine.
            bound: !matches!(lane, Lane::Upkeep | Lane::Control),
            lane,
        };
        let stopping = self.desk.phase.stopping.clone();
        loop {
            let opened = tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                opened = door.until(true) => opened,
            };
            if !opened {
                break;
            }
            let mut deliveries = self.broker.consume(&self.queue, self.slots, &self.tag);
            loop {
                let delivery = tokio::select! {
                    biased;
                    () = stopping.cancelled() => break,
                    _ = door.until(false) => break,
                    delivery = deliveries.next() => delivery,
                };
                // The broker's own end: nothing more will come.
                let Some(delivery) = delivery else { return };
                let desk = Arc::clone(&self.desk);
                self.errands.spawn(async move { desk.take(delivery).await });
            }
            deliveries.stop().await;
        }
    }
}

/// What closes a lane: a quarantine of the server, or a person who has paused it.
struct Door {
    quarantine: watch::Receiver<Option<Quarantine>>,
    pauses: watch::Receiver<LanePauses>,
    /// Whether a quarantine closes it.
    bound: bool,
    lane: Lane,
}

impl Door {
    /// Until it is open, or closed; false when it never changes again. Cancel-safe.
    async fn until(&mut self, open: bool) -> bool {
        loop {
            // Marked as seen before it is looked at, so that no change is missed.
            let free = !self.bound || self.quarantine.borrow_and_update().is_none();
            let paused = self.pauses.borrow_and_update().paused.contains(&self.lane);
            if (free && !paused) == open {
                return true;
            }
            let changed = tokio::select! {
                changed = self.quarantine.changed() => changed,
                changed = self.pauses.changed() => changed,
            };
            if changed.is_err() {
                return false;
            }
        }
    }
}

fn check(config: &WorkerConfig) -> Result<(), WorkerError> {
    let limits = &config.limits;
    let refuse = |name, value, bounds| Err(WorkerError::Limit { name, value, bounds });
    if !(1 << 20..=64 << 20).contains(&limits.chunk_bytes) {
        return refuse("chunk_bytes", limits.chunk_bytes as u64, "1 MiB to 64 MiB");
    }
    if !(1..=1024).contains(&limits.chunk_buffers) {
        return refuse("chunk_buffers", limits.chunk_buffers as u64, "1 to 1024");
    }
    if limits.segment_entries == 0 {
        return refuse("segment_entries", 0, "at least 1");
    }
    if !(1..=1_500).contains(&limits.delivery_hold_s) {
        // RabbitMQ takes a delivery back after 30 minutes.
        return refuse("delivery_hold_s", limits.delivery_hold_s, "1 to 1500 s");
    }
    Ok(())
}
