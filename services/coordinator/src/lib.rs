//! The coordinator: the only process that publishes work, and the one that drives every job.
//!
//! ```text
//!  outbox ──▶ relay: sign, publish, confirm ──▶ lanes          rescue ─┐
//!                                                                      ▼
//!  events queue ──▶ events: gather, apply in one transaction, ack ──▶ jobs, steps, outbox
//! ```
//!
//! It holds nothing that the database lacks: it can be killed at any moment, and several may run
//! at once. While the database is away, events stay unacknowledged on their queue; while the
//! broker is away, orders stay in the outbox.

mod checks;
mod dead;
mod error;
mod events;
mod follow;
mod gauges;
mod housekeeping;
mod keyring;
mod keys;
mod lanes;
mod limits;
mod patience;
mod relay;
mod reports;
mod rescue;
mod sweep;
mod verify;
mod watches;
mod webhooks;

pub use error::CoordinatorError;
pub use keyring::{Key, KeyState, Keyring, KeyringError, KeyringFile};

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tourbus_broker::Broker;
use tourbus_config::CoordinatorConfig;
use tourbus_protocol::Signer;
use tourbus_staging::S3Staging;
use tourbus_store::Store;
use tourbus_telemetry::{Health, Process};

/// How long an orderly end may take; whatever is in hand then is delivered or published again.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// What every task shares.
struct Coordinator {
    config: CoordinatorConfig,
    store: Store,
    broker: Broker,
    keyring: KeyringFile,
    signer: RwLock<Arc<Signer>>,
    staging: S3Staging,
    shutdown: CancellationToken,
}

/// Runs until `shutdown`. Waits for a database or broker that is away; fails only on what
/// waiting does not mend: a wrong configuration, or a schema that cannot be migrated.
pub async fn run(
    config: CoordinatorConfig,
    shutdown: CancellationToken,
) -> Result<(), CoordinatorError> {
    let health = Health::install(Process::Coordinator, &["database", "broker"])
        .map_err(|e| CoordinatorError::Metrics(e.to_string()))?;
    let listen = config.health.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| CoordinatorError::Listen { listen, source })?;
    let mut tasks = JoinSet::new();
    let (served, stopped) = (health.clone(), shutdown.clone());
    tasks.spawn(async move {
        let served = tourbus_telemetry::serve(listener, served, stopped.cancelled_owned()).await;
        served.map_err(|source| CoordinatorError::Listen { listen, source })
    });
    let keyring = KeyringFile::new(config.keyring.clone(), config.signing_key.clone());
    let signer = RwLock::new(Arc::new(keyring.read()?.signer()?));
    let staging = S3Staging::connect(&config.staging)?;
    let Some(store) = patience::connect(&config.database, &shutdown).await? else {
        return Ok(());
    };
    store.migrate().await?;
    // The broker's own token: cancelled last, so that what is in hand can be settled.
    let broker = Broker::start(&config.broker, "coordinator", CancellationToken::new());
    let shutdown_tasks = shutdown.clone();
    let this = Arc::new(Coordinator {
        config,
        store,
        broker,
        keyring,
        signer,
        staging,
        shutdown: shutdown_tasks,
    });
    this.spawn(&health, &mut tasks);
    tracing::info!(key = %this.signer().public_key_hex(), "coordinator.started");
    let ended = supervise(tasks, &shutdown).await;
    this.broker.close().await;
    this.store.close().await;
    ended
}

impl Coordinator {
    fn spawn(self: &Arc<Self>, health: &Health, tasks: &mut JoinSet<Result<(), CoordinatorError>>) {
        let (wake, waker) = (relay::Wake::default(), Arc::clone(self));
        let listening = wake.clone();
        tasks.spawn(async move { waker.listen(listening).await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.relay(wake).await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.consume_events().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.keep_dead_letters().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.read_dead_letters().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.write_reports().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.rescue().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.follow().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.sweep().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.housekeep().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.verify_in_turn().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.check_servers().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.keep_keys().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.announce_limits().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.measure_cluster().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.tell_webhooks().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.watch_servers().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.watch_balance().await });
        let this = Arc::clone(self);
        tasks.spawn(async move { this.keep_lanes().await });
        let (this, health) = (Arc::clone(self), health.clone());
        tasks.spawn(async move { this.watch(health).await });
    }

    /// The key that signs at this moment.
    fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits, or returns false at once when the process is to end.
    async fn pause(&self, how_long: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(how_long) => true,
        }
    }
}

/// Waits for the end. A task that ends before that takes the process with it: half a
/// coordinator would look alive and do nothing.
async fn supervise(
    mut tasks: JoinSet<Result<(), CoordinatorError>>,
    shutdown: &CancellationToken,
) -> Result<(), CoordinatorError> {
    let first = tokio::select! {
        () = shutdown.cancelled() => None,
        ended = tasks.join_next() => ended,
    };
    let result = match first {
        Some(Err(died)) => Err(CoordinatorError::TaskDied(died)),
        Some(Ok(Err(error))) => Err(error),
        Some(Ok(Ok(()))) | None => Ok(()),
    };
    shutdown.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if timeout(SHUTDOWN_MAX, rest).await.is_err() {
        tracing::warn!("coordinator.tasks_cut_short");
        tasks.shutdown().await;
    }
    result
}
