//! Consuming: a stream of deliveries that outlives channels and connections.

use crate::{
    Delivery,
    broker::Guard,
    error::explain,
    limits::{CHANNEL_TIMEOUT, Pause},
    link::{Link, Live},
    state::Board,
};
use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// What to consume.
pub(crate) struct Order {
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
    pub(crate) tag: String,
}

/// The deliveries of one queue.
pub struct Deliveries {
    arriving: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    _guard: Arc<Guard>,
}

impl Deliveries {
    /// The next delivery. Goes on over any fault of the broker; `None` only after
    /// [`Deliveries::stop`] or the broker's shutdown. Cancel-safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.arriving.recv().await?;
            // One of a channel that is gone comes again: working on it would be in vain.
            if delivery.is_live() {
                return Some(delivery);
            }
        }
    }

    /// Takes no more: cancels the consumer and hands back what has arrived but was not taken
    /// with [`Deliveries::next`]. Deliveries in hand can still be settled, for the channel stays
    /// open until the last of them is. Takes a few seconds at most.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        self.arriving.close();
        while let Some(delivery) = self.arriving.recv().await {
            if delivery.requeue().await.is_err() {
                tracing::debug!("broker.stop: the broker has taken a delivery back by itself");
            }
        }
        if let Some(task) = self.task.take()
            && timeout(CHANNEL_TIMEOUT * 2, task).await.is_err()
        {
            tracing::warn!("broker.stop: a consumer did not end in time");
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Keeps one consumer.
pub(crate) struct Consumer {
    pub(crate) order: Order,
    pub(crate) board: Arc<Board>,
    pub(crate) link: Link,
}

struct Attached {
    live: Arc<Live>,
    channel: Channel,
    stream: lapin::Consumer,
}

enum End {
    Stopped,
    Fault(String),
}

impl Consumer {
    pub(crate) fn spawn(self, guard: Arc<Guard>) -> Deliveries {
        // The prefetch bounds it anyway; deliveries of channels that are gone may stand in it too.
        let (sender, arriving) = mpsc::channel(usize::from(self.order.prefetch));
        let stop = guard.shutdown.child_token();
        // The guard ends the tasks when its last holder drops it, so no task may hold it.
        let task = guard.tasks.spawn(self.run(sender, stop.clone()));
        Deliveries { arriving, stop, task: Some(task), _guard: guard }
    }

    async fn run(self, arriving: mpsc::Sender<Delivery>, stop: CancellationToken) {
        // Two consumers of one queue must not clear each other's trouble.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let part = format!("consumer {number} of {}", self.order.queue);
        self.board.trouble(&part, format!("not consuming {} yet", self.order.queue));
        let mut pause = Pause::new();
        let mut last_logged = String::new();
        loop {
            let Some(live) = self.next_live(&stop).await else { break };
            let mut held = Duration::ZERO;
            let end = match self.attach(&live).await {
                Ok(attached) => {
                    self.board.clear(&part);
                    last_logged.clear();
                    tracing::debug!(queue = self.order.queue, "broker.consuming");
                    let since = Instant::now();
                    let end = self.pass_on(attached, &arriving, &stop).await;
                    held = since.elapsed();
                    end
                }
                Err(reason) => End::Fault(reason),
            };
            let End::Fault(reason) = end else { break };
            let wait = pause.after(held);
            self.tell(&part, &reason, &mut last_logged);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => (),
            }
        }
        self.board.clear(&part);
    }

    async fn next_live(&self, stop: &CancellationToken) -> Option<Arc<Live>> {
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            live = self.link.live() => live,
        }
    }

    /// Once a fault, not once a try.
    fn tell(&self, part: &str, reason: &str, last_logged: &mut String) {
        let queue = &self.order.queue;
        metrics::counter!("tourbus_broker_consumer_rebuilds_total", "queue" => queue.clone())
            .increment(1);
        self.board.trouble(part, format!("not consuming {queue}: {reason}"));
        if reason != last_logged {
            tracing::warn!(queue, reason, "broker.consumer_lost");
            reason.clone_into(last_logged);
        }
    }

    async fn attach(&self, live: &Arc<Live>) -> Result<Attached, String> {
        let attach = async {
            let channel = live.connection.create_channel().await?;
            channel.basic_qos(self.order.prefetch, BasicQosOptions::default()).await?;
            let (queue, tag) = (self.order.queue.as_str().into(), self.order.tag.as_str().into());
            let options = BasicConsumeOptions::default();
            let stream = channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
            Ok(Attached { live: Arc::clone(live), channel, stream })
        };
        let Ok(attached) = timeout(CHANNEL_TIMEOUT, attach).await else {
            let reason = format!("no answer within {} s", CHANNEL_TIMEOUT.as_secs());
            live.condemn(reason.clone());
            return Err(reason);
        };
        attached.map_err(|e: lapin::Error| explain(&e))
    }

    /// Passes deliveries on until the consumer is lost or no longer wanted.
    async fn pass_on(
        &self,
        mut attached: Attached,
        arriving: &mpsc::Sender<Delivery>,
        stop: &CancellationToken,
    ) -> End {
        let counted = metrics::counter!(
            "tourbus_broker_deliveries_total", "queue" => self.order.queue.clone()
        );
        loop {
            let item = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = attached.live.ended() => return End::Fault("the connection was lost".to_owned()),
                item = attached.stream.next() => item,
            };
            let raw = match item {
                Some(Ok(raw)) => raw,
                Some(Err(error)) => return End::Fault(explain(&error)),
                // The broker cancels without an error when the queue is deleted or moves.
                None => return End::Fault("the broker cancelled the consumer".to_owned()),
            };
            counted.increment(1);
            let delivery = attached.delivery(raw);
            tokio::select! {
                biased;
                // Dropping the delivery hands it back.
                () = stop.cancelled() => break,
                // Fails only when nobody listens any more; then too it is handed back.
                sent = arriving.send(delivery) => if sent.is_err() { break },
            }
        }
        attached.detach().await;
        End::Stopped
    }
}

impl Attached {
    fn delivery(&self, raw: lapin::message::Delivery) -> Delivery {
        Delivery::new(raw, Arc::clone(&self.live), self.channel.clone())
    }

    /// Cancels the consumer and hands back what is still buffered. The channel stays open for as
    /// long as deliveries of it are in hand.
    async fn detach(mut self) {
        let tag = self.stream.tag();
        let cancel = self.channel.basic_cancel(tag, BasicCancelOptions::default());
        match timeout(CHANNEL_TIMEOUT, cancel).await {
            Ok(Ok(())) => (),
            // The channel is gone already, and with it the consumer.
            Ok(Err(error)) => tracing::debug!(%error, "broker.cancel"),
            Err(_) => self.live.condemn("a consumer could not be cancelled in time"),
        }
        while let Some(Some(Ok(raw))) = self.stream.next().now_or_never() {
            if self.delivery(raw).requeue().await.is_err() {
                break;
            }
        }
    }
}
