//! The broker's queues: depths, rates, an hour of history, and how the broker itself is. Asked
//! over the management API at most once in two seconds, however many look.

mod ask;
mod gauges;
mod history;

pub use history::{Point, QueueHistory};

use ask::{Client, Counted};
use chrono::{DateTime, Utc};
use gauges::Gauges;
use history::Recorder;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tourbus_config::ManagementConfig;
use tourbus_domain::{Lane, Slug};
use tourbus_http::ClientError;
use tourbus_protocol::names::{DEAD_QUEUE, EVENTS_QUEUE, lane_queue};
use tourbus_store::{LanePauseRow, QueueFacts, Store};
use utoipa::ToSchema;

/// How long an answer is good for.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// How often the history is written on, even when nobody looks.
const RECORD_EVERY: Duration = Duration::from_secs(5);
/// A rate is taken over at least this long.
const RATE_OVER_MIN: Duration = Duration::from_millis(1500);

/// One queue.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    /// Messages that arrive, per second; null until the queue was seen twice.
    pub in_s: Option<f64>,
    /// Messages that are done with, per second; null until the queue was seen twice.
    pub out_s: Option<f64>,
    /// How long the oldest order waits on it, in seconds; null when none waits, or it is no lane.
    pub oldest_waiting_s: Option<f64>,
    /// Who has paused it, since when and why; null if nobody has.
    pub paused: Option<LanePauseView>,
}

/// A lane that a person has paused: the server's workers take nothing from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanePause)]
pub struct LanePauseView {
    /// Who: an email address.
    pub by: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why; may be empty.
    pub reason: String,
    /// Workers of the server that have reported lately.
    pub workers: i64,
    /// Those of them that have stopped taking from it.
    pub workers_paused: i64,
}

impl From<&LanePauseRow> for LanePauseView {
    fn from(row: &LanePauseRow) -> Self {
        Self {
            by: row.paused_by.clone(),
            since: row.paused_at,
            reason: row.reason.clone(),
            workers: row.workers,
            workers_paused: row.workers_paused,
        }
    }
}

/// One node of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrokerNode {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// It is short of memory: the broker takes no messages from anybody.
    pub memory_alarm: bool,
    /// It is short of disk: the broker takes no messages from anybody.
    pub disk_alarm: bool,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// Above this much the broker takes no more messages, in bytes.
    pub memory_limit_bytes: u64,
    /// Free disk, in bytes.
    pub disk_free_bytes: u64,
    /// Below this much the broker takes no more messages, in bytes.
    pub disk_limit_bytes: u64,
}

/// Everything, as it was at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When.
    pub at: DateTime<Utc>,
    /// Every queue of the virtual host.
    pub queues: Vec<QueueDepth>,
    /// The nodes of the broker.
    pub nodes: Vec<BrokerNode>,
    /// What the database knows; none while it is away.
    pub facts: Option<QueueFacts>,
}

impl Snapshot {
    /// Every queue of ours, the lanes of `servers` in order first, with who has paused them.
    pub fn ours(&self, servers: &[Slug], held: &[LanePauseRow]) -> Vec<QueueDepth> {
        let mut out = Vec::new();
        for server in servers {
            for lane_of in Lane::ALL {
                let queue = lane_queue(server, lane_of);
                if let Some(found) = self.queues.iter().find(|q| q.queue == queue) {
                    let (server_slug, lane) = (Some(server.to_string()), Some(lane_of.to_string()));
                    let oldest_waiting_s = self.oldest(server, lane_of);
                    let of_lane = |p: &&LanePauseRow| {
                        p.server_slug == server.as_str() && p.lane == lane_of.as_str()
                    };
                    let paused = held.iter().find(of_lane).map(Into::into);
                    let found = found.clone();
                    out.push(QueueDepth { server_slug, lane, oldest_waiting_s, paused, ..found });
                }
            }
        }
        let own = |q: &&QueueDepth| [EVENTS_QUEUE, DEAD_QUEUE].contains(&&*q.queue);
        out.extend(self.queues.iter().filter(own).cloned());
        out
    }

    fn oldest(&self, server: &Slug, lane: Lane) -> Option<f64> {
        let oldest = self.facts.as_ref()?.oldest.iter();
        let mut of_lane =
            oldest.filter(|o| o.server_slug == server.as_str() && o.lane == lane.as_str());
        of_lane.next().map(|o| o.waits_s)
    }

    /// The nodes that make the broker refuse messages.
    pub fn alarms(&self) -> impl Iterator<Item = &BrokerNode> {
        self.nodes.iter().filter(|n| n.memory_alarm || n.disk_alarm)
    }
}

/// Why the queues are not known.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker's management API at {url} does not answer: {why}")]
pub struct QueuesError {
    url: String,
    why: String,
}

type Answer = Result<Arc<Snapshot>, QueuesError>;

/// The queues of one broker.
pub struct Queues {
    client: Client,
    store: Store,
    last: Mutex<Last>,
    history: SyncMutex<Recorder>,
    gauges: SyncMutex<Gauges>,
}

