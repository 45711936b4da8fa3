//! The broker's queues as gauges, from the same look that the pages have.

use super::{QueueDepth, Snapshot};
use std::collections::BTreeMap;
use tourbus_domain::{Lane, Slug};
use tourbus_protocol::names::{DEAD_QUEUE, EVENTS_QUEUE, LANE_PREFIX};

/// Queues that are shown at most: 200 servers and their lanes.
const QUEUES_MAX: usize = 2000;

/// The gauges that are shown.
#[derive(Default)]
pub(super) struct Gauges {
    /// Labels by the queue's name.
    shown: BTreeMap<String, [(&'static str, String); 3]>,
}

/// The labels of one of our queues; those of the cluster itself have neither server nor lane.
fn labels(queue: &str) -> Option<[(&'static str, String); 3]> {
    let of = |server: String, lane: String| {
        Some([("queue", queue.to_owned()), ("server", server), ("lane", lane)])
    };
    if [EVENTS_QUEUE, DEAD_QUEUE].contains(&queue) {
        return of(String::new(), String::new());
    }
    let (server, lane) = queue.strip_prefix(LANE_PREFIX)?.rsplit_once('.')?;
    let (server, lane): (Slug, Lane) = (server.parse().ok()?, lane.parse().ok()?);
    of(server.to_string(), lane.to_string())
}

impl Gauges {
    /// Shows what was seen; of queues that are gone nothing is to be said.
    pub(super) fn show(&mut self, seen: &Snapshot) {
        let mut gone = std::mem::take(&mut self.shown);
        for queue in &seen.queues {
            if self.shown.len() >= QUEUES_MAX {
                break;
            }
            let labels = gone.remove(&queue.queue).or_else(|| labels(&queue.queue));
            let Some(labels) = labels else { continue };
            let oldest_s = oldest_s(seen, &labels).unwrap_or(0.0);
            set(&labels, values(queue, oldest_s));
            self.shown.insert(queue.queue.clone(), labels);
        }
        for labels in gone.values() {
            set(labels, [f64::NAN; 4]);
        }
        metrics::gauge!("tourbus_broker_alarm_nodes").set(seen.alarms().count() as f64);
    }
}

fn oldest_s(seen: &Snapshot, [_, (_, server), (_, lane)]: &[(&str, String); 3]) -> Option<f64> {
    let mut oldest = seen.facts.as_ref()?.oldest.iter();
    oldest.find(|o| o.server_slug == *server && o.lane == *lane).map(|o| o.waits_s)
}

const fn values(queue: &QueueDepth, oldest_s: f64) -> [f64; 4] {
    [queue.ready as f64, queue.unacked as f64, queue.consumers as f64, oldest_s]
}

fn set(labels: &[(&'static str, String); 3], [ready, unacked, consumers, oldest_s]: [f64; 4]) {
    metrics::gauge!("tourbus_queue_ready_messages", labels).set(ready);
    metrics::gauge!("tourbus_queue_unacked_messages", labels).set(unacked);
    metrics::gauge!("tourbus_queue_consumers", labels).set(consumers);
    metrics::gauge!("tourbus_queue_oldest_waiting_seconds", labels).set(oldest_s);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_queues_of_ours_have_gauges() {
        let lane = labels("tourbus.lane.server2.lofi-bulk").unwrap();
        assert_eq!((lane[1].1.as_str(), lane[2].1.as_str()), ("server2", "lofi-bulk"));
        assert_eq!(labels(DEAD_QUEUE).unwrap()[1].1, "");
        assert!(labels("tourbus.lane.server2.other").is_none());
        assert!(labels("somebody-elses").is_none());
    }
}
