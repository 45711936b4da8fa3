//! Looking at queues and connections, for pages and tests.

use crate::{Management, TopologyError, management::part};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How full a queue is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// The queue.
    pub name: String,
    /// Messages that wait.
    #[serde(rename(deserialize = "messages_ready"), default)]
    pub ready: u64,
    /// Messages in a consumer's hand.
    #[serde(rename(deserialize = "messages_unacknowledged"), default)]
    pub unacked: u64,
    /// Consumers.
    #[serde(default)]
    pub consumers: u64,
}

/// A connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionInfo {
    /// The broker's name of it.
    pub name: String,
    /// Its user.
    #[serde(default)]
    pub user: String,
    /// Its virtual host.
    #[serde(default)]
    pub vhost: String,
    /// The name that the client gave it.
    #[serde(default)]
    pub user_provided_name: String,
}

impl Management {
    /// Every queue of a virtual host and how full it is. `RabbitMQ` renews these numbers every
    /// five seconds.
    pub async fn lanes_depth(&self, vhost: &str) -> Result<Vec<QueueDepth>, TopologyError> {
        let columns = "name,messages_ready,messages_unacknowledged,consumers";
        let path = format!("queues/{}?columns={columns}", part(vhost));
        Ok(self.get(&path).await?.unwrap_or_default())
    }

    /// Names of all queues of a virtual host.
    pub async fn queues(&self, vhost: &str) -> Result<Vec<String>, TopologyError> {
        Ok(self.lanes_depth(vhost).await?.into_iter().map(|q| q.name).collect())
    }

    /// Creates a virtual host, if missing, with all permissions for this client's own user.
    pub async fn put_vhost(&self, vhost: &str) -> Result<(), TopologyError> {
        self.put(&format!("vhosts/{}", part(vhost)), &json!({})).await
    }

    /// Deletes a virtual host with everything in it, messages included.
    pub async fn delete_vhost(&self, vhost: &str) -> Result<(), TopologyError> {
        self.delete(&format!("vhosts/{}", part(vhost))).await
    }

    /// Deletes a queue with everything in it.
    pub async fn delete_queue(&self, vhost: &str, queue: &str) -> Result<(), TopologyError> {
        self.delete(&format!("queues/{}/{}", part(vhost), part(queue))).await
    }

    /// Deletes a user.
    pub async fn delete_user(&self, user: &str) -> Result<(), TopologyError> {
        self.delete(&format!("users/{}", part(user))).await
    }

    /// Connections of a virtual host. One that is seconds old may be missing.
    pub async fn connections(&self, vhost: &str) -> Result<Vec<ConnectionInfo>, TopologyError> {
        let all: Vec<ConnectionInfo> =
            self.get(&format!("vhosts/{}/connections", part(vhost))).await?.unwrap_or_default();
        Ok(all)
    }

    /// Closes the connections of one user in a virtual host; says how many there were.
    pub async fn close_connections_of(
        &self,
        vhost: &str,
        user: &str,
    ) -> Result<usize, TopologyError> {
        let mut closed = 0;
        for connection in self.connections(vhost).await?.iter().filter(|c| c.user == user) {
            self.delete(&format!("connections/{}", part(&connection.name))).await?;
            closed += 1;
        }
        Ok(closed)
    }

    /// Bodies of up to `count` messages of a queue, as text; they stay on it, but a quorum queue
    /// counts the look as a delivery.
    pub async fn peek(
        &self,
        vhost: &str,
        queue: &str,
        count: u32,
    ) -> Result<Vec<String>, TopologyError> {
        let path = format!("queues/{}/{}/get", part(vhost), part(queue));
        let ask = json!({"count": count, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let response = self.post(&path, &ask).await?;
        let found: Vec<Value> = self.read(&path, response).await?;
        let body = |m: &Value| m.get("payload").and_then(Value::as_str).map(str::to_owned);
        Ok(found.iter().filter_map(body).collect())
    }
}
