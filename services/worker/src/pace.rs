//! One pacer for whatever must not go faster than somebody allows: reading back, and moves.

use std::time::{Duration, Instant};

/// Longest sleep of who waits: a limit that is lifted, or work that is called off, is noticed then.
pub const SLEEP_MAX: Duration = Duration::from_millis(100);
/// What did not pass in a quiet moment may be caught up within this.
const BURST: Duration = Duration::from_millis(250);

/// Bytes that may pass, growing with time. At any rate no more has passed than the rate allows,
/// but for [`BURST`].
#[derive(Debug)]
pub struct Pace {
    credit: f64,
    at: Instant,
}

impl Pace {
    /// Without credit.
    pub const fn new(now: Instant) -> Self {
        Self { credit: 0.0, at: now }
    }

    /// Lets so many bytes pass, or says how long that takes at this rate (bytes per second; at
    /// least 1). To be asked again at least every [`SLEEP_MAX`], or the credit does not grow.
    pub fn take(&mut self, bytes: u64, rate_bytes_s: u64, now: Instant) -> Option<Duration> {
        let rate = rate_bytes_s.max(1) as f64;
        let since = now.saturating_duration_since(self.at).min(BURST);
        self.at = now;
        self.credit += since.as_secs_f64() * rate;
        let lacking = bytes as f64 - self.credit;
        if lacking <= 0.0 {
            self.credit -= bytes as f64;
            return None;
        }
        Some(Duration::try_from_secs_f64(lacking / rate).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_passes_than_the_rate_allows_and_a_new_rate_counts_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut passed, ms) = (0, Duration::from_millis(1));
        for n in 1..=10_000u32 {
            if pace.take(300, 1000, start + ms * n).is_none() {
                passed += 300;
            }
        }
        assert!((9_600..=10_000).contains(&passed), "{passed}");
        let after = start + ms * 10_000;
        assert!(pace.take(1 << 30, 1000, after).is_some_and(|w| w > Duration::from_hours(1)));
        assert_eq!(pace.take(1 << 30, 1 << 33, after + ms * 200), None);
    }

    #[test]
    fn a_quiet_hour_is_no_credit() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let later = start + Duration::from_hours(1);
        assert_eq!(pace.take(250, 1000, later), None);
        assert!(pace.take(1, 1000, later).is_some());
    }
}
