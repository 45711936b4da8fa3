//! What the broker's management API says.

use super::{BrokerNode, QueueDepth};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use tourbus_config::ManagementConfig;
use tourbus_http::ClientError;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(4);
/// The columns that are asked for: a queue has a hundred.
const QUEUE_COLUMNS: &str = "name,messages_ready,messages_unacknowledged,consumers,\
     message_stats.publish,message_stats.ack";
const NODE_COLUMNS: &str = "name,running,mem_alarm,disk_free_alarm,mem_used,mem_limit,disk_free,\
     disk_free_limit";

/// Asks one broker.
pub(super) struct Client {
    http: reqwest::Client,
    config: ManagementConfig,
}

/// What a queue has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages that arrived.
    pub(super) into: u64,
    /// Messages that were acknowledged.
    pub(super) out: u64,
}

#[derive(Deserialize)]
struct RawQueue {
    name: String,
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    #[serde(default)]
    consumers: u64,
    #[serde(default)]
    message_stats: RawStats,
}

#[derive(Deserialize, Default)]
struct RawStats {
    #[serde(default)]
    publish: u64,
    #[serde(default)]
    ack: u64,
}

// A node that is down has a name and nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
struct RawNode {
    name: String,
    #[serde(default)]
    running: bool,
    #[serde(default)]
    mem_alarm: bool,
    #[serde(default)]
    disk_free_alarm: bool,
    #[serde(default)]
    mem_used: u64,
    #[serde(default)]
    mem_limit: u64,
    #[serde(default)]
    disk_free: u64,
    #[serde(default)]
    disk_free_limit: u64,
}

impl Client {
    pub(super) fn new(config: ManagementConfig) -> Result<Self, ClientError> {
        let http = tourbus_http::client(&config.url, None, TIMEOUT, &config.tls)?;
        Ok(Self { http, config })
    }

    pub(super) fn url(&self) -> &str {
        &self.config.url
    }

    /// Every queue of the virtual host with its counters, and every node.
    pub(super) async fn ask(
        &self,
    ) -> Result<(Vec<(QueueDepth, Counted)>, Vec<BrokerNode>), String> {
        let vhost = percent_encoding::utf8_percent_encode(
            &self.config.vhost,
            percent_encoding::NON_ALPHANUMERIC,
        );
        let queues = format!("queues/{vhost}?columns={QUEUE_COLUMNS}");
        let nodes = format!("nodes?columns={NODE_COLUMNS}");
        let (queues, nodes) =
            tokio::try_join!(self.get::<Vec<RawQueue>>(&queues), self.get::<Vec<RawNode>>(&nodes))
                .map_err(tourbus_http::why)?;
        Ok((queues.into_iter().map(queue).collect(), nodes.into_iter().map(node).collect()))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, reqwest::Error> {
        let request = self
            .http
            .get(format!("{}/api/{path}", self.config.url))
            .basic_auth(&self.config.user, Some(self.config.password.expose_secret()));
        request.send().await?.error_for_status()?.json().await
    }
}

fn queue(raw: RawQueue) -> (QueueDepth, Counted) {
    let counted = Counted { into: raw.message_stats.publish, out: raw.message_stats.ack };
    let depth = QueueDepth {
        queue: raw.name,
        server_slug: None,
        lane: None,
        ready: raw.messages_ready,
        unacked: raw.messages_unacknowledged,
        consumers: raw.consumers,
        in_s: None,
        out_s: None,
        oldest_waiting_s: None,
        paused: None,
    };
    (depth, counted)
}

fn node(raw: RawNode) -> BrokerNode {
    BrokerNode {
        name: raw.name,
        running: raw.running,
        memory_alarm: raw.mem_alarm,
        disk_alarm: raw.disk_free_alarm,
        memory_bytes: raw.mem_used,
        memory_limit_bytes: raw.mem_limit,
        disk_free_bytes: raw.disk_free,
        disk_limit_bytes: raw.disk_free_limit,
    }
}
