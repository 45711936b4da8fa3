//! What happened to a job, in words: from the names and details that the database keeps.

use super::{
    batch_lines::{Failure, server_name},
    show::{self, When},
};
use crate::api::view::{JobView, ServerView, TimelineView};
use serde_json::Value;
use tourbus_domain::{JobKind, JobState, StepKind};
use uuid::Uuid;

/// One entry of a timeline.
pub struct Entry {
    pub at: When,
    pub title: String,
    /// More about it, in sentences; may be empty.
    pub detail: String,
    /// Whether it is a failure.
    pub bad: bool,
}

/// Between which servers, by name.
struct Route {
    kind: JobKind,
    source: String,
    target: String,
}

impl Route {
    const fn server_of(&self, step: StepKind) -> &String {
        match step {
            StepKind::Import
            | StepKind::Promote
            | StepKind::AbandonImport
            | StepKind::Provision
            | StepKind::Lofi
            | StepKind::Verify => &self.target,
            StepKind::Export | StepKind::Sync | StepKind::Retire | StepKind::AbandonExport => {
                &self.source
            }
        }
    }

    /// `The export from Server2`, as the beginning of a sentence.
    fn step(&self, value: &Value) -> String {
        let Some(kind) = value["kind"].as_str().and_then(|k| k.parse::<StepKind>().ok()) else {
            return "A step".to_owned();
        };
        let seq = value["seq"].as_u64().unwrap_or(0);
        let server = self.server_of(kind);
        match kind {
            StepKind::Export => format!("The export on {server}"),
            StepKind::Import => format!("Import {seq} on {server}"),
            StepKind::Sync => format!("The final sync on {server}"),
            StepKind::Promote => format!("The last check on {server}"),
            StepKind::Retire => format!("Setting the old copy on {server} aside"),
            StepKind::AbandonImport | StepKind::AbandonExport => format!("Undoing on {server}"),
            StepKind::Provision => format!("Making the page on {server}"),
            StepKind::Lofi => format!("The conversion on {server}"),
            StepKind::Verify => format!("The reading on {server}"),
        }
    }

    /// What has become of the job.
    fn state(&self, from: Option<JobState>, to: JobState) -> (String, String) {
        let Self { source, target, .. } = self;
        if self.kind != JobKind::Move {
            return self.task_state(to);
        }
        let (title, detail) = match to {
            JobState::Queued => ("Queued again", format!("It waits on the lane of {source}.")),
            JobState::Running => ("Began", String::new()),
            JobState::Copying => ("Copying began", format!("From {source} to {target}.")),
            JobState::Syncing if from == Some(JobState::Cutover) => (
                "Final sync once more",
                "The freeze of uploads would have run out before the switch.".to_owned(),
            ),
            JobState::Syncing => (
                "Final sync began",
                "Uploads are frozen for a moment; what has changed meanwhile is copied.".to_owned(),
            ),
            JobState::Cutover => {
                ("Last check began", format!("{target} reads every byte back from its disk."))
            }
            JobState::Retiring => {
                return (
                    format!("{target} took over"),
                    format!("The old copy on {source} is being set aside."),
                );
            }
            JobState::Succeeded => ("Moved", String::new()),
            JobState::RollingBack => {
                ("Undoing began", format!("The artist stays on {source}, untouched."))
            }
            JobState::Failed => {
                ("Failed", format!("Everything is undone; the artist is on {source}, and free."))
            }
            JobState::Cancelled => {
                ("Cancelled", format!("Everything is undone; the artist is on {source}, and free."))
            }
            JobState::Stuck => {
                ("Stuck", format!("Undoing failed; the artist is on {source}, and free."))
            }
        };
        (title.to_owned(), detail)
    }

    /// The same of a task.
    fn task_state(&self, to: JobState) -> (String, String) {
        let target = &self.target;
        let (title, detail) = match to {
            JobState::Queued => ("Queued again", format!("It waits on a lane of {target}.")),
            JobState::Succeeded => ("Done", String::new()),
            JobState::Failed => ("Failed", String::new()),
            JobState::Cancelled => ("Cancelled", String::new()),
            _ => ("Began", format!("On {target}.")),
        };
        (title.to_owned(), detail)
    }
}

