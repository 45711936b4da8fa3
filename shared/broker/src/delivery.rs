//! A message in hand.

use crate::{Death, Lost, death, limits::ACK_TIMEOUT, link::Live};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicNackOptions},
    types::AMQPValue,
};
use std::sync::Arc;
use tokio::time::timeout;

/// A message in hand: to be acknowledged, handed back or refused, exactly once. Dropping it hands
/// it back.
///
/// Handing back counts to the queue's delivery limit, however it happens.
#[must_use = "dropping a delivery hands it back"]
pub struct Delivery {
    /// The body.
    pub body: Vec<u8>,
    /// The routing key that it was published with.
    pub routing_key: String,
    /// Whether it may have been in somebody's hand before.
    pub redelivered: bool,
    /// How often it was handed back before (`x-delivery-count` of a quorum queue).
    pub delivery_count: u64,
    /// The publisher's id of it, if any.
    pub message_id: Option<String>,
    /// The publisher's broker user, which the broker has checked, if given.
    pub user_id: Option<String>,
    /// For a dead letter: where it died, the latest death first.
    pub deaths: Vec<Death>,
    hand: Option<Hand>,
}

/// The right to settle it, on the channel that it came from.
struct Hand {
    acker: Acker,
    live: Arc<Live>,
    /// Keeps the channel open until the last delivery in hand is settled.
    _channel: Channel,
}

enum Verdict {
    Ack,
    Requeue,
    Reject,
}

impl Delivery {
    pub(crate) fn new(raw: lapin::message::Delivery, live: Arc<Live>, channel: Channel) -> Self {
        let properties = &raw.properties;
        let count = properties
            .headers()
            .as_ref()
            .and_then(|h| h.inner().get("x-delivery-count").and_then(AMQPValue::as_long_long_int));
        Self {
            routing_key: raw.routing_key.to_string(),
            redelivered: raw.redelivered,
            delivery_count: count.and_then(|c| u64::try_from(c).ok()).unwrap_or(0),
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            user_id: properties.user_id().as_ref().map(ToString::to_string),
            deaths: properties.headers().as_ref().map(death::all).unwrap_or_default(),
            body: raw.data,
            hand: Some(Hand { acker: raw.acker, live, _channel: channel }),
        }
    }

    /// Done with: the broker forgets it.
    pub async fn ack(self) -> Result<(), Lost> {
        self.settle(Verdict::Ack).await
    }

    /// Handed back: the broker gives it to a consumer again, soon; after the queue's delivery
    /// limit it goes to the dead letters.
    pub async fn requeue(self) -> Result<(), Lost> {
        self.settle(Verdict::Requeue).await
    }

    /// Refused: it goes to the dead letters.
    pub async fn reject(self) -> Result<(), Lost> {
        self.settle(Verdict::Reject).await
    }

    /// Whether it can still be settled.
    pub fn is_live(&self) -> bool {
        self.hand.as_ref().is_some_and(|h| h.acker.usable() && h.live.is_sound())
    }

    async fn settle(mut self, verdict: Verdict) -> Result<(), Lost> {
        let hand = self.hand.take().ok_or(Lost)?;
        hand.settle(verdict).await
    }
}

impl Hand {
    async fn settle(self, verdict: Verdict) -> Result<(), Lost> {
        let name = verdict.as_str();
        let nack = |requeue| BasicNackOptions { multiple: false, requeue };
        let settled = async {
            match verdict {
                Verdict::Ack => self.acker.ack(BasicAckOptions::default()).await,
                Verdict::Requeue => self.acker.nack(nack(true)).await,
                Verdict::Reject => self.acker.nack(nack(false)).await,
            }
        };
        // `Ok(false)`: the channel is gone, and nothing was written.
        let settled = timeout(ACK_TIMEOUT, settled).await;
        if settled.is_err() {
            self.live.condemn("an acknowledgement could not be written in time");
        }
        let written = matches!(settled, Ok(Ok(true)));
        let verdict = if written { name } else { "lost" };
        metrics::counter!("tourbus_broker_settled_total", "verdict" => verdict).increment(1);
        if written { Ok(()) } else { Err(Lost) }
    }
}

impl Verdict {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Requeue => "requeue",
            Self::Reject => "reject",
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(hand) = self.hand.take() else { return };
        // Without a runtime the process is ending, and the broker takes it back by itself.
        if let (true, Ok(runtime)) = (hand.acker.usable(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if hand.settle(Verdict::Requeue).await.is_err() {
                    tracing::debug!("broker.delivery was dropped, and is redelivered anyway");
                }
            });
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("routing_key", &self.routing_key)
            .field("message_id", &self.message_id)
            .field("redelivered", &self.redelivered)
            .field("delivery_count", &self.delivery_count)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
