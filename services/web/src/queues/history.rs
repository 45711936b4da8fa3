//! An hour of every queue, in the memory of this process.

use super::{QueueDepth, Snapshot};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use utoipa::ToSchema;

/// How far back it goes, in seconds.
const SPAN_S: i64 = 3600;
/// One point for so many seconds.
const POINT_S: i64 = 15;
/// Queues that are remembered at most.
const QUEUES_MAX: usize = 2000;

/// A queue at one time; the most that was seen within a quarter of a minute.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// When that quarter began.
    pub at: DateTime<Utc>,
    /// Messages that waited.
    pub ready: u64,
    /// Messages that somebody worked on.
    pub unacked: u64,
    /// Messages that arrived, per second.
    pub in_s: f64,
    /// Messages that were done with, per second.
    pub out_s: f64,
}

/// The last hour of one queue.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueueHistory {
    /// The queue's name at the broker.
    pub queue: String,
    /// The oldest first. Times at which this process did not see the broker are missing.
    pub points: Vec<Point>,
}

#[derive(Default)]
pub(super) struct Recorder {
    queues: BTreeMap<String, VecDeque<Point>>,
}

impl Recorder {
    pub(super) fn push(&mut self, snapshot: &Snapshot) {
        let at_s = snapshot.at.timestamp();
        let Some(at) = DateTime::from_timestamp(at_s - at_s.rem_euclid(POINT_S), 0) else { return };
        for queue in &snapshot.queues {
            if self.queues.len() >= QUEUES_MAX && !self.queues.contains_key(&queue.queue) {
                continue;
            }
            add(self.queues.entry(queue.queue.clone()).or_default(), at, queue);
        }
        let since = at - chrono::Duration::seconds(SPAN_S);
        for points in self.queues.values_mut() {
            while points.front().is_some_and(|p| p.at < since) {
                points.pop_front();
            }
        }
        self.queues.retain(|_, points| !points.is_empty());
    }

    pub(super) fn all(&self) -> Vec<QueueHistory> {
        let one = |(queue, points): (&String, &VecDeque<Point>)| QueueHistory {
            queue: queue.clone(),
            points: points.iter().cloned().collect(),
        };
        self.queues.iter().map(one).collect()
    }

    pub(super) fn of(&self, queue: &str) -> Vec<Point> {
        self.queues.get(queue).into_iter().flatten().cloned().collect()
    }
}

fn add(points: &mut VecDeque<Point>, at: DateTime<Utc>, queue: &QueueDepth) {
    let new = Point {
        at,
        ready: queue.ready,
        unacked: queue.unacked,
        in_s: queue.in_s.unwrap_or(0.0),
        out_s: queue.out_s.unwrap_or(0.0),
    };
    match points.back_mut() {
        Some(last) if last.at == at => {
            last.ready = last.ready.max(new.ready);
            last.unacked = last.unacked.max(new.unacked);
            last.in_s = last.in_s.max(new.in_s);
            last.out_s = last.out_s.max(new.out_s);
        }
        _ => points.push_back(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(at_s: i64, ready: u64) -> Snapshot {
        let queue = QueueDepth {
            queue: "q".to_owned(),
            server_slug: None,
            lane: None,
            ready,
            unacked: 1,
            consumers: 1,
            in_s: None,
            out_s: Some(2.0),
            oldest_waiting_s: None,
            paused: None,
        };
        let at = DateTime::from_timestamp(1_800_000_000 + at_s, 0).unwrap();
        Snapshot { at, queues: vec![queue], nodes: Vec::new(), facts: None }
    }

    #[test]
    fn an_hour_is_kept_in_quarters_of_a_minute_each_with_its_most() {
        let mut recorder = Recorder::default();
        for at in 0..2 * SPAN_S {
            recorder.push(&snapshot(at, (at % POINT_S).unsigned_abs()));
        }
        let points = recorder.of("q");
        assert!((240..=241).contains(&points.len()), "{}", points.len());
        assert!(points.iter().all(|p| p.ready == 14 && p.unacked == 1), "{points:?}");
        assert!(points.is_sorted_by(|a, b| a.at < b.at));
        // A queue that is gone is forgotten.
        let gone = Snapshot { queues: Vec::new(), ..snapshot(4 * SPAN_S, 0) };
        recorder.push(&gone);
        assert!(recorder.all().is_empty());
    }
}
