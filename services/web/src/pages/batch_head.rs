//! A batch as a heading, a bar and a few facts: how it goes, or how it ended.

use super::{
    batch_lines::{findings, server_name},
    batch_words::Words,
    show::{self, When},
};
use crate::api::view::{BatchView, ServerView};
use uuid::Uuid;

/// A batch, for people.
pub struct Head {
    pub id: Uuid,
    pub is_move: bool,
    pub words: &'static Words,
    /// `300 artists to Server2`.
    pub what: String,
    /// What its bytes are.
    pub bytes_of: String,
    pub requested_by: String,
    pub reason: String,
    pub created: When,
    pub finished: bool,
    /// Who holds it back; empty if nobody does.
    pub paused_by: String,
    pub took: String,
    pub total: i32,
    pub open: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub cancelled: i32,
    pub refused: i64,
    /// `3 findings`; empty without any.
    pub findings: String,
    pub open_text: String,
    pub succeeded_text: String,
    pub refused_text: String,
    /// What it is about, or how it ended, in a sentence.
    pub headline: String,
    /// `, 6 failed, 2 cancelled`: what did not come off, if anything.
    pub others: String,
    /// How it ended, in a word or two; empty while it runs.
    pub outcome: &'static str,
    /// Which colour that is: `data-state` of the style sheet.
    pub tone: &'static str,
    pub bar: Bar,
    pub bytes_text: String,
    pub rate_text: String,
    pub eta_text: String,
}

/// Shares of a bar, in percent of its width; what is left is still to be done.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// Artists that have moved, from the left.
    pub moved: String,
    /// How far those are that are neither moved nor given up, by bytes, next to them.
    pub moving: String,
    /// Artists that failed or are stuck, beginning at `failed_at`.
    pub failed: String,
    pub failed_at: String,
    /// Artists that were cancelled, up to the right end, beginning at `cancelled_at`.
    pub cancelled: String,
    pub cancelled_at: String,
}

impl Bar {
    fn of(batch: &BatchView) -> Self {
        let share = |n: i32| f64::from(n) * 100.0 / f64::from(batch.jobs_total.max(1));
        let bytes_open = batch.bytes_total - batch.bytes_moved;
        let bytes_here = (batch.bytes_done - batch.bytes_moved).clamp(0, bytes_open.max(0));
        let part = if bytes_open > 0 { bytes_here as f64 / bytes_open as f64 } else { 0.0 };
        let moving = share(batch.jobs_queued + batch.jobs_running) * part;
        let (failed, cancelled) = (share(batch.jobs_failed), share(batch.jobs_cancelled));
        let text = |percent: f64| format!("{percent:.2}%");
        Self {
            moved: text(share(batch.jobs_succeeded)),
            moving: text(moving),
            failed: text(failed),
            failed_at: text((100.0 - failed - cancelled).max(0.0)),
            cancelled: text(cancelled),
            cancelled_at: text((100.0 - cancelled).max(0.0)),
        }
    }
}

/// What did not come off.
fn others(batch: &BatchView) -> String {
    let part = |n: i32, word: &str| match n {
        0 => String::new(),
        n => format!(", {} {word}", show::count(n.into())),
    };
    part(batch.jobs_failed, "failed") + &part(batch.jobs_cancelled, "cancelled")
}

fn headline(batch: &BatchView, words: &Words, to: &str) -> String {
    let (total, moved) = (batch.jobs_total, batch.jobs_succeeded);
    let Words { doing, done, done_heading, one, .. } = words;
    if batch.finished_at.is_none() {
        return format!("{doing} {}{to}", words.counted(total));
    }
    match moved {
        n if n == total => format!("{done_heading} {}{to}", words.counted(total)),
        0 => format!("No {one} {done}{to}{}", others(batch)),
        n => {
            let (n, others) = (show::count(n.into()), others(batch));
            format!("{n} of {} {done}{to}{others}", words.counted(total))
        }
    }
}

/// Where it goes, as the end of a sentence; nothing for what goes nowhere.
fn to(batch: &BatchView, servers: &[ServerView]) -> String {
    if batch.kind != "move" {
        return String::new();
    }
    let target = batch.target_server_id.map(|id| server_name(servers, id));
    format!(" to {}", target.as_deref().unwrap_or("several servers"))
}

/// How it ended in a word or two, and the colour of that.
const fn outcome(batch: &BatchView, done: &'static str) -> (&'static str, &'static str) {
    let (moved, failed, cancelled) =
        (batch.jobs_succeeded > 0, batch.jobs_failed > 0, batch.jobs_cancelled > 0);
    match (batch.finished_at.is_some(), moved, failed, cancelled) {
        (false, ..) => ("", "copying"),
        (true, true, true, _) => ("Partly failed", "failed"),
        (true, false, true, _) => ("Failed", "failed"),
        (true, true, false, true) => ("Partly cancelled", "partly"),
        (true, false, false, true) => ("Cancelled", "cancelled"),
        // What was read is read, and not all of it is well.
        (true, _, false, false) if batch.findings > 0 => (done, "partly"),
        (true, _, false, false) => (done, "succeeded"),
    }
}

/// Bytes that have arrived, verified; as far as there are more to come, of how many.
fn bytes_text(batch: &BatchView) -> String {
    let done = show::bytes(batch.bytes_done);
    if batch.finished_at.is_some() {
        return done;
    }
    let percent = show::percent(batch.bytes_done, batch.bytes_total);
    format!("{done} of {} · {percent} %", show::bytes(batch.bytes_total))
}

