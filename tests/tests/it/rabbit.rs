//! A virtual host of the run's `RabbitMQ` for one test, with the topology of two servers whose
//! slugs no other test has.

use secrecy::SecretString;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tourbus_broker::{Broker, BrokerState, Publication};
use tourbus_config::{
    BrokerConfig, ManagementConfig, ServerUserConfig, TopologyConfig, UserConfig,
};
use tourbus_domain::{Lane, Slug};
use tourbus_protocol::names;
use tourbus_topology::{Management, Topology, server_user};
use uuid::Uuid;

/// Longer than any fault takes to mend: backoff 5 s, twice.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PASSWORD: &str = "a-password-of-the-tests";

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `make test`, which starts a RabbitMQ")
    })
}

/// The virtual host. [`Rabbit::finish`] removes it.
pub struct Rabbit {
    pub api: Management,
    pub config: TopologyConfig,
    pub topology: Topology,
    /// Two servers; the second's slug begins with the first's.
    pub servers: [Slug; 2],
}

impl Rabbit {
    /// Declared and clean.
    pub async fn start() -> Self {
        let rabbit = Self::bare();
        rabbit.topology.declare(&rabbit.api).await.unwrap();
        rabbit
    }

    /// Nothing declared yet.
    pub fn bare() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let slug = |end: &str| format!("t{}{end}", &id[..10]).parse::<Slug>().unwrap();
        let servers = [slug(""), slug("2")];
        let user = |slug: &Slug| ServerUserConfig { slug: slug.clone(), password: password() };
        let config = TopologyConfig {
            database: None,
            management: ManagementConfig {
                url: var("TOURBUS_TEST_MANAGEMENT_URL"),
                tls: tourbus_config::ClientTlsConfig::default(),
                vhost: format!("test-{id}"),
                user: var("TOURBUS_TEST_RABBITMQ_USER"),
                password: var("TOURBUS_TEST_RABBITMQ_PASSWORD").into(),
            },
            coordinator: UserConfig {
                user: format!("tourbus-coordinator-{id}"),
                password: password(),
            },
            servers: servers.iter().map(user).collect(),
            allow_unencrypted: Vec::new(),
        };
        let api = Management::new(&config.management).unwrap();
        Self { api, topology: Topology::new(&config), config, servers }
    }

    pub fn vhost(&self) -> &str {
        &self.config.management.vhost
    }

    fn config_of(&self, user: String) -> BrokerConfig {
        BrokerConfig {
            address: var("TOURBUS_TEST_AMQP"),
            tls: tourbus_config::ClientTlsConfig::default(),
            vhost: self.vhost().to_owned(),
            user,
            password: password(),
            heartbeat_s: 10,
        }
    }

    /// How the coordinator connects.
    pub fn coordinator(&self) -> BrokerConfig {
        self.config_of(self.config.coordinator.user.clone())
    }

    /// How a server's worker connects.
    pub fn server(&self, server: &Slug) -> BrokerConfig {
        self.config_of(server_user(server))
    }

    /// A lane of the first server.
    pub fn lane(&self, lane: Lane) -> String {
        names::lane_queue(&self.servers[0], lane)
    }

    /// Work for a lane of the first server.
    pub fn work(&self, lane: Lane, body: &str) -> Publication {
        Publication {
            exchange: names::WORK_EXCHANGE.to_owned(),
            routing_key: names::work_key(&self.servers[0], lane),
            body: body.as_bytes().to_vec(),
            message_id: Uuid::now_v7(),
            kind: "test",
        }
    }

    /// Closes all connections of a user, as soon as the broker lists at least one.
    pub async fn close_connections_of(&self, user: &str) {
        let close = async || self.api.close_connections_of(self.vhost(), user).await.unwrap();
        until("connections to close", close, |closed| *closed > 0).await;
    }

    /// Removes the virtual host and the users.
    pub async fn finish(self) {
        self.api.delete_vhost(self.vhost()).await.unwrap();
        for user in &self.topology.users {
            self.api.delete_user(&user.name).await.unwrap();
        }
    }
}

pub fn password() -> SecretString {
    PASSWORD.into()
}

/// A connected broker.
pub async fn connect(config: &BrokerConfig) -> Broker {
    let broker = Broker::start(config, "test", CancellationToken::new());
    until_state(&broker, |s| *s == BrokerState::Connected).await;
    broker
}

/// Waits for a state of a broker.
pub async fn until_state(broker: &Broker, done: impl FnMut(&BrokerState) -> bool) {
    let mut state = broker.watch();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(done)).await;
    let waited = waited.map(|w| w.is_ok());
    assert!(matches!(waited, Ok(true)), "last state: {:?}", *broker.watch().borrow());
}

/// Looks until it is so; panics with the last sight.
pub async fn until<T: std::fmt::Debug, F: Future<Output = T>>(
    what: &str,
    look: impl FnMut() -> F,
    done: impl Fn(&T) -> bool,
) -> T {
    tourbus_tests::wait::until(what, PATIENCE, look, done).await
}

/// Waits until this many messages stand on a queue.
pub async fn until_depth(broker: &Broker, queue: &str, depth: u32) {
    drop(until(queue, async || broker.depth(queue).await, |d| *d == Ok(depth)).await);
}
