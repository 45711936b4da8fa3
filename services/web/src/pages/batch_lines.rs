//! Jobs as lines of a list.

use super::show::{self, When};
use crate::api::view::{JobView, ServerView};
use tourbus_domain::{JobError, JobKind, JobState, full_stop};
use uuid::Uuid;

/// A failure, for people: what is too long to read is shortened.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    pub message: String,
    pub path: String,
    pub remedy: String,
}

impl Failure {
    /// From the JSON of a [`JobError`].
    pub fn of(error: &serde_json::Value) -> Self {
        match serde_json::from_value::<JobError>(error.clone()) {
            Ok(e) => Self {
                message: show::message(&e.message),
                path: show::path(&e.path.unwrap_or_default()),
                remedy: full_stop(e.remedy),
            },
            Err(_) => Self { message: show::message(&error.to_string()), ..Self::default() },
        }
    }
}

/// One job of a list.
// The flags are what the template asks, independent of one another.
#[allow(clippy::struct_excessive_bools)]
pub struct JobLine {
    pub id: Uuid,
    pub batch_id: Option<Uuid>,
    /// What it does to the artist, as a title.
    pub title: String,
    /// Whether it goes from one server to another.
    pub is_move: bool,
    /// What leads the line: the song, or the artist.
    pub subject: String,
    /// Whether it makes a small rendition.
    pub is_lofi: bool,
    pub artist_id: Uuid,
    pub artist_name: String,
    pub artist_slug: String,
    pub source: String,
    pub target: String,
    pub state: String,
    pub phase: &'static str,
    pub express: bool,
    pub percent: i64,
    pub bytes_text: String,
    pub failure: Option<Failure>,
    /// `3 findings`; empty without any.
    pub findings: String,
    /// Over for good: the failure is why, not a hitch.
    pub ended: bool,
    pub cancellable: bool,
    pub retryable: bool,
    /// Where the artist is now, if that is why a retry makes no sense.
    pub moved_since: String,
    pub expressable: bool,
    /// For which server it waits, and why; empty if for none.
    pub waits_for: String,
    pub created: When,
}

/// A way to narrow the list of jobs.
pub struct Chip {
    pub href: String,
    pub name: &'static str,
    pub group: &'static str,
    pub count: i32,
    pub chosen: bool,
}

/// Jobs that belong together: what a person looks for in one place.
pub struct Section {
    /// Empty for a list that has one section only.
    pub title: &'static str,
    /// The group of its states; empty for any.
    pub group: &'static str,
    /// Jobs of the group in all.
    pub count: i32,
    pub lines: Vec<JobLine>,
    /// Leads to all of the group; empty if all are here.
    pub more: String,
}

/// A list of jobs: what `_jobs.html` needs.
// The flags are facts of their own.
#[allow(clippy::struct_excessive_bools)]
pub struct JobList {
    /// None on the page of all jobs, which has a form instead.
    pub chips: Vec<Chip>,
    /// Without those that have no lines.
    pub sections: Vec<Section>,
    /// Query strings; empty where there is no such page.
    pub previous: String,
    pub next: String,
    pub may_steer: bool,
    /// Where an action leads back to.
    pub back: String,
    /// Whether each line links to its batch.
    pub show_batch: bool,
    /// Whether each line has a box to tick, of the form `select`.
    pub pick: bool,
    /// Whether the boxes are ticked.
    pub picked: bool,
    pub empty: &'static str,
}

/// What people call a state.
pub fn phase(kind: JobKind, state: JobState, cancel_requested: bool) -> &'static str {
    match state {
        JobState::Queued => "Waiting",
        JobState::Running => "At work",
        JobState::Copying => "Copying",
        JobState::Syncing => "Final sync",
        JobState::Cutover => "Switching over",
        JobState::Retiring => "Tidying up",
        JobState::RollingBack if cancel_requested => "Cancelling",
        JobState::RollingBack => "Undoing",
        JobState::Succeeded if kind == JobKind::Move => "Moved",
        JobState::Succeeded if kind == JobKind::Lofi => "Converted",
        JobState::Succeeded if kind == JobKind::Verify => "Verified",
        JobState::Succeeded => "Done",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
        JobState::Stuck => "Stuck",
    }
}

