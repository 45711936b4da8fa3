//! The broker, with the server's own user: connected, its lanes seen, an event published.

use chrono::Utc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tourbus_broker::{Broker, BrokerState, ConnectError, DepthError, Publication};
use tourbus_config::AgentConfig;
use tourbus_domain::Lane;
use tourbus_protocol::{CheckName, CheckResult, Event, EventBody, names};
use uuid::Uuid;

/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Where a joined server is told who vouches for the broker.
const CA: &str = "joining.broker_ca_file of web's configuration on the master";
/// Where it has its own certificate from.
const OWN: &str = "broker.tls here (on a server that has joined: `tourbus join` with --broker-certificate and \
     --broker-key)";

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
    // Once by hand: that says best what is wrong. The broker may be starting just now.
    match tourbus_broker::try_once(&config.broker, "check").await {
        Ok(()) | Err(ConnectError::Unreachable(_)) => {}
        Err(error) => return Err(refused(config, &error)),
    }
    connected(broker).await.map_err(|error| refused(config, &error))?;
    for lane in Lane::ALL {
        let queue = names::lane_queue(&config.server, lane);
        broker.depth(&queue).await.map_err(|e| lane_missing(&e))?;
    }
    let event = Event {
        id: Uuid::now_v7(),
        server: config.server.clone(),
        worker: format!("{}-agent", config.server),
        at: Utc::now(),
        trace: None,
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

async fn connected(broker: &Broker) -> Result<(), ConnectError> {
    let mut state = broker.watch();
    let waited =
        timeout(CONNECT_WAIT, state.wait_for(|s| !matches!(s, BrokerState::Connecting { .. })));
    if waited.await.is_ok() {
        return Ok(());
    }
    match &*broker.watch().borrow() {
        BrokerState::Connecting { reason } | BrokerState::Blocked { reason } => {
            Err(ConnectError::Unreachable(reason.clone()))
        }
        BrokerState::Connected => Ok(()),
    }
}

fn refused(config: &AgentConfig, error: &ConnectError) -> Red {
    let (address, user) = (&config.broker.address, &config.broker.user);
    match error {
        ConnectError::Address(_) => (
            format!("{error}."),
            "Correct joining.broker_address in web's configuration on the master.".to_owned(),
        ),
        ConnectError::Tls(fault) => (
            format!("The broker at {address} is not to be trusted: {fault}."),
            format!("{}.", fault.remedy(CA, OWN)),
        ),
        ConnectError::Refused(reason) => (
            format!("The broker at {address} refuses {user}: {reason}."),
            "Make a new command on this server's page at the master, and run it here: the broker's \
             password is made anew with it."
                .to_owned(),
        ),
        ConnectError::NotAmqp(reason) => (
            format!(
                "What answers at {address} hangs up instead of speaking plain AMQP: {reason}."
            ),
            "If that port speaks TLS, let joining.broker_address in web's configuration on the \
             master begin with amqps://; else name RabbitMQ's port there."
                .to_owned(),
        ),
        ConnectError::Unreachable(reason) => (
            format!("The broker at {address} cannot be reached: {reason}."),
            format!(
                "Let this server connect to {address}: check name service, firewall, and that \
                 RabbitMQ listens there."
            ),
        ),
    }
}
