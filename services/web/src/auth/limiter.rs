//! Sign-in attempts per address: a bucket of tokens that refills, so that nobody is locked out
//! for good, and nobody guesses quickly.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Attempts in a row.
const BURST: f64 = 10.0;
/// One more attempt each so often.
const REFILL_EVERY: Duration = Duration::from_secs(5);
/// Addresses remembered; beyond it those with full buckets are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// The buckets of one process.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refilled(self, now: Instant) -> Self {
        let gained = now.duration_since(self.at).as_secs_f64() / REFILL_EVERY.as_secs_f64();
        Self { tokens: (self.tokens + gained).min(BURST), at: now }
    }
}

impl Limiter {
    /// Takes one attempt of this address, or says how long to wait for the next.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, b| b.refilled(now).tokens < BURST);
        }
        let full = Bucket { tokens: BURST, at: now };
        let bucket = buckets.entry(address).or_insert(full);
        *bucket = bucket.refilled(now);
        if bucket.tokens < 1.0 {
            return Err(REFILL_EVERY.mul_f64(1.0 - bucket.tokens));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Gives an attempt back: it was a right one.
    pub fn give_back(&self, address: IpAddr) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&address) {
            bucket.tokens = (bucket.tokens + 1.0).min(BURST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_slows_down_and_recovers() {
        let limiter = Limiter::default();
        let now = Instant::now();
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for _ in 0..10 {
            limiter.take(a, now).unwrap();
        }
        assert!(limiter.take(a, now).unwrap_err() <= REFILL_EVERY);
        limiter.take(b, now).unwrap();
        limiter.take(a, now + REFILL_EVERY).unwrap();
        assert!(limiter.take(a, now + REFILL_EVERY).is_err());
    }
}
