//! The relay: what the outbox owes goes to the broker, signed; what the broker has confirmed is
//! owed no more.

use crate::{Coordinator, CoordinatorError};
use chrono::{TimeDelta, Utc};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tourbus_broker::{BrokerState, Publication, PublishError};
use tourbus_domain::TraceParent;
use tourbus_protocol::{Signer, Work, names};
use tourbus_store::{DueOrder, StoreError};
use tourbus_telemetry::trace::{Span, SpanKind};
use uuid::Uuid;

/// Most orders in one round.
const ROUND_MAX: u32 = 200;
/// The table is looked at this often, even when nobody calls.
const POLL: Duration = Duration::from_secs(1);
/// Pause after a failed round.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an order is put off that the broker did not confirm.
const PUT_OFF: Duration = Duration::from_secs(2);
/// How long an order is put off for whose lane there is no queue.
const PUT_OFF_UNROUTABLE: Duration = Duration::from_secs(10);
/// How long an order is put off that cannot be published as it is.
const PUT_OFF_HOPELESS: Duration = Duration::from_hours(1);

/// Wakes the relay.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

/// What came of a round.
enum Round {
    /// There may be more.
    Full,
    /// All that was due is done.
    Done,
    /// The broker does not take messages.
    Blocked,
}

impl Coordinator {
    /// Wakes the relay whenever a transaction that owes orders commits.
    pub(crate) async fn listen(&self, wake: Wake) -> Result<(), CoordinatorError> {
        loop {
            let heard = tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                heard = self.listen_once(&wake) => heard,
            };
            if let Err(error) = heard {
                tracing::warn!(%error, "relay.not_listening: polling until the database is back");
            }
            if !self.pause(PAUSE).await {
                return Ok(());
            }
        }
    }

    async fn listen_once(&self, wake: &Wake) -> Result<(), StoreError> {
        let mut listener = self.store.listen_outbox().await?;
        loop {
            wake.0.notify_one();
            listener.next().await?;
        }
    }

    /// Publishes what is due, as it falls due.
    pub(crate) async fn relay(&self, wake: Wake) -> Result<(), CoordinatorError> {
        while !self.shutdown.is_cancelled() {
            let wait = match self.relay_round().await {
                Ok(Round::Full) => continue,
                Ok(Round::Done) => self.until_next_due().await,
                Ok(Round::Blocked) => PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "relay.database_away");
                    PAUSE
                }
            };
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = wake.0.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    async fn until_next_due(&self) -> Duration {
        match self.store.next_order_due_in().await {
            Ok(Some(wait)) => wait.min(POLL),
            Ok(None) | Err(_) => POLL,
        }
    }

    async fn relay_round(&self) -> Result<Round, StoreError> {
        // Nothing is locked for a broker that takes no messages.
        if matches!(*self.broker.watch().borrow(), BrokerState::Blocked { .. }) {
            return Ok(Round::Blocked);
        }
        let lease = self.store.take_due_orders(ROUND_MAX).await?;
        let full = lease.taken() >= ROUND_MAX as usize;
        let mut settled = Settled::default();
        let Signed { ids, publications, spans } = self.sign_all(lease.orders(), &mut settled);
        let results = self.broker.publisher().publish_all(publications).await;
        for ((id, span), result) in ids.into_iter().zip(spans).zip(results) {
            if let Some(mut span) = span {
                span.error = result.as_ref().err().map(ToString::to_string);
                span.end();
            }
            settled.sort(id, result);
        }
        metrics::counter!("tourbus_orders_published_total").increment(settled.sent.len() as u64);
        lease.settle(&settled.sent, &settled.put_off).await?;
        Ok(match (settled.away, full) {
            (true, _) => Round::Blocked,
            (false, true) => Round::Full,
            (false, false) => Round::Done,
        })
    }

    fn sign_all(&self, orders: &[DueOrder], settled: &mut Settled) -> Signed {
        let key = self.signer();
        let mut signed = Signed::default();
        for order in orders {
            let span = order.trace.map(|trace| sending(trace, order));
            let trace = span.as_ref().map(|s| s.context);
            match self.publication(order, trace, &key) {
                Ok(publication) => {
                    signed.ids.push(order.id);
                    signed.publications.push(publication);
                    signed.spans.push(span);
                }
                Err(error) => {
                    tracing::error!(%error, row = order.id, "relay.cannot_sign");
                    settled.put_off.push((order.id, PUT_OFF_HOPELESS));
                }
            }
        }
        signed
    }

    fn publication(
        &self,
        order: &DueOrder,
        trace: Option<TraceParent>,
        signer: &Signer,
    ) -> Result<Publication, serde_json::Error> {
        let (message_id, issued_at) = (Uuid::now_v7(), Utc::now());
        let ttl_s = i64::try_from(self.config.message_ttl_s).unwrap_or(i64::MAX);
        let expires_at = TimeDelta::try_seconds(ttl_s)
            .and_then(|ttl| issued_at.checked_add_signed(ttl))
            .unwrap_or(chrono::DateTime::<Utc>::MAX_UTC);
        let work = Work {
            id: message_id,
            server: order.server.clone(),
            job_id: order.job_id,
            key: order.key,
            epoch: order.epoch,
            floor: order.floor,
            issued_at,
            expires_at,
            order: order.order.clone(),
            trace,
        };
        if let Some(trace) = trace {
            tracing::debug!(trace_id = trace.trace_id(), job = %order.job_id, step = %order.key.kind,
                epoch = order.epoch, "relay.sent");
        }
        Ok(Publication {
            exchange: names::WORK_EXCHANGE.to_owned(),
            routing_key: names::work_key(&order.server, order.lane),
            body: signer.sign(&work)?,
            message_id,
            kind: "work",
        })
    }
}