/// What a job does to an artist, or to a song of theirs.
pub fn title(kind: JobKind, artist: &str, song: Option<&str>) -> String {
    match kind {
        JobKind::Move => format!("Moving {artist}"),
        JobKind::Provision => format!("Making {artist}’s page"),
        JobKind::Verify => format!("Verifying {artist}"),
        JobKind::Lofi => format!("LOFI of {}", song.unwrap_or("a song that is gone")),
    }
}

/// `3 findings`; empty for none.
pub fn findings(n: i64) -> String {
    match n {
        0 => String::new(),
        1 => "1 finding".to_owned(),
        n => format!("{} findings", show::count(n)),
    }
}

/// The name of a server, also of one that was deleted.
pub fn server_name(servers: &[ServerView], id: Uuid) -> String {
    match servers.iter().find(|s| s.id == id) {
        Some(server) if server.deleted => format!("{} (deleted)", server.name),
        Some(server) => server.name.clone(),
        None => id.to_string(),
    }
}

/// Servers that hold a job up: "Server 3, which is offline".
fn waits_for(servers: &[ServerView], at: &[Uuid]) -> String {
    let away = servers.iter().filter(|s| at.contains(&s.id) && !s.state.works());
    let say = |s: &ServerView| format!("{}, which {}", s.name, s.state.clause());
    away.map(say).collect::<Vec<_>>().join(" and ")
}

impl Section {
    /// The one section of a list that is not divided; none without lines.
    pub fn only(lines: Vec<JobLine>) -> Vec<Self> {
        if lines.is_empty() {
            return Vec::new();
        }
        vec![Self { title: "", group: "", count: 0, lines, more: String::new() }]
    }
}

impl JobLine {
    /// Shows a job.
    pub fn new(job: JobView, servers: &[ServerView]) -> Self {
        let kind: JobKind = job.kind.parse().unwrap_or(JobKind::Move);
        let state: JobState = job.state.parse().unwrap_or(JobState::Queued);
        let done = if state == JobState::Succeeded { job.bytes_total } else { job.bytes_done };
        let bytes_text = match state {
            JobState::Queued | JobState::Succeeded => show::bytes(job.bytes_total),
            _ => format!("{} of {}", show::bytes(done), show::bytes(job.bytes_total)),
        };
        // Nothing to copy is copied at once.
        let percent =
            if state == JobState::Succeeded { 100 } else { show::percent(done, job.bytes_total) };
        let undone = state.is_final() && state != JobState::Succeeded;
        let stays = !kind.follows_artist();
        let moved_since = if undone && stays && job.artist_server_id != job.source_server_id {
            server_name(servers, job.artist_server_id)
        } else {
            String::new()
        };
        Self {
            id: job.id,
            batch_id: job.batch_id,
            title: title(kind, &job.artist_name, job.song_title.as_deref()),
            is_move: kind == JobKind::Move,
            subject: job.song_title.clone().unwrap_or_else(|| job.artist_name.clone()),
            source: server_name(servers, job.source_server_id),
            target: server_name(servers, job.target_server_id),
            phase: if job.paused { "Paused" } else { phase(kind, state, job.cancel_requested) },
            express: job.express,
            percent,
            bytes_text,
            failure: job.error.as_ref().filter(|_| state != JobState::Succeeded).map(Failure::of),
            ended: state.is_final(),
            findings: findings(job.findings),
            cancellable: state.is_cancellable(),
            retryable: job.retryable,
            moved_since,
            waits_for: waits_for(servers, &job.at_servers),
            expressable: state == JobState::Queued
                && (job.paused || !job.express && (kind == JobKind::Move || job.bulk)),
            created: show::when(job.created_at),
            is_lofi: kind == JobKind::Lofi,
            artist_id: job.artist_id,
            artist_name: job.artist_name,
            artist_slug: job.artist_slug,
            state: job.state,
        }
    }
}