impl Head {
    pub fn new(batch: &BatchView, servers: &[ServerView]) -> Self {
        let estimate = &batch.estimate;
        let took = batch
            .finished_at
            .zip(batch.started_at)
            .map(|(end, start)| show::duration((end - start).num_seconds().max(0).unsigned_abs()));
        let eta = match (estimate.eta_low_s, estimate.eta_high_s) {
            _ if batch.state == "paused" && batch.jobs_running == 0 => "paused".to_owned(),
            (Some(low), Some(high)) => show::span(low, high),
            _ if batch.jobs_running == 0 => "waiting to begin".to_owned(),
            _ => "estimating…".to_owned(),
        };
        let words = Words::of(&batch.kind);
        let to = to(batch, servers);
        let bytes_of = if batch.kind == "move" {
            format!("Bytes{}, {}", to.replacen(" to ", " at ", 1), words.bytes)
        } else {
            words.bytes.to_owned()
        };
        let (outcome, tone) = outcome(batch, words.done_heading);
        Self {
            id: batch.id,
            headline: headline(batch, words, &to),
            what: format!("{}{to}", words.counted(batch.jobs_total)),
            bytes_of,
            words,
            is_move: batch.kind == "move",
            requested_by: batch.requested_by.clone(),
            reason: batch.reason.clone(),
            created: show::when(batch.created_at),
            finished: batch.finished_at.is_some(),
            paused_by: batch
                .paused_by
                .clone()
                .filter(|_| batch.state == "paused")
                .unwrap_or_default(),
            took: took.unwrap_or_default(),
            total: batch.jobs_total,
            open: batch.jobs_queued + batch.jobs_running,
            succeeded: batch.jobs_succeeded,
            failed: batch.jobs_failed,
            cancelled: batch.jobs_cancelled,
            refused: batch.refused,
            findings: findings(batch.findings),
            open_text: show::count(i64::from(batch.jobs_queued + batch.jobs_running)),
            succeeded_text: show::count(i64::from(batch.jobs_succeeded)),
            refused_text: show::count(batch.refused),
            others: others(batch),
            outcome,
            tone,
            bar: Bar::of(batch),
            bytes_text: bytes_text(batch),
            rate_text: estimate
                .rate_bytes_s
                .map(|r| format!("{}/s", show::bytes(r as i64)))
                .unwrap_or_default(),
            eta_text: eta,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Estimate;
    use chrono::DateTime;

    /// Jobs of a batch: moved, failed, cancelled, open.
    fn batch(jobs: [i32; 4]) -> BatchView {
        let at = DateTime::from_timestamp(1_800_000_000, 0);
        BatchView {
            id: Uuid::nil(),
            kind: "move".to_owned(),
            state: "running",
            target_server_id: None,
            requested_by: String::new(),
            reason: String::new(),
            jobs_total: jobs.iter().sum(),
            jobs_queued: 0,
            jobs_running: jobs[3],
            jobs_succeeded: jobs[0],
            jobs_failed: jobs[1],
            jobs_cancelled: jobs[2],
            refused: 0,
            findings: 0,
            bytes_total: 300,
            bytes_done: 200,
            bytes_moved: 100,
            estimate: Estimate::default(),
            created_at: at.unwrap(),
            started_at: at,
            finished_at: at.filter(|_| jobs[3] == 0),
            paused_at: None,
            paused_by: None,
        }
    }

    #[test]
    fn the_heading_says_how_it_ended() {
        let told = |jobs| {
            let batch = batch(jobs);
            (headline(&batch, Words::of("move"), " to Server3"), outcome(&batch, "Moved"))
        };
        let cases = [
            ([0, 0, 0, 2], "Moving 2 artists to Server3", ("", "copying")),
            ([1, 0, 0, 0], "Moved 1 artist to Server3", ("Moved", "succeeded")),
            (
                [6, 6, 0, 0],
                "6 of 12 artists moved to Server3, 6 failed",
                ("Partly failed", "failed"),
            ),
            (
                [8, 0, 292, 0],
                "8 of 300 artists moved to Server3, 292 cancelled",
                ("Partly cancelled", "partly"),
            ),
            (
                [0, 3, 1, 0],
                "No artist moved to Server3, 3 failed, 1 cancelled",
                ("Failed", "failed"),
            ),
            ([0, 0, 9, 0], "No artist moved to Server3, 9 cancelled", ("Cancelled", "cancelled")),
        ];
        for (jobs, headline, outcome) in cases {
            assert_eq!(told(jobs), (headline.to_owned(), outcome));
        }
    }

    #[test]
    fn failures_are_no_part_of_what_has_moved() {
        let bar = Bar::of(&batch([6, 6, 0, 0]));
        assert_eq!((&*bar.moved, &*bar.failed, &*bar.failed_at), ("50.00%", "50.00%", "50.00%"));
        assert_eq!((&*bar.moving, &*bar.cancelled), ("0.00%", "0.00%"));
        // A quarter is open, and half of its bytes are there.
        let bar = Bar::of(&batch([1, 1, 1, 1]));
        assert_eq!(
            (&*bar.moving, &*bar.failed_at, &*bar.cancelled_at),
            ("12.50%", "50.00%", "75.00%")
        );
    }
}
