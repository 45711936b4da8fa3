//! One connection to the broker, rebuilt for ever.
//!
//! ```text
//!   connect ──ok──▶ live ──fault, condemned──▶ pause (jittered, at most 5 s) ──▶ connect …
//!      └──fault──▶ pause
//! ```

use crate::{
    error::explain,
    limits::{CLOSE_TIMEOUT, LIVENESS_TICK, Pause},
    state::Board,
    wire,
};
use futures_util::{Stream, StreamExt};
use lapin::{Connection, Event};
use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tourbus_config::BrokerConfig;

/// What a connection is for. The broker blocks only connections that publish, so acknowledgements
/// never stand behind publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publishing,
    Consuming,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Publishing => "publishing",
            Self::Consuming => "consuming",
        }
    }
}

/// A connection that stands, or stood when it was handed out.
pub(crate) struct Live {
    pub(crate) connection: Connection,
    blocked: watch::Sender<Option<String>>,
    condemned: CancellationToken,
    reason: OnceLock<String>,
}

impl Live {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            blocked: watch::Sender::new(None),
            condemned: CancellationToken::new(),
            reason: OnceLock::new(),
        }
    }

    /// Says that this connection hangs or misbehaves: it is rebuilt.
    pub(crate) fn condemn(&self, reason: impl Into<String>) {
        self.reason.get_or_init(|| reason.into());
        self.condemned.cancel();
    }

    /// Why the broker blocks it, if it does.
    pub(crate) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// Waits until it is not blocked; also returns when it is gone.
    pub(crate) async fn unblocked(&self) {
        let mut blocked = self.blocked.subscribe();
        tokio::select! {
            _ = blocked.wait_for(Option::is_none) => (),
            () = self.condemned.cancelled() => (),
        }
    }

    /// Waits until the supervisor has given it up.
    pub(crate) async fn ended(&self) {
        self.condemned.cancelled().await;
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.connection.status().connected() && !self.condemned.is_cancelled()
    }
}

/// Hands out the connection of one role as it comes and goes.
#[derive(Clone)]
pub(crate) struct Link {
    live: watch::Receiver<Option<Arc<Live>>>,
}

impl Link {
    /// The next sound connection; none after shutdown. Waits without limit: bound it.
    pub(crate) async fn live(&self) -> Option<Arc<Live>> {
        let mut live = self.live.clone();
        let sound = |l: &Option<Arc<Live>>| l.as_ref().is_some_and(|l| l.is_sound());
        live.wait_for(sound).await.ok()?.clone()
    }

    /// The connection at this moment, if any.
    pub(crate) fn now(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }
}

/// Keeps the connection of one role.
pub(crate) struct Supervisor {
    pub(crate) config: BrokerConfig,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) board: Arc<Board>,
    pub(crate) shutdown: CancellationToken,
}

enum End {
    Shutdown,
    Fault(String),
}

impl Supervisor {
    /// The link, and the future that keeps it up until shutdown.
    pub(crate) fn link(self) -> (Link, impl Future<Output = ()> + Send + 'static) {
        self.board.trouble(self.role.as_str(), "not connected yet".to_owned());
        let (live, receiver) = watch::channel(None);
        (Link { live: receiver }, self.run(live))
    }

    async fn run(self, live: watch::Sender<Option<Arc<Live>>>) {
        let mut pause = Pause::new();
        let mut last_logged = String::new();
        loop {
            let mut held = Duration::ZERO;
            let end = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => End::Shutdown,
                opened = self.open() => match opened {
                    Ok(connection) => {
                        tracing::info!(connection = self.role.as_str(), "broker.connected");
                        last_logged.clear();
                        let since = Instant::now();
                        let end = self.keep(connection, &live).await;
                        held = since.elapsed();
                        end
                    }
                    Err(reason) => End::Fault(reason),
                },
            };
            let End::Fault(reason) = end else { break };
            let wait = pause.after(held);
            self.tell(&reason, wait, &mut last_logged);
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => (),
            }
        }
        live.send_replace(None);
    }

    /// Once a fault, not once a try: the same reason again is only counted.
    fn tell(&self, reason: &str, wait: Duration, last_logged: &mut String) {
        let role = self.role.as_str();
        metrics::counter!("tourbus_broker_reconnects_total", "connection" => role).increment(1);
        self.board.trouble(role, format!("the {role} connection is down: {reason}"));
        if reason != last_logged {
            let (address, wait_ms) = (&self.config.address, wait.as_millis());
            tracing::warn!(connection = role, address, reason, wait_ms, "broker.disconnected");
            reason.clone_into(last_logged);
        }
    }

    async fn open(&self) -> Result<Connection, String> {
        let name = format!("{} ({})", self.name, self.role.as_str());
        wire::open(&self.config, &name).await.map_err(|e| e.to_string())
    }

    /// Shows a connection for as long as it stands.
    async fn keep(&self, connection: Connection, shown: &watch::Sender<Option<Arc<Live>>>) -> End {
        let role = self.role.as_str();
        let events = Box::pin(connection.events_listener());
        let live = Arc::new(Live::new(connection));
        shown.send_replace(Some(Arc::clone(&live)));
        self.board.clear(role);
        metrics::gauge!("tourbus_broker_connected", "connection" => role).set(1.0);
        let end = self.watch(&live, events).await;
        metrics::gauge!("tourbus_broker_connected", "connection" => role).set(0.0);
        shown.send_replace(None);
        self.block(&live, None);
        live.condemn("closed");
        let close = async move {
            let closing = live.connection.close(200, "OK".into());
            // It was lost, or is about to be: how its farewell goes matters to nobody.
            if let Ok(Err(error)) = timeout(CLOSE_TIMEOUT, closing).await {
                tracing::debug!(%error, "broker.close");
            }
        };
        match &end {
            End::Shutdown => close.await,
            // A hanging farewell must not delay the next connection.
            End::Fault(_) => drop(tokio::spawn(close)),
        }
        end
    }

    async fn watch(
        &self,
        live: &Live,
        mut events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    ) -> End {
        let mut tick = interval(LIVENESS_TICK);
        let mut fault = None;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return End::Shutdown,
                () = live.condemned.cancelled() => {
                    return End::Fault(live.reason.get().cloned().unwrap_or_default());
                }
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => self.block(live, Some(reason)),
                    Some(Event::ConnectionUnblocked) => self.block(live, None),
                    // Also channels' errors come here: whether it is ours, the state tells.
                    Some(Event::Error(error)) => fault = Some(explain(&error)),
                    Some(_) => continue,
                    None => return End::Fault(fault.unwrap_or_else(|| "closed".to_owned())),
                },
                _ = tick.tick() => (),
            }
            if !live.connection.status().connected() {
                return End::Fault(fault.unwrap_or_else(|| "the connection was lost".to_owned()));
            }
        }
    }

    fn block(&self, live: &Live, reason: Option<String>) {
        if self.role == Role::Publishing && *live.blocked.borrow() != reason {
            if let Some(reason) = &reason {
                let remedy = "free the broker's memory or disk; publishing waits";
                tracing::warn!(reason, remedy, "broker.blocked");
            } else {
                tracing::info!("broker.unblocked");
            }
            self.board.blocked(reason.clone());
            live.blocked.send_replace(reason);
        }
    }
}
