//! Depths of the lanes, from the broker's management API. Asked at most once in two seconds,
//! however many look.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tourbus_config::ManagementConfig;
use tourbus_domain::{Lane, Slug};
use tourbus_http::ClientError;
use tourbus_protocol::names::{DEAD_QUEUE, EVENTS_QUEUE, lane_queue};
use utoipa::ToSchema;

/// How long an answer is good for.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// Longest wait for the management API.
const TIMEOUT: Duration = Duration::from_secs(4);

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueDepth {
    /// The queue's name at the broker.
    pub queue: String,
    /// The server whose lane it is; null for the cluster's own queues.
    pub server_slug: Option<String>,
    /// Which lane; null for the cluster's own queues.
    pub lane: Option<String>,
    /// Messages that wait.
    pub ready: u64,
    /// Messages that somebody works on.
    pub unacked: u64,
    /// Consumers.
    pub consumers: u64,
}

/// Why the depths are not known.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker's management API at {url} does not answer: {why}")]
pub struct QueuesError {
    url: String,
    why: String,
}

type Answer = Result<Vec<QueueDepth>, QueuesError>;

/// The depths of the queues of one broker.
pub struct Queues {
    client: reqwest::Client,
    config: ManagementConfig,
    last: Mutex<Option<(Instant, Answer)>>,
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    #[serde(default)]
    consumers: u64,
}

impl Queues {
    /// Of this broker.
    pub fn new(config: ManagementConfig) -> Result<Self, ClientError> {
        let client = tourbus_http::client(&config.url, None, TIMEOUT, &config.tls)?;
        Ok(Self { client, config, last: Mutex::new(None) })
    }

    /// Every queue of ours, the lanes of `servers` in order first.
    pub async fn depths(&self, servers: &[Slug]) -> Answer {
        let all = self.all().await?;
        let mut out = Vec::new();
        for server in servers {
            for lane in Lane::ALL {
                let queue = lane_queue(server, lane);
                if let Some(found) = all.iter().find(|q| q.queue == queue) {
                    let (server_slug, lane) = (Some(server.to_string()), Some(lane.to_string()));
                    out.push(QueueDepth { server_slug, lane, ..found.clone() });
                }
            }
        }
        out.extend(all.into_iter().filter(|q| [EVENTS_QUEUE, DEAD_QUEUE].contains(&&*q.queue)));
        Ok(out)
    }

    async fn all(&self) -> Answer {
        // Held while asking: those who come meanwhile share the answer.
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH_FOR
        {
            return answer.clone();
        }
        let answer = self
            .ask()
            .await
            .map_err(|e| QueuesError { url: self.config.url.clone(), why: tourbus_http::why(e) });
        if let Err(error) = &answer {
            tracing::warn!(%error, "queues.unknown");
        }
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn ask(&self) -> Result<Vec<QueueDepth>, reqwest::Error> {
        let vhost = percent_encoding::utf8_percent_encode(
            &self.config.vhost,
            percent_encoding::NON_ALPHANUMERIC,
        );
        let columns = "name,messages_ready,messages_unacknowledged,consumers";
        let url = format!("{}/api/queues/{vhost}?columns={columns}", self.config.url);
        let request = self
            .client
            .get(url)
            .basic_auth(&self.config.user, Some(self.config.password.expose_secret()));
        let raw: Vec<Raw> = request.send().await?.error_for_status()?.json().await?;
        Ok(raw
            .into_iter()
            .map(|q| QueueDepth {
                queue: q.name,
                server_slug: None,
                lane: None,
                ready: q.messages_ready,
                unacked: q.messages_unacknowledged,
                consumers: q.consumers,
            })
            .collect())
    }
}