/// `step failed` reads better than `step_failed`.
pub fn words(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A failure as sentences.
fn failure(error: &Value) -> String {
    let Failure { message, path, remedy } = Failure::of(error);
    let path = if path.is_empty() { String::new() } else { format!(": {path}") };
    let remedy = if remedy.is_empty() { String::new() } else { format!(" {remedy}") };
    format!("{message}{path}.{remedy}")
}

/// An id as it stands in an event; nobody's if it is none.
fn uuid(value: &Value) -> Uuid {
    value.as_str().and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// `key: value` pairs, for what this version has no words for.
fn pairs(value: &Value) -> String {
    let Value::Object(map) = value else { return String::new() };
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let pair = |(k, v): (&String, &Value)| format!("{}: {}", k.replace('_', " "), plain(v));
    let pairs: Vec<String> = map.iter().filter(|(_, v)| !v.is_null()).map(pair).collect();
    show::message(&pairs.join(" · "))
}

/// How a small rendition came to be.
fn lofi_made(detail: &Value) -> (String, String) {
    let number = |key: &str| detail[key].as_u64().unwrap_or(0);
    let (audio_ms, took_ms) = (number("audio_ms"), number("took_ms"));
    let title = match detail["made"].as_str() {
        Some("copied") => "Copied: the song is small enough already",
        Some("kept") => "Kept: it was there already",
        _ => "Converted, decoded again and put into its place",
    };
    let size = show::bytes(number("bytes").try_into().unwrap_or(i64::MAX));
    let pace = if took_ms > 0 {
        let times = audio_ms as f64 / took_ms as f64;
        format!(" in {:.1} s, {times:.0} times as fast as it plays", took_ms as f64 / 1000.0)
    } else {
        String::new()
    };
    (title.to_owned(), format!("{size}{pace}."))
}

fn entry(event: TimelineView, route: &Route, servers: &[ServerView]) -> Entry {
    let TimelineView { at, name, detail } = event;
    let state = |key: &str| detail[key].as_str().and_then(|s| s.parse::<JobState>().ok());
    let try_no = match detail["attempt"].as_u64() {
        Some(n) if n > 1 => format!(", try {n}"),
        _ => String::new(),
    };
    let worker = detail["worker"].as_str().map(|worker| format!("Worker {worker}."));
    let by = detail["by"].as_str().map(|by| format!("By {by}.")).unwrap_or_default();
    let mut bad = false;
    let (title, detail) = match (name.as_str(), state("to")) {
        ("state_changed", Some(to)) => {
            bad = matches!(to, JobState::Failed | JobState::Stuck);
            route.state(state("from"), to)
        }
        ("step_failed", _) => {
            bad = true;
            let step = route.step(&detail["step"]);
            (format!("{step} failed{try_no}"), failure(&detail["error"]))
        }
        ("step_rescued", _) => (
            format!("{} was sent again{try_no}", route.step(&detail["step"])),
            "No worker had reported on it for a while.".to_owned(),
        ),
        ("noticed", _) => {
            bad = true;
            ("Somebody should look at this".to_owned(), failure(&detail["notice"]))
        }
        ("lofi_made", _) => lofi_made(&detail),
        ("verified", _) => {
            bad = detail["found"].as_u64().is_some_and(|n| n > 0);
            super::verify::told(&detail)
        }
        ("followed", _) => (
            format!("Sent to {}", server_name(servers, uuid(&detail["home"]))),
            "The artist has moved there meanwhile.".to_owned(),
        ),
        ("cancel_requested", _) => ("Cancel was asked for".to_owned(), by),
        ("express_requested", _) => ("Express was asked for".to_owned(), by),
        ("paused", _) => ("Paused: taken off its lane".to_owned(), by),
        ("resumed", _) => ("Resumed: put on its lane again".to_owned(), by),
        ("sent_again", _) => ("Its message lay among the dead letters: sent again".to_owned(), by),
        ("retry_requested", _) => ("Retry was asked for".to_owned(), by),
        (name, _) => (words(name), pairs(&detail)),
    };
    let detail = match worker {
        Some(worker) => show::sentences(&[&detail, &worker]),
        None => detail,
    };
    Entry { at: show::when(at), title, detail, bad }
}

/// The timeline of a job, the newest first.
pub fn entries(job: &JobView, events: Vec<TimelineView>, servers: &[ServerView]) -> Vec<Entry> {
    let route = Route {
        kind: job.kind.parse().unwrap_or(JobKind::Move),
        source: server_name(servers, job.source_server_id),
        target: server_name(servers, job.target_server_id),
    };
    events.into_iter().rev().map(|event| entry(event, &route, servers)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use serde_json::json;

    fn told(name: &str, detail: Value) -> (String, String) {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let event = TimelineView { at, name: name.to_owned(), detail };
        let route =
            Route { kind: JobKind::Move, source: "Server2".into(), target: "Server3".into() };
        let Entry { title, detail, .. } = entry(event, &route, &[]);
        (title, detail)
    }

    #[test]
    fn a_timeline_reads_as_words() {
        let step = |kind: &str| json!({"epoch": 8, "job_id": "x", "kind": kind, "seq": 2});
        let error = json!({"class": "transient", "code": "disk_error",
            "message": "cannot open it", "path": "songs/1.mp3", "remedy": "Look at dmesg"});
        let cases = [
            (
                told("step_failed", json!({"step": step("export"), "attempt": 8, "error": error})),
                (
                    "The export on Server2 failed, try 8",
                    "cannot open it: songs/1.mp3. Look at dmesg.",
                ),
            ),
            (
                told("noticed", json!({"step": step("retire"), "notice": error})),
                ("Somebody should look at this", "cannot open it: songs/1.mp3. Look at dmesg."),
            ),
            (
                told("step_rescued", json!({"step": step("import"), "attempt": 1})),
                ("Import 2 on Server3 was sent again", "No worker had reported on it for a while."),
            ),
            (
                told("state_changed", json!({"from": "cutover", "to": "retiring"})),
                ("Server3 took over", "The old copy on Server2 is being set aside."),
            ),
            (
                told("cancel_requested", json!({"by": "a@b.example"})),
                ("Cancel was asked for", "By a@b.example."),
            ),
            (told("something_new", json!({"n": 5, "no": null})), ("Something new", "n: 5")),
        ];
        for ((title, detail), expected) in &cases {
            assert_eq!((title.as_str(), detail.as_str()), *expected);
        }
        for state in JobState::ALL {
            let (title, detail) = told("state_changed", json!({"to": state}));
            assert!(!format!("{title}{detail}").contains(['{', '_']), "{title} {detail}");
        }
    }
}