/// The orders of a round that can be sent; the three lists go together.
#[derive(Default)]
struct Signed {
    ids: Vec<i64>,
    publications: Vec<Publication>,
    /// None for an order of a job without a trace.
    spans: Vec<Option<Span>>,
}

/// The span of giving an order to the broker: from here on the worker's spans are part of it.
fn sending(trace: TraceParent, order: &DueOrder) -> Span {
    Span::begin(trace, SpanKind::Producer, format!("send {}", order.key.kind))
        .with("server", &order.server)
        .with("lane", &order.lane)
        .with("job", &order.job_id)
        .with("epoch", &order.epoch)
}

/// What becomes of the rows of a round. Those in neither list stay as they are.
#[derive(Default)]
struct Settled {
    sent: Vec<i64>,
    put_off: Vec<(i64, Duration)>,
    /// The broker is away: the next round may wait.
    away: bool,
}

impl Settled {
    fn sort(&mut self, id: i64, result: Result<(), PublishError>) {
        let Err(error) = result else {
            self.sent.push(id);
            return;
        };
        match error {
            PublishError::Unroutable { .. } => {
                metrics::counter!("tourbus_orders_unroutable_total").increment(1);
                tracing::error!(row = id, %error, "relay.unroutable: run `tourbus topology declare`");
                self.put_off.push((id, PUT_OFF_UNROUTABLE));
            }
            PublishError::TooLarge { .. } => {
                tracing::error!(row = id, %error, "relay.too_large");
                self.put_off.push((id, PUT_OFF_HOPELESS));
            }
            PublishError::Nacked { .. } => {
                tracing::warn!(row = id, %error, "relay.nacked");
                self.put_off.push((id, PUT_OFF));
            }
            PublishError::Refused { .. } => {
                tracing::error!(row = id, %error, "relay.refused");
                self.put_off.push((id, PUT_OFF_UNROUTABLE));
            }
            PublishError::Timeout
            | PublishError::Disconnected { .. }
            | PublishError::Blocked { .. } => {
                tracing::debug!(row = id, %error, "relay.broker_away");
                self.away = true;
            }
        }
    }
}
