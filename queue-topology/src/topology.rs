//! What there should be on the broker. Pure.

use crate::{
    parts::{Binding, Exchange, Password, Permission, Policy, Queue, TopicPermission, User},
    permissions, policies,
};
use serde::Serialize;
use serde_json::{Map, Value};
use tourbus_config::TopologyConfig;
use tourbus_domain::{Lane, Slug};
use tourbus_protocol::names::{
    self, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, EVENTS_QUEUE, WORK_EXCHANGE,
};

/// Everything that Tourbus needs on the broker, in one virtual host. Serialises without secrets.
#[derive(Debug, Clone, Serialize)]
pub struct Topology {
    /// The virtual host; created when missing.
    pub vhost: String,
    /// Exchanges.
    pub exchanges: Vec<Exchange>,
    /// One policy per kind of queue.
    pub policies: Vec<Policy>,
    /// Queues, all of them quorum queues.
    pub queues: Vec<Queue>,
    /// Bindings.
    pub bindings: Vec<Binding>,
    /// Users.
    pub users: Vec<User>,
    /// Their permissions.
    pub permissions: Vec<Permission>,
    /// Their topic permissions.
    pub topic_permissions: Vec<TopicPermission>,
}

/// A server's broker user.
pub fn server_user(slug: &Slug) -> String {
    names::broker_user(slug)
}

impl Topology {
    /// The topology of a configuration.
    pub fn new(config: &TopologyConfig) -> Self {
        let coordinator = &config.coordinator;
        let base = Self {
            vhost: config.management.vhost.clone(),
            exchanges: vec![
                exchange(WORK_EXCHANGE, "direct"),
                exchange(EVENTS_EXCHANGE, "topic"),
                exchange(DEAD_EXCHANGE, "fanout"),
            ],
            policies: policies::all(),
            queues: vec![quorum(EVENTS_QUEUE), quorum(DEAD_QUEUE)],
            bindings: vec![
                binding(EVENTS_EXCHANGE, EVENTS_QUEUE, "server.#"),
                binding(DEAD_EXCHANGE, DEAD_QUEUE, ""),
            ],
            users: vec![user(&coordinator.user, (&coordinator.password).into())],
            permissions: vec![permissions::coordinator(&coordinator.user)],
            topic_permissions: Vec::new(),
        };
        let with = |t: Self, s: &tourbus_config::ServerUserConfig| {
            t.with_server(&s.slug, (&s.password).into())
        };
        config.servers.iter().fold(base, with)
    }

    /// The same with one server more: its lanes, its user, what the user may do.
    #[must_use]
    pub fn with_server(self, slug: &Slug, password: Password) -> Self {
        // Also a server that is there already gets the new password.
        let mut topology = self.without_server(slug);
        for lane in Lane::ALL {
            let queue = names::lane_queue(slug, lane);
            let key = names::work_key(slug, lane);
            topology.bindings.push(binding(WORK_EXCHANGE, &queue, &key));
            topology.queues.push(quorum(&queue));
        }
        topology.users.push(user(&server_user(slug), password));
        topology.permissions.push(permissions::server(slug));
        topology.topic_permissions.push(permissions::server_topic(slug));
        topology
    }

    /// The same with servers that have joined, each with `RabbitMQ`'s hash of its password; one
    /// that is there already stays as it is.
    #[must_use]
    pub fn with_joined(self, joined: Vec<(Slug, String)>) -> Self {
        joined.into_iter().fold(self, |topology, (slug, hash)| {
            if topology.has_server(&slug) {
                topology
            } else {
                topology.with_server(&slug, Password::Hash(hash))
            }
        })
    }

    /// Whether it has this server.
    pub fn has_server(&self, slug: &Slug) -> bool {
        let name = server_user(slug);
        self.users.iter().any(|u| u.name == name)
    }

