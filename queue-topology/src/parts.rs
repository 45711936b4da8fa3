//! The parts of a topology, as the management API names them.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Name.
    pub name: String,
    /// `direct`, `topic` or `fanout`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it outlives a restart of the broker.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
}

/// A queue. Its arguments cannot be changed, so only its type is one; the rest is in a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Whether it outlives a restart of the broker.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// `x-queue-type`.
    pub arguments: Map<String, Value>,
}

/// A binding of a queue to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// The exchange.
    pub source: String,
    /// The queue.
    pub destination: String,
    /// The routing key.
    pub routing_key: String,
}

/// A policy. Only one applies to a queue, so each kind of queue has one with all its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Name.
    pub name: String,
    /// Regular expression on queue names.
    pub pattern: String,
    /// `queues`.
    #[serde(rename = "apply-to")]
    pub apply_to: String,
    /// The highest that matches wins.
    pub priority: i64,
    /// The keys.
    pub definition: Map<String, Value>,
}

/// A broker user, without tags, so that it cannot reach the management API. Serialised without
/// the password.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password.
    #[serde(skip)]
    pub password: Password,
}

/// A user's password, as far as it is known here.
#[derive(Debug, Clone)]
pub enum Password {
    /// Itself.
    Plain(SecretString),
    /// Only `RabbitMQ`'s salted SHA-256 of it, in Base64; see [`crate::password_hash`].
    Hash(String),
}

impl From<&SecretString> for Password {
    fn from(password: &SecretString) -> Self {
        Self::Plain(password.clone())
    }
}

/// What a user may do in the virtual host, as regular expressions on names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The user.
    pub user: String,
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to.
    pub write: String,
    /// What it may consume.
    pub read: String,
}

/// Which routing keys a user may use on a topic exchange, as regular expressions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermission {
    /// The user.
    pub user: String,
    /// The exchange.
    pub exchange: String,
    /// Keys that it may publish with.
    pub write: String,
    /// Keys that it may bind with.
    pub read: String,
}
