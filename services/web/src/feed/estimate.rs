//! How fast a batch goes, and when it may end: a range, or nothing while there is too little to
//! go by.

use serde::Serialize;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use utoipa::ToSchema;

/// A rate is taken over this long.
const WINDOW: Duration = Duration::from_secs(30);
/// Samples closer than this replace one another.
const SAMPLE_EVERY: Duration = Duration::from_millis(900);
/// No estimate before this much time has been seen, in seconds.
const SEEN_MIN_S: f64 = 1.5;
/// An estimate from less time than this is wider than the share done alone would make it.
const SEEN_WELL_S: f64 = 6.0;
/// What one job costs besides its bytes, as bytes: small artists take time too.
const JOB_COST_BYTES: f64 = 2e6;
/// Relative error at the beginning and at the end of a batch.
const SPREAD: (f64, f64) = (0.6, 0.15);

/// How far a batch is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Jobs that are not refused, failed or cancelled.
    pub jobs_total: u64,
    /// Jobs that have ended.
    pub jobs_ended: u64,
    /// Jobs that wait or run.
    pub jobs_left: u64,
    /// Bytes to move.
    pub bytes_total: u64,
    /// Bytes moved.
    pub bytes_done: u64,
    /// Seconds since the first job began; none if none has.
    pub running_s: Option<f64>,
}

impl Progress {
    fn work_done(&self) -> f64 {
        self.bytes_done as f64 + self.jobs_ended as f64 * JOB_COST_BYTES
    }

    fn work_left(&self) -> f64 {
        self.bytes_total.saturating_sub(self.bytes_done) as f64
            + self.jobs_left as f64 * JOB_COST_BYTES
    }
}

/// What can honestly be said about the rest of a batch.
// The postfix is the unit.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// Bytes a second, lately.
    pub rate_bytes_s: Option<u64>,
    /// It ends in this many seconds at the earliest …
    pub eta_low_s: Option<u64>,
    /// … and at the latest, if it goes on like this. Null: too early to say.
    pub eta_high_s: Option<u64>,
}

/// Progress of the last half minute.
#[derive(Debug, Default)]
pub struct Window {
    samples: VecDeque<(Instant, f64, u64)>,
}

/// What happened in the window.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Work units a second.
    pub work_s: f64,
    /// Bytes a second.
    pub bytes_s: f64,
    /// Over this long, in seconds.
    pub seen_s: f64,
}

impl Window {
    pub(super) fn push(&mut self, now: Instant, progress: &Progress) {
        let sample = (now, progress.work_done(), progress.bytes_done);
        while self.samples.front().is_some_and(|s| now.duration_since(s.0) > WINDOW) {
            self.samples.pop_front();
        }
        let n = self.samples.len();
        if n > 1 && now.duration_since(self.samples[n - 2].0) < SAMPLE_EVERY {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
    }

    pub(super) fn last_at(&self) -> Option<Instant> {
        self.samples.back().map(|s| s.0)
    }

    /// `None` until two samples are far enough apart.
    pub fn rate(&self) -> Option<Rate> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seen_s = last.0.duration_since(first.0).as_secs_f64();
        (seen_s >= SEEN_MIN_S).then(|| Rate {
            work_s: (last.1 - first.1).max(0.0) / seen_s,
            bytes_s: last.2.saturating_sub(first.2) as f64 / seen_s,
            seen_s,
        })
    }
}

