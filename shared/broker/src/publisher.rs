//! Publishing: persistent, mandatory, confirmed.
//!
//! A returned (unroutable) message reaches lapin apart from its confirm, and lapin hands it to
//! whichever confirm of that channel completes next; that this is the right one is promised by
//! nobody once several are under way. So a channel carries one publish at a time, or one batch
//! whose returns are told apart by message id when all its confirms are in.

use crate::{
    PublishError,
    broker::Guard,
    limits::{
        BODY_BYTES_MAX, CHANNEL_TIMEOUT, PIPELINE_MAX, PUBLISH_CHANNELS_MAX, PUBLISH_TIMEOUT,
    },
    link::{Link, Live},
};
use futures_util::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The exchange.
    pub exchange: String,
    /// The routing key, at most 255 bytes.
    pub routing_key: String,
    /// JSON; at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Names the message, in logs and to tell a returned one; unique within a batch.
    pub message_id: Uuid,
    /// What it is, as the AMQP property `type`; for the operator.
    pub kind: &'static str,
}

/// Publishes. Cheap to clone; all clones of one broker share its channels and limits.
#[derive(Clone)]
pub struct Publisher {
    pool: Arc<Pool>,
}

impl Publisher {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Publishes one message and waits for its confirm: `Ok` means that it stands on a queue.
    /// Waits for a connection, or for the broker to unblock, up to [`PUBLISH_TIMEOUT`] in all.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        let mut results = self.pool.batch(&[publication]).await;
        // One in, one out.
        results.pop().unwrap_or(Err(PublishError::Timeout))
    }

    /// Publishes many on one channel: all are sent, then all confirms awaited. The results are in
    /// the order given. When the broker goes away, the rest fails at once with the same error.
    pub async fn publish_all(
        &self,
        publications: Vec<Publication>,
    ) -> Vec<Result<(), PublishError>> {
        let mut results = Vec::with_capacity(publications.len());
        let mut stop: Option<PublishError> = None;
        for batch in publications.chunks(PIPELINE_MAX) {
            if let Some(error) = &stop {
                results.extend(batch.iter().map(|_| Err(error.clone())));
                continue;
            }
            let batch = self.pool.batch(batch).await;
            stop = batch.iter().find_map(|r| r.clone().err().filter(PublishError::stops_batch));
            results.extend(batch);
        }
        results
    }
}

/// The channels that are published on.
pub(crate) struct Pool {
    link: Link,
    user: String,
    slots: Semaphore,
    idle: Mutex<Vec<Ready>>,
    _guard: Arc<Guard>,
}

/// A channel in confirm mode with nothing under way.
struct Ready {
    channel: Channel,
    live: Arc<Live>,
}

impl Ready {
    fn is_sound(&self) -> bool {
        self.live.is_sound() && self.channel.status().connected()
    }
}

impl Pool {
    pub(crate) fn new(link: Link, user: String, guard: Arc<Guard>) -> Self {
        let slots = Semaphore::new(PUBLISH_CHANNELS_MAX);
        Self { link, user, slots, idle: Mutex::default(), _guard: guard }
    }

    /// Publishes at most [`PIPELINE_MAX`] messages, each within the time limit.
    async fn batch(&self, batch: &[Publication]) -> Vec<Result<(), PublishError>> {
        let begun = Instant::now();
        let results = self.try_batch(batch, begun + PUBLISH_TIMEOUT).await;
        for result in &results {
            let outcome = result.as_ref().err().map_or("confirmed", PublishError::outcome);
            metrics::counter!("tourbus_broker_publishes_total", "outcome" => outcome).increment(1);
        }
        metrics::histogram!("tourbus_broker_confirm_seconds").record(begun.elapsed());
        results
    }

    async fn try_batch(
        &self,
        batch: &[Publication],
        deadline: Instant,
    ) -> Vec<Result<(), PublishError>> {
        let leased = timeout_at(deadline, self.lease()).await;
        let (slot, ready) = match leased.unwrap_or_else(|_| Err(self.why_late())) {
            Ok(leased) => leased,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let sent = self.send(batch, &ready.channel, deadline).await;
        let confirms = join_all(sent.into_iter().map(|s| self.confirm(s, deadline))).await;
        let outcomes = attribute(batch, confirms);
        // After a timeout confirms are still to come: such a channel is not used again.
        let clean = !outcomes.iter().any(|o| matches!(o, Err(e) if e.stops_batch()));
        if clean && ready.is_sound() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(ready);
        }
        drop(slot);
        outcomes
    }

