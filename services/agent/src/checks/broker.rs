//! The broker, with the server's own user: connected, its lanes seen, an event published.

use chrono::Utc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tourbus_broker::{Broker, BrokerState, DepthError, Publication};
use tourbus_config::AgentConfig;
use tourbus_domain::Lane;
use tourbus_protocol::{CheckName, CheckResult, Event, EventBody, names};
use uuid::Uuid;

/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// The cause and the remedy.
type Red = (String, String);

/// Connects, looks, publishes, closes.
pub(super) async fn check(config: &AgentConfig) -> CheckResult {
    let broker = Broker::start(&config.broker, "check", CancellationToken::new());
    let found = probe(config, &broker).await;
    broker.close().await;
    match found {
        Ok(()) => CheckResult::green(
            CheckName::Broker,
            format!(
                "Signed in at {} as {}, saw its {} lanes, published an event.",
                config.broker.address,
                config.broker.user,
                Lane::ALL.len()
            ),
        ),
        Err((cause, remedy)) => CheckResult::red(CheckName::Broker, cause, remedy),
    }
}

async fn probe(config: &AgentConfig, broker: &Broker) -> Result<(), Red> {
    connected(config, broker).await?;
    for lane in Lane::ALL {
        let queue = names::lane_queue(&config.server, lane);
        broker.depth(&queue).await.map_err(|e| lane_missing(&e))?;
    }
    let event = Event {
        id: Uuid::now_v7(),
        server: config.server.clone(),
        worker: format!("{}-agent", config.server),
        at: Utc::now(),
        body: EventBody::Checked,
    };
    let body = serde_json::to_vec(&event).map_err(|e| (e.to_string(), REPORT.to_owned()))?;
    let publication = Publication {
        exchange: names::EVENTS_EXCHANGE.to_owned(),
        routing_key: names::event_key(&config.server, event.body.name()),
        body,
        message_id: event.id,
        kind: event.body.name(),
    };
    broker.publisher().publish(publication).await.map_err(|e| {
        (
            format!("The broker does not take an event of this server: {e}."),
            "On the master, `tourbus topology doctor` says what differs, `declare` mends it."
                .to_owned(),
        )
    })
}

/// What should not happen.
const REPORT: &str = "This is a fault of Tourbus; please report it.";

fn lane_missing(error: &DepthError) -> Red {
    (
        format!("A lane of this server cannot be seen: {error}."),
        "On the master, `tourbus topology doctor` says what differs, `declare` mends it."
            .to_owned(),
    )
}

async fn connected(config: &AgentConfig, broker: &Broker) -> Result<(), Red> {
    let mut state = broker.watch();
    let waited =
        timeout(CONNECT_WAIT, state.wait_for(|s| !matches!(s, BrokerState::Connecting { .. })));
    if waited.await.is_ok() {
        return Ok(());
    }
    let reason = match &*broker.watch().borrow() {
        BrokerState::Connecting { reason } | BrokerState::Blocked { reason } => reason.clone(),
        BrokerState::Connected => return Ok(()),
    };
    Err(refused(config, &reason))
}

fn refused(config: &AgentConfig, reason: &str) -> Red {
    let (address, user) = (&config.broker.address, &config.broker.user);
    if reason.contains("ACCESS_REFUSED") || reason.contains("NOT_ALLOWED") {
        return (
            format!("The broker at {address} refuses {user}: {reason}."),
            "Make a new command on this server's page at the master, and run it here: the broker's \
             password is made anew with it."
                .to_owned(),
        );
    }
    (
        format!("The broker at {address} cannot be reached: {reason}."),
        format!(
            "Let this server connect to {address}: check name service, firewall, and that \
             RabbitMQ listens there."
        ),
    )
}
