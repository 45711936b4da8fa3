//! The broker as a process sees it: two supervised connections and what is made from them.

use crate::{
    Deliveries, DepthError, Publisher,
    consumer::{Consumer, Order},
    error::{explain, reply_code},
    limits::CHANNEL_TIMEOUT,
    link::{Link, Role, Supervisor},
    publisher::Pool,
    state::{Board, BrokerState},
};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use std::sync::Arc;
use tokio::{sync::watch, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tourbus_config::BrokerConfig;

/// RabbitMQ, connected for ever. Cheap to clone; all clones share two connections, one for
/// publishing and one for consuming, and each is rebuilt on any fault.
///
/// The connections close when the token given to [`Broker::start`] is cancelled, on
/// [`Broker::close`], or when everything made from the broker has been dropped.
#[derive(Clone)]
pub struct Broker {
    board: Arc<Board>,
    pool: Arc<Pool>,
    consuming: Link,
    guard: Arc<Guard>,
}

/// Ends the tasks with the last user.
pub(crate) struct Guard {
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    _cancel: DropGuard,
}

impl Broker {
    /// Starts connecting, and returns at once; must be called within a tokio runtime. `name` is
    /// shown in RabbitMQ's list of connections.
    ///
    /// `shutdown` closes the connections *at once*: whatever is in hand is lost to this process
    /// and delivered again. A process that ends gracefully passes a token of its own here, and
    /// cancels it last, after [`Deliveries::stop`] and the last acknowledgement.
    #[allow(clippy::needless_pass_by_value)] // A token is a handle, and is handed over.
    pub fn start(config: &BrokerConfig, name: &str, shutdown: CancellationToken) -> Self {
        let shutdown = shutdown.child_token();
        let tasks = TaskTracker::new();
        let board = Arc::new(Board::new());
        let link = |role| {
            let supervisor = Supervisor {
                config: config.clone(),
                name: name.to_owned(),
                role,
                board: Arc::clone(&board),
                shutdown: shutdown.clone(),
            };
            let (link, run) = supervisor.link();
            tasks.spawn(run);
            link
        };
        let (publishing, consuming) = (link(Role::Publishing), link(Role::Consuming));
        let cancel = shutdown.clone().drop_guard();
        let guard = Arc::new(Guard { shutdown, tasks, _cancel: cancel });
        let pool = Arc::new(Pool::new(publishing, config.user.clone(), Arc::clone(&guard)));
        Self { board, pool, consuming, guard }
    }

    /// How the broker is, now and whenever that changes.
    pub fn watch(&self) -> watch::Receiver<BrokerState> {
        self.board.watch()
    }

    /// Publishes on the publishing connection.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.pool))
    }

    /// Consumes a queue, with at most `prefetch` (at least 1) deliveries unacknowledged. `tag`
    /// names the consumer for the operator. The queue need not exist yet. Returns at once.
    pub fn consume(
        &self,
        queue: impl Into<String>,
        prefetch: u16,
        tag: impl Into<String>,
    ) -> Deliveries {
        let order = Order { queue: queue.into(), prefetch: prefetch.max(1), tag: tag.into() };
        let (board, link) = (Arc::clone(&self.board), self.consuming.clone());
        Consumer { order, board, link }.spawn(Arc::clone(&self.guard))
    }

    /// Messages that stand on a queue and are in no consumer's hand.
    pub async fn depth(&self, queue: &str) -> Result<u32, DepthError> {
        let looked = timeout(CHANNEL_TIMEOUT, self.look(queue)).await;
        looked.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", CHANNEL_TIMEOUT.as_secs());
            Err(DepthError::Unavailable { queue: queue.to_owned(), reason })
        })
    }

    async fn look(&self, queue: &str) -> Result<u32, DepthError> {
        let unavailable = |reason| DepthError::Unavailable { queue: queue.to_owned(), reason };
        let live = self.consuming.live().await;
        let live = live.ok_or_else(|| unavailable("shut down".to_owned()))?;
        // A channel of its own: a missing queue closes it.
        let channel =
            live.connection.create_channel().await.map_err(|e| unavailable(explain(&e)))?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Ok(found) => Ok(found.message_count()),
            Err(e) if reply_code(&e) == Some(404) => {
                Err(DepthError::NoQueue { queue: queue.to_owned() })
            }
            Err(e) => Err(unavailable(explain(&e))),
        }
    }

    /// Closes both connections and waits for that, a few seconds at most. What is in hand is
    /// delivered again, to others.
    pub async fn close(&self) {
        self.guard.shutdown.cancel();
        self.guard.tasks.close();
        if timeout(CHANNEL_TIMEOUT, self.guard.tasks.wait()).await.is_err() {
            tracing::warn!("broker.close took too long; left to the operating system");
        }
    }
}