    /// A channel for exclusive use, when the broker takes messages.
    async fn lease(&self) -> Result<(SemaphorePermit<'_>, Ready), PublishError> {
        let gone = || PublishError::Disconnected { reason: "shut down".to_owned() };
        let slot = self.slots.acquire().await.map_err(|_| gone())?;
        loop {
            let live = self.link.live().await.ok_or_else(gone)?;
            live.unblocked().await;
            if let Some(ready) = self.idle() {
                return Ok((slot, ready));
            }
            match timeout(CHANNEL_TIMEOUT, open(&live)).await {
                Ok(Ok(channel)) => return Ok((slot, Ready { channel, live })),
                Ok(Err(error)) => live.condemn(format!("no channel: {error}")),
                // Blocked meanwhile: nothing is written, and that is no fault of the connection.
                Err(_) if live.blocked().is_some() => (),
                Err(_) => live.condemn("no channel in time"),
            }
        }
    }

    fn idle(&self) -> Option<Ready> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Ready::is_sound);
        idle.pop()
    }

    /// Why a wait for a channel or a confirm ended without one.
    fn why_late(&self) -> PublishError {
        match self.link.now() {
            None => PublishError::Disconnected { reason: "no connection in time".to_owned() },
            Some(live) => match live.blocked() {
                Some(reason) => PublishError::Blocked { reason },
                None => PublishError::Timeout,
            },
        }
    }

    /// Writes all of a batch; confirms come later.
    async fn send(
        &self,
        batch: &[Publication],
        channel: &Channel,
        deadline: Instant,
    ) -> Vec<Result<PublisherConfirm, PublishError>> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = async |p: &Publication| {
            if p.body.len() > BODY_BYTES_MAX {
                return Err(PublishError::TooLarge { bytes: p.body.len() });
            }
            let (exchange, key) = (p.exchange.as_str().into(), p.routing_key.as_str().into());
            let sent = channel.basic_publish(exchange, key, options, &p.body, self.properties(p));
            match timeout_at(deadline, sent).await {
                Ok(sent) => sent.map_err(|e| PublishError::from_lapin(&e)),
                Err(_) => Err(self.why_late()),
            }
        };
        join_all(batch.iter().map(publish)).await
    }

    fn properties(&self, publication: &Publication) -> BasicProperties {
        BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(publication.message_id.to_string().into())
            .with_type(publication.kind.into())
            .with_user_id(self.user.as_str().into())
    }

    async fn confirm(
        &self,
        sent: Result<PublisherConfirm, PublishError>,
        deadline: Instant,
    ) -> Result<Confirmation, PublishError> {
        match timeout_at(deadline, sent?).await {
            Ok(confirmed) => confirmed.map_err(|e| PublishError::from_lapin(&e)),
            Err(_) => Err(self.why_late()),
        }
    }
}

async fn open(live: &Live) -> lapin::Result<Channel> {
    let channel = live.connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Gives each publication its outcome. `Ack` alone is not enough: an unroutable message is
/// confirmed too, and its return may hang on any confirm of the batch.
fn attribute(
    batch: &[Publication],
    confirms: Vec<Result<Confirmation, PublishError>>,
) -> Vec<Result<(), PublishError>> {
    let mut returned = HashSet::new();
    let mut settled = Vec::with_capacity(confirms.len());
    for (publication, confirm) in batch.iter().zip(confirms) {
        let routing_key = publication.routing_key.clone();
        settled.push(match &confirm {
            Ok(Confirmation::Ack(_)) => Ok(()),
            Ok(Confirmation::Nack(_)) => Err(PublishError::Nacked { routing_key }),
            // Every channel of the pool is in confirm mode; anything else is not a confirm.
            Ok(Confirmation::NotRequested) => Err(PublishError::Timeout),
            Err(error) => Err(error.clone()),
        });
        if let Some(message) = confirm.ok().and_then(Confirmation::take_message) {
            let id = message.delivery.properties.message_id().as_ref();
            returned.extend(id.map(ToString::to_string));
        }
    }
    for (publication, outcome) in batch.iter().zip(&mut settled) {
        if outcome.is_ok() && returned.contains(&publication.message_id.to_string()) {
            *outcome = Err(PublishError::Unroutable {
                exchange: publication.exchange.clone(),
                routing_key: publication.routing_key.clone(),
            });
        }
    }
    settled
}
