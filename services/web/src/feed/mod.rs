//! Live changes: one LISTEN per process, each changed row read once, told to every open page.
//!
//! ```text
//!  NOTIFY tourbus_jobs ─▶ listener ─▶ collected, 4 times a second ─▶ rows read once
//!                                            ─▶ one event per batch ─▶ ring + every subscriber
//! ```
//!
//! Positions count up within one process. A subscriber that comes back with a position that
//! the ring still holds misses nothing; any other is told to read anew.

mod estimate;
mod task;

pub use estimate::{Estimate, Progress, estimate};
pub use task::run;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Events kept for those who come back.
const RING_MAX: usize = 512;
/// Events that a slow subscriber may lag behind.
const LAG_MAX: usize = 256;
/// Batches whose rate is watched.
const WATCHED_MAX: usize = 200;

/// What subscribers are told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Position: counts up.
    pub seq: u64,
    /// The batch; none when everything should be read anew.
    pub batch_id: Option<Uuid>,
    /// The event's data: JSON.
    pub json: String,
}

/// The feed of one process. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    /// Told apart from positions of an earlier process.
    boot: u32,
    tx: broadcast::Sender<Arc<Told>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    seq: u64,
    ring: VecDeque<Arc<Told>>,
    /// Whoever saw nothing after this position has missed something.
    floor: u64,
    rates: HashMap<Uuid, estimate::Window>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { boot: rand::random(), tx: broadcast::channel(LAG_MAX).0, shared: Arc::default() }
    }
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A position as text, for `id:` and `after`.
    pub fn position(&self, seq: u64) -> String {
        format!("{:08x}-{seq}", self.boot)
    }

    /// Where the feed is now.
    pub fn seq(&self) -> u64 {
        self.lock().seq
    }

    /// The same, as text.
    pub fn now(&self) -> String {
        self.position(self.seq())
    }

    /// Follows the feed from `after` on: first what the ring has, then what comes. `None`
    /// instead of the past when some of it is lost: read anew.
    pub fn subscribe(
        &self,
        after: Option<&str>,
    ) -> (Option<Vec<Arc<Told>>>, broadcast::Receiver<Arc<Told>>) {
        // Under the lock, so that nothing falls between the past and the future.
        let shared = self.lock();
        let rx = self.tx.subscribe();
        let Some(after) = after else { return (Some(Vec::new()), rx) };
        let seq = after
            .strip_prefix(&format!("{:08x}-", self.boot))
            .and_then(|s| s.parse::<u64>().ok())
            .filter(|s| (shared.floor..=shared.seq).contains(s));
        let past = seq.map(|s| shared.ring.iter().filter(|t| t.seq > s).cloned().collect());
        (past, rx)
    }

    /// Whether anybody listens.
    fn watched(&self) -> bool {
        self.tx.receiver_count() > 0
    }

    fn tell(&self, batch_id: Option<Uuid>, json: String) {
        let mut shared = self.lock();
        shared.seq += 1;
        let told = Arc::new(Told { seq: shared.seq, batch_id, json });
        if shared.ring.len() >= RING_MAX
            && let Some(lost) = shared.ring.pop_front()
        {
            shared.floor = lost.seq;
        }
        shared.ring.push_back(Arc::clone(&told));
        // An error only means that nobody listens.
        self.tx.send(told).ok();
    }

    /// Something changed that nobody was told: whoever comes back must read anew.
    fn skip(&self) {
        let mut shared = self.lock();
        shared.seq += 1;
        shared.floor = shared.seq;
        shared.ring.clear();
    }

    /// Notes how far a batch is, and says how fast it goes and when it may end.
    pub fn note(&self, batch: Uuid, progress: &Progress) -> Estimate {
        let mut shared = self.lock();
        if shared.rates.len() >= WATCHED_MAX && !shared.rates.contains_key(&batch) {
            let oldest = shared.rates.iter().min_by_key(|(_, w)| w.last_at()).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                shared.rates.remove(&oldest);
            }
        }
        let window = shared.rates.entry(batch).or_default();
        window.push(Instant::now(), progress);
        estimate(progress, window.rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_misses_nothing_or_is_told() {
        let feed = Feed::default();
        let start = feed.now();
        feed.tell(None, "1".into());
        let middle = feed.now();
        feed.tell(None, "2".into());
        let json = |past: Option<Vec<Arc<Told>>>| {
            past.map(|p| p.iter().map(|t| t.json.clone()).collect::<Vec<_>>())
        };
        assert_eq!(json(feed.subscribe(Some(&start)).0), Some(vec!["1".into(), "2".into()]));
        assert_eq!(json(feed.subscribe(Some(&middle)).0), Some(vec!["2".into()]));
        assert_eq!(json(feed.subscribe(None).0), Some(vec![]));
        assert_eq!(json(feed.subscribe(Some("00000000-1")).0), None);
        feed.skip();
        assert_eq!(json(feed.subscribe(Some(&middle)).0), None);
        for _ in 0..=RING_MAX {
            feed.tell(None, String::new());
        }
        assert_eq!(json(feed.subscribe(Some(&start)).0), None);
    }
}