/// What was seen last.
#[derive(Default)]
struct Last {
    answer: Option<(Instant, Answer)>,
    /// Counters that rates are taken from.
    counted: Option<(Instant, HashMap<String, Counted>)>,
    rates: HashMap<String, (f64, f64)>,
}

impl Queues {
    /// Of this broker, and of the orders in this database.
    pub fn new(config: ManagementConfig, store: Store) -> Result<Self, ClientError> {
        let client = Client::new(config)?;
        let (last, history, gauges) =
            (Mutex::default(), SyncMutex::default(), SyncMutex::default());
        Ok(Self { client, store, last, history, gauges })
    }

    /// Everything, at most two seconds old.
    pub async fn snapshot(&self) -> Answer {
        // Held while asking: those who come meanwhile share the answer.
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &last.answer
            && at.elapsed() < FRESH_FOR
        {
            return answer.clone();
        }
        let answer = match self.client.ask().await {
            Ok((queues, nodes)) => {
                let queues = last.rated(queues, Instant::now());
                let facts = self.store.queue_facts().await;
                let facts = facts.inspect_err(|error| tracing::warn!(%error, "queues.no_facts"));
                Ok(Arc::new(Snapshot { at: Utc::now(), queues, nodes, facts: facts.ok() }))
            }
            Err(why) => Err(QueuesError { url: self.client.url().to_owned(), why }),
        };
        match &answer {
            Ok(snapshot) => {
                self.recorder().push(snapshot);
                self.gauges.lock().unwrap_or_else(PoisonError::into_inner).show(snapshot);
                metrics::counter!("tourbus_broker_polls_total", "outcome" => "ok").increment(1);
            }
            Err(error) => {
                metrics::counter!("tourbus_broker_polls_total", "outcome" => "failed").increment(1);
                tracing::warn!(%error, "queues.unknown");
            }
        }
        last.answer = Some((Instant::now(), answer.clone()));
        answer
    }

    /// The last hour of every queue, as far as this process has seen it.
    pub fn history(&self) -> Vec<QueueHistory> {
        self.recorder().all()
    }

    /// The last hour of one queue.
    pub fn history_of(&self, queue: &str) -> Vec<Point> {
        self.recorder().of(queue)
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the history going until the end.
    pub async fn record(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(RECORD_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.snapshot().await {
                // Logged where it was asked; the gap shows in the history.
                tracing::debug!(%error, "queues.not_recorded");
            }
        }
    }
}

impl Last {
    /// Adds rates: what the counters have gained since they were last taken.
    fn rated(&mut self, seen: Vec<(QueueDepth, Counted)>, now: Instant) -> Vec<QueueDepth> {
        let counters = || seen.iter().map(|(q, c)| (q.queue.clone(), *c)).collect();
        match &self.counted {
            None => self.counted = Some((now, counters())),
            Some((then, before)) if now.duration_since(*then) >= RATE_OVER_MIN => {
                let over_s = now.duration_since(*then).as_secs_f64();
                let rate = |(queue, counted): &(QueueDepth, Counted)| {
                    let before = before.get(&queue.queue)?;
                    let gained = |now: u64, then: u64| now.saturating_sub(then) as f64 / over_s;
                    let rates =
                        (gained(counted.into, before.into), gained(counted.out, before.out));
                    Some((queue.queue.clone(), rates))
                };
                self.rates = seen.iter().filter_map(rate).collect();
                self.counted = Some((now, counters()));
            }
            Some(_) => {}
        }
        let with_rates = |(queue, _): (QueueDepth, Counted)| {
            let (in_s, out_s) = self.rates.get(&queue.queue).copied().unzip();
            QueueDepth { in_s, out_s, ..queue }
        };
        seen.into_iter().map(with_rates).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(into: u64, out: u64) -> Vec<(QueueDepth, Counted)> {
        let queue = QueueDepth {
            queue: "q".to_owned(),
            server_slug: None,
            lane: None,
            ready: 0,
            unacked: 0,
            consumers: 0,
            in_s: None,
            out_s: None,
            oldest_waiting_s: None,
            paused: None,
        };
        vec![(queue, Counted { into, out })]
    }

    #[test]
    fn a_rate_is_what_the_counters_gain_in_a_second() {
        let (mut last, start) = (Last::default(), Instant::now());
        let mut at = |ms, into, out| {
            let now = start + Duration::from_millis(ms);
            let queue = last.rated(seen(into, out), now).remove(0);
            queue.in_s.zip(queue.out_s)
        };
        assert_eq!(at(0, 100, 50), None);
        assert_eq!(at(1000, 200, 60), None, "too soon to tell");
        assert_eq!(at(2000, 300, 90), Some((100.0, 20.0)));
        assert_eq!(at(2500, 900, 90), Some((100.0, 20.0)), "the last one stands");
        assert_eq!(at(4000, 0, 0), Some((0.0, 0.0)), "the queue was made anew");
    }
}