/// Estimates from the last half minute, or else from the whole life of the batch.
pub fn estimate(progress: &Progress, lately: Option<Rate>) -> Estimate {
    let life = progress.running_s.filter(|s| *s >= SEEN_MIN_S).map(|s| Rate {
        work_s: progress.work_done() / s,
        bytes_s: progress.bytes_done as f64 / s,
        seen_s: s,
    });
    if progress.jobs_left == 0 {
        return Estimate::default();
    }
    // What is older than the batch's first job was only waiting.
    let rate = match (lately, life) {
        (Some(lately), Some(life)) if life.seen_s < lately.seen_s => Some(life),
        (lately, life) => lately.filter(|_| progress.running_s.is_some()).or(life),
    };
    let Some(rate) = rate else { return Estimate::default() };
    let rate_bytes_s = Some(rate.bytes_s as u64);
    let (left, done) = (progress.work_left(), progress.work_done());
    // Nothing has moved yet, or nothing moves: no honest end.
    if rate.work_s <= 0.0 || done <= 0.0 {
        return Estimate { rate_bytes_s, ..Estimate::default() };
    }
    let slower = life.map_or(rate.work_s, |l| l.work_s.min(rate.work_s)).max(rate.work_s / 4.0);
    let faster = life.map_or(rate.work_s, |l| l.work_s.max(rate.work_s)).min(rate.work_s * 4.0);
    let share = done / (done + left);
    let seen = (rate.seen_s / SEEN_WELL_S).min(1.0);
    let spread = SPREAD.0 + (SPREAD.1 - SPREAD.0) * share * seen;
    Estimate {
        rate_bytes_s,
        eta_low_s: Some((left / faster / (1.0 + spread)).ceil() as u64),
        eta_high_s: Some((left / slower * (1.0 + spread)).ceil() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_way() -> Progress {
        Progress {
            jobs_total: 100,
            jobs_ended: 50,
            jobs_left: 50,
            bytes_total: 1_000_000_000,
            bytes_done: 500_000_000,
            running_s: Some(60.0),
        }
    }

    #[test]
    fn a_steady_batch_gets_a_range_around_the_truth() {
        let e = estimate(&half_way(), None);
        let (low, high) = (e.eta_low_s.unwrap(), e.eta_high_s.unwrap());
        assert!(low < 60 && 60 < high && high < 120, "{low} {high}");
        assert_eq!(e.rate_bytes_s, Some(8_333_333));
    }

    #[test]
    fn a_batch_of_seconds_is_told_early_and_more_widely() {
        let span = |s| {
            let e = estimate(&Progress { running_s: Some(s), ..half_way() }, None);
            let (low, high) = (e.eta_low_s.unwrap() as f64 / s, e.eta_high_s.unwrap() as f64 / s);
            high - low
        };
        assert!(span(2.0) > span(20.0), "{} {}", span(2.0), span(20.0));
        // It stood on its lane for 20 s and has run for 2: the wait says nothing about its pace.
        let waited = Rate { work_s: 1e6, bytes_s: 1e6, seen_s: 22.0 };
        let begun = Progress { running_s: Some(2.0), ..half_way() };
        assert_eq!(estimate(&begun, Some(waited)), estimate(&begun, None));
    }

    #[test]
    fn nothing_is_promised_without_something_to_go_by() {
        let early = Progress { running_s: Some(1.0), ..half_way() };
        assert_eq!(estimate(&early, None), Estimate::default());
        let waited = Rate { work_s: 0.0, bytes_s: 0.0, seen_s: 20.0 };
        let waits = Progress { running_s: None, ..half_way() };
        assert_eq!(estimate(&waits, Some(waited)), Estimate::default());
        let stalled = Rate { work_s: 0.0, bytes_s: 0.0, seen_s: 30.0 };
        assert_eq!(estimate(&half_way(), Some(stalled)).eta_high_s, None);
        let over = Progress { jobs_left: 0, ..half_way() };
        assert_eq!(estimate(&over, None), Estimate::default());
    }

    #[test]
    fn the_window_forgets_and_thins_out() {
        let (mut window, start) = (Window::default(), Instant::now());
        for tenth in 0..1000_u32 {
            let progress = Progress { bytes_done: u64::from(tenth) * 1000, ..half_way() };
            window.push(start + Duration::from_millis(100) * tenth, &progress);
        }
        assert!(window.samples.len() < 40);
        assert!((window.rate().unwrap().bytes_s - 10_000.0).abs() < 500.0);
    }
}
