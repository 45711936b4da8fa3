//! What a batch does, in words.

use crate::{
    numbers::{bytes, count, duration, percent, span},
    view::Batch,
};

/// The words of one kind of batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// `artist`.
    pub one: &'static str,
    /// `artists`.
    pub many: &'static str,
    /// `moved`.
    pub done: &'static str,
}

impl Words {
    /// Those of a kind of batch.
    pub fn of(kind: &str) -> Self {
        match kind {
            "move" => Self { one: "artist", many: "artists", done: "moved" },
            "lofi" => Self { one: "song", many: "songs", done: "converted" },
            "verify" => Self { one: "artist", many: "artists", done: "verified" },
            _ => Self { one: "job", many: "jobs", done: "done" },
        }
    }

    /// `1,200 songs`.
    pub fn counted(self, n: i64) -> String {
        format!("{} {}", count(n), if n == 1 { self.one } else { self.many })
    }
}

/// `12 of 30 artists moved, 1 failed; 1.2 GB of 3.4 GB, 45 MB/s, about 1–2 min`.
pub fn standing(batch: &Batch) -> String {
    let words = Words::of(&batch.kind);
    let mut said = format!(
        "{} of {} {}",
        count(batch.jobs_succeeded),
        words.counted(batch.jobs_total),
        words.done
    );
    for (n, what) in [(batch.jobs_failed, "failed"), (batch.jobs_cancelled, "cancelled")] {
        if n > 0 {
            said = format!("{said}, {} {what}", count(n));
        }
    }
    if batch.bytes_total > 0 {
        let (done, total) = (batch.bytes_done, batch.bytes_total);
        said = format!("{said}; {} of {} ({} %)", bytes(done), bytes(total), percent(done, total));
    }
    if let Some(rate) = batch.rate_bytes_s.filter(|r| *r > 0) {
        said = format!("{said}, {}/s", bytes(rate));
    }
    if let (Some(low), Some(high)) = (batch.eta_low_s, batch.eta_high_s) {
        said = format!("{said}, {}", span(low, high));
    }
    if batch.state == "paused" { format!("paused: {said}") } else { said }
}

/// What came of a batch that has ended.
pub fn summary(batch: &Batch) -> String {
    let words = Words::of(&batch.kind);
    let mut said = if batch.is_well() {
        format!("All {} {}", words.counted(batch.jobs_total), words.done)
    } else {
        let (done, all) = (count(batch.jobs_succeeded), words.counted(batch.jobs_total));
        format!("{done} of {all} {}", words.done)
    };
    if batch.jobs_total == 1 && batch.is_well() {
        said = format!("1 {} {}", words.one, words.done);
    }
    for (n, what) in [(batch.jobs_failed, "failed"), (batch.jobs_cancelled, "cancelled")] {
        if n > 0 {
            said = format!("{said}, {} {what}", count(n));
        }
    }
    if batch.bytes_done > 0 {
        said = format!("{said}, {}", bytes(batch.bytes_done));
    }
    if let (Some(from), Some(to)) = (batch.started_at, batch.finished_at) {
        let seconds = (to - from).num_seconds().max(0).unsigned_abs();
        said = format!("{said}, in {}", duration(seconds));
    }
    format!("{said}.")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn batch() -> Batch {
        serde_json::from_value(serde_json::json!({
            "id": "0192aaaa-0001-7000-8000-000000000000", "kind": "move", "state": "running",
            "target_server_id": null, "requested_by": "me", "reason": "",
            "jobs_total": 30, "jobs_queued": 15, "jobs_running": 2, "jobs_succeeded": 12,
            "jobs_failed": 1, "jobs_cancelled": 0, "refused": 0,
            "bytes_total": 3_400_000_000_i64, "bytes_done": 1_200_000_000, "bytes_moved": 0,
            "rate_bytes_s": 45_000_000, "eta_low_s": 60, "eta_high_s": 110,
            "created_at": "2026-11-28T12:00:00Z", "started_at": "2026-11-28T12:00:01Z",
            "finished_at": null
        }))
        .unwrap()
    }

    #[test]
    fn a_batch_is_told_in_one_line() {
        let mut batch = batch();
        assert_eq!(
            standing(&batch),
            "12 of 30 artists moved, 1 failed; 1.2 GB of 3.4 GB (35 %), 45.0 MB/s, about 1–2 min"
        );
        batch.finished_at = "2026-11-28T12:01:01Z".parse().ok();
        assert!(!batch.is_well());
        assert_eq!(summary(&batch), "12 of 30 artists moved, 1 failed, 1.2 GB, in 1 min 0 s.");
        (batch.jobs_succeeded, batch.jobs_failed) = (30, 0);
        assert!(batch.is_well());
        assert_eq!(summary(&batch), "All 30 artists moved, 1.2 GB, in 1 min 0 s.");
        (batch.jobs_succeeded, batch.jobs_total) = (1, 1);
        assert_eq!(summary(&batch), "1 artist moved, 1.2 GB, in 1 min 0 s.");
    }
}
