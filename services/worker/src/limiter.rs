//! The limits that this worker keeps to, as the master announced them last.

use crate::{
    context::Stop,
    pace::{Pace, SLEEP_MAX},
};
use chrono::Utc;
use std::{
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};
use tokio::sync::Mutex;
use tourbus_domain::{JobId, rate_share};
use tourbus_mediaroot::{LimitsNote, MediaRoot, RootError, Way};
use tourbus_protocol::LimitsKept;

/// Knows the limits, and paces by them. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    root: MediaRoot,
    /// The configuration's, for while the master says nothing of it; in bytes.
    reserve_bytes: u64,
    noted: RwLock<Option<LimitsNote>>,
    /// Who waits first, passes first.
    pace: Mutex<Pace>,
}

impl Limiter {
    /// Begins with what is noted in the media root. Blocks.
    pub fn new(root: MediaRoot, reserve_bytes: u64) -> Self {
        let (noted, pace) = (RwLock::default(), Mutex::new(Pace::new(Instant::now())));
        let limiter = Self(Arc::new(Inner { root, reserve_bytes, noted, pace }));
        limiter.look();
        limiter
    }

    /// Takes an announcement. Blocks.
    pub fn announced(&self, new: &LimitsNote) -> Result<(), RootError> {
        if self.0.root.note_limits(new)? {
            tracing::info!(revision = new.revision, workers = new.workers, "limits.changed");
        }
        self.look();
        Ok(())
    }

    /// Reads what is noted: another worker of this server may have been told. Blocks; to be
    /// called now and then.
    pub fn look(&self) {
        match self.0.root.limits() {
            Ok(noted) => *self.0.noted.write().unwrap_or_else(PoisonError::into_inner) = noted,
            // What counts, counts until the disk says otherwise.
            Err(error) => return tracing::warn!(%error, "limits.unreadable"),
        }
        metrics::gauge!("tourbus_worker_limit_bytes_per_second")
            .set(self.rate_bytes_s().unwrap_or(0) as f64);
    }

    /// What it keeps to, for heartbeats.
    pub fn kept(&self) -> Option<LimitsKept> {
        self.read(|n| n.map(|n| LimitsKept { revision: n.revision, workers: n.workers }))
    }

    /// Disk that moves leave free, in bytes.
    pub fn reserve_bytes(&self) -> u64 {
        self.read(|n| n.and_then(|n| n.limits.disk_reserve_bytes)).unwrap_or(self.0.reserve_bytes)
    }

    /// This worker's share of the rate at this moment, in bytes per second; none for no limit.
    pub fn rate_bytes_s(&self) -> Option<u64> {
        self.read(|n| {
            let n = n?;
            let now = n.limits.bandwidth.rate_at(Utc::now());
            now.bytes_s.map(|rate| rate_share(rate, n.workers))
        })
    }

    /// Waits until so many bytes may go over the wire. `go_on` is asked meanwhile.
    pub async fn pace(
        &self,
        bytes: u64,
        go_on: impl Fn() -> Result<(), Stop> + Send,
    ) -> Result<(), Stop> {
        if self.rate_bytes_s().is_none() {
            return Ok(());
        }
        let mut waiting = false;
        let mut turn = pin!(self.0.pace.lock());
        let mut pace = loop {
            go_on()?;
            if self.rate_bytes_s().is_none() {
                return Ok(());
            }
            if let Ok(pace) = tokio::time::timeout(SLEEP_MAX, turn.as_mut()).await {
                break pace;
            }
        };
        loop {
            go_on()?;
            let Some(rate) = self.rate_bytes_s() else { return Ok(()) };
            let Some(wait) = pace.take(bytes, rate, Instant::now()) else { return Ok(()) };
            if !waiting {
                waiting = true;
                metrics::counter!("tourbus_worker_paced_total").increment(1);
            }
            tokio::time::sleep(wait.min(SLEEP_MAX)).await;
        }
    }

    /// Gives a move a place within the limits. Blocks. False when all are taken.
    pub fn take_place(&self, job: JobId, way: Way) -> Result<bool, RootError> {
        let max = self.read(|n| {
            let limits = &n?.limits;
            if way == Way::Out { limits.moves_out_max } else { limits.moves_in_max }
        });
        self.0.root.take_place(job, way, max)
    }

    fn read<T>(&self, act: impl FnOnce(Option<&LimitsNote>) -> T) -> T {
        act(self.0.noted.read().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::time::timeout;
    use tourbus_domain::{Bandwidth, LIMIT_BYTES_S_MIN, ServerLimits};

    fn note(revision: u64, default_bytes_s: Option<u64>) -> LimitsNote {
        let bandwidth = Bandwidth { default_bytes_s, ..Bandwidth::default() };
        let limits = ServerLimits { bandwidth, ..ServerLimits::default() };
        LimitsNote { revision, issued_at: Utc::now(), workers: 1, limits }
    }

    #[tokio::test]
    async fn who_stands_behind_another_is_called_off_and_let_through_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        let limiter = Limiter::new(root, 0);
        limiter.announced(&note(1, Some(LIMIT_BYTES_S_MIN))).unwrap();
        let first = tokio::spawn({
            let limiter = limiter.clone();
            // Hours, at this rate.
            async move { limiter.pace(1 << 40, || Ok(())).await }
        });
        tokio::time::sleep(SLEEP_MAX).await;
        let called_off = AtomicBool::new(false);
        let second = limiter.pace(1, || {
            if called_off.load(Ordering::Relaxed) { Err(Stop::Interrupted) } else { Ok(()) }
        });
        let mut second = pin!(second);
        assert!(timeout(SLEEP_MAX, second.as_mut()).await.is_err(), "it waits for its turn");
        called_off.store(true, Ordering::Relaxed);
        let patience = SLEEP_MAX * 20;
        assert_eq!(timeout(patience, second).await.unwrap(), Err(Stop::Interrupted));
        // A limit that is lifted holds nobody up.
        limiter.announced(&note(2, None)).unwrap();
        assert_eq!(timeout(patience, limiter.pace(1, || Ok(()))).await.unwrap(), Ok(()));
        assert_eq!(timeout(patience, first).await.unwrap().unwrap(), Ok(()));
    }
}