    /// The parts of one server, and nothing else.
    pub(crate) fn of_server(vhost: &str, slug: &Slug, password: Password) -> Self {
        let nothing = Self {
            vhost: vhost.to_owned(),
            exchanges: Vec::new(),
            policies: Vec::new(),
            queues: Vec::new(),
            bindings: Vec::new(),
            users: Vec::new(),
            permissions: Vec::new(),
            topic_permissions: Vec::new(),
        };
        nothing.with_server(slug, password)
    }

    /// The same without one server. What it leaves on the broker is a stray then, which
    /// [`Topology::declare`] removes, but for queues that hold messages.
    #[must_use]
    pub fn without_server(mut self, slug: &Slug) -> Self {
        let queues = Lane::ALL.map(|lane| names::lane_queue(slug, lane));
        let name = server_user(slug);
        self.queues.retain(|q| !queues.contains(&q.name));
        self.bindings.retain(|b| !queues.contains(&b.destination));
        self.users.retain(|u| u.name != name);
        self.permissions.retain(|p| p.user != name);
        self.topic_permissions.retain(|p| p.user != name);
        self
    }
}

fn exchange(name: &str, kind: &str) -> Exchange {
    Exchange { name: name.to_owned(), kind: kind.to_owned(), durable: true, auto_delete: false }
}

fn quorum(name: &str) -> Queue {
    let kind = ("x-queue-type".to_owned(), Value::from("quorum"));
    Queue {
        name: name.to_owned(),
        durable: true,
        auto_delete: false,
        arguments: Map::from_iter([kind]),
    }
}

fn binding(source: &str, destination: &str, routing_key: &str) -> Binding {
    Binding {
        source: source.to_owned(),
        destination: destination.to_owned(),
        routing_key: routing_key.to_owned(),
    }
}

fn user(name: &str, password: Password) -> User {
    User { name: name.to_owned(), password }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_config::{ManagementConfig, ServerUserConfig, UserConfig};

    fn topology(slugs: &[&str]) -> Topology {
        let server =
            |s: &&str| ServerUserConfig { slug: s.parse().unwrap(), password: "hush".into() };
        Topology::new(&TopologyConfig {
            management: ManagementConfig {
                url: "http://127.0.0.1:15672".to_owned(),
                tls: tourbus_config::ClientTlsConfig::default(),
                vhost: "tourbus".to_owned(),
                user: "admin".to_owned(),
                password: "hush".into(),
            },
            coordinator: UserConfig {
                user: "tourbus-coordinator".to_owned(),
                password: "hush".into(),
            },
            servers: slugs.iter().map(server).collect(),
            database: None,
            allow_unencrypted: Vec::new(),
        })
    }

    #[test]
    fn it_shows_everything_but_secrets() {
        let topology = topology(&["master", "server2"]);
        let shown = topology.show();
        let data = serde_json::to_string(&topology).unwrap();
        assert!(!shown.contains("hush") && !data.contains("hush"));
        insta::assert_snapshot!(shown);
    }

    fn hush() -> Password {
        Password::Plain("hush".into())
    }

    #[test]
    fn a_server_comes_and_goes_whole() {
        let before = topology(&["master"]);
        let slug = "server2".parse().unwrap();
        let with = before.clone().with_server(&slug, hush());
        assert_eq!(with.queues.len(), before.queues.len() + Lane::ALL.len());
        let twice = with.clone().with_server(&slug, hush());
        assert_eq!(twice.show(), with.show());
        assert_eq!(with.without_server(&slug).show(), before.show());
    }

    #[test]
    fn policies_cover_each_queue_once() {
        // The patterns are plain prefixes or whole names; see `policies`.
        let topology = topology(&["server2"]);
        for queue in &topology.queues {
            let covers = |p: &&Policy| {
                let name = p.pattern.replace('\\', "");
                match name.strip_prefix('^').and_then(|n| n.strip_suffix('$')) {
                    Some(whole) => whole == queue.name,
                    None => queue.name.starts_with(name.trim_start_matches('^')),
                }
            };
            assert_eq!(topology.policies.iter().filter(covers).count(), 1, "{}", queue.name);
        }
    }
}
