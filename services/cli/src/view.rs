//! What the API tells, as far as people are shown it. With `--json` its answers are printed as they
//! are, and nothing here is used.

use crate::error::Problem;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

type Time = DateTime<Utc>;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(default)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
// The flags are the API's.
#[allow(clippy::struct_excessive_bools)]
pub struct Server {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub ip: String,
    pub url: String,
    pub is_master: bool,
    pub active: bool,
    pub is_default: bool,
    pub draining: bool,
    pub joined_at: Option<Time>,
    pub state: String,
    pub quarantine: Option<Quarantine>,
    pub last_seen_at: Option<Time>,
    pub workers: i64,
    pub version: Option<String>,
    pub artists: i64,
    pub plays_total: i64,
    pub plays_30d: i64,
    pub bytes: i64,
    pub free_bytes: Option<i64>,
    pub total_bytes: Option<i64>,
    pub arriving_bytes: i64,
    /// As the API takes it back.
    #[serde(default)]
    pub limits: serde_json::Value,
    #[serde(default)]
    pub limits_pending: bool,
    #[serde(default)]
    pub rate_bytes_s: Option<u64>,
    #[serde(default)]
    pub rate_until: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Quarantine {
    pub since: Time,
    pub message: String,
    pub remedy: String,
}

#[derive(Debug, Deserialize)]
pub struct Checks {
    pub agent_seen_at: Option<Time>,
    pub checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
pub struct Check {
    pub title: String,
    pub state: String,
    pub cause: String,
    pub remedy: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Artist {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub server_id: Uuid,
    pub plays_total: i64,
    pub plays_30d: i64,
    pub bytes: i64,
    pub songs: i64,
    pub lofis: i64,
    pub lofi_profile: Option<String>,
    pub operating_job_id: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
pub struct Song {
    pub title: String,
    pub path: String,
    pub bytes: i64,
    pub plays_total: i64,
    pub duration_ms: u64,
    pub lofi_state: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Batch {
    pub id: Uuid,
    pub kind: String,
    pub state: String,
    pub target_server_id: Option<Uuid>,
    pub requested_by: String,
    pub reason: String,
    pub jobs_total: i64,
    pub jobs_queued: i64,
    pub jobs_running: i64,
    pub jobs_succeeded: i64,
    pub jobs_failed: i64,
    pub jobs_cancelled: i64,
    pub refused: i64,
    pub bytes_total: i64,
    pub bytes_done: i64,
    pub rate_bytes_s: Option<i64>,
    pub eta_low_s: Option<u64>,
    pub eta_high_s: Option<u64>,
    pub created_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
}

impl Batch {
    /// Jobs that have ended.
    pub const fn ended(&self) -> i64 {
        self.jobs_succeeded + self.jobs_failed + self.jobs_cancelled
    }

    /// Whether all of it ended as it should.
    pub const fn is_well(&self) -> bool {
        self.finished_at.is_some() && self.jobs_succeeded == self.jobs_total
    }
}

/// A file that is not as it should be.
#[derive(Debug, Deserialize)]
pub struct Finding {
    pub id: Uuid,
    pub artist_name: String,
    pub path: String,
    pub kind: String,
    pub meaning: String,
    /// What the file was when it was read: passed on when the finding is resolved.
    pub state: String,
    pub found_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Job {
    pub id: Uuid,
    pub batch_id: Option<Uuid>,
    pub kind: String,
    pub state: String,
    pub artist_name: String,
    pub artist_slug: String,
    pub source_server_id: Uuid,
    pub target_server_id: Uuid,
    pub express: bool,
    pub song_title: Option<String>,
    pub at_servers: Vec<Uuid>,
    pub cancel_requested: bool,
    pub retryable: bool,
    pub files_total: i64,
    pub bytes_done: i64,
    pub bytes_total: i64,
    pub error: Option<Value>,
    pub created_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
}

impl Job {
    /// What it is about.
    pub fn subject(&self) -> String {
        match &self.song_title {
            Some(song) => format!("{} – {song}", self.artist_name),
            None => self.artist_name.clone(),
        }
    }
}

/// Why a job failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub message: String,
    pub path: Option<String>,
    pub remedy: String,
}

impl Failure {
    /// From a job's `error`; one that is put otherwise is shown as it is.
    pub fn of(error: &Value) -> Self {
        serde_json::from_value(error.clone())
            .unwrap_or_else(|_| Self { message: error.to_string(), ..Self::default() })
    }

    /// In one sentence or two.
    pub fn told(&self) -> String {
        let path = self.path.as_ref().map_or_else(String::new, |p| format!(" ({p})"));
        let message = self.message.trim_end_matches('.');
        format!("{message}{path}. {}", self.remedy).trim_end().to_owned()
    }
}

#[derive(Debug, Deserialize)]
pub struct JobDetail {
    #[serde(flatten)]
    pub job: Job,
    pub timeline: Vec<Entry>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub struct Entry {
    pub at: Time,
    pub name: String,
    pub detail: Value,
}

#[derive(Debug, Deserialize)]
pub struct Step {
    pub kind: String,
    pub seq: i64,
    pub state: String,
    pub attempts: i64,
    pub server_id: Uuid,
    pub lane: String,
    pub seen_at: Option<Time>,
}

/// What came of queueing moves, a drain, or verifications.
#[derive(Debug, Deserialize)]
pub struct Queued {
    pub batch_id: Option<Uuid>,
    pub accepted: i64,
    #[serde(default)]
    pub refused: Vec<Refused>,
    #[serde(default)]
    pub refused_reasons: Vec<RefusedReason>,
    /// Of a drain: where to.
    #[serde(default)]
    pub plan: Vec<Share>,
    /// Of a drain: moves to the server that were called off.
    #[serde(default)]
    pub cancelled: i64,
}

#[derive(Debug, Deserialize)]
pub struct Refused {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub artist_id: Option<Uuid>,
    pub song_id: Option<Uuid>,
    #[serde(default)]
    pub detail: String,
}

#[derive(Debug, Deserialize)]
pub struct RefusedReason {
    pub summary: String,
    pub detail: String,
}

#[derive(Debug, Deserialize)]
pub struct Share {
    pub server_id: Uuid,
    pub artists: i64,
    pub bytes: i64,
    pub plays_30d: i64,
}

/// What came of cancelling a batch, or of stopping a drain.
#[derive(Debug, Deserialize)]
pub struct Cancelled {
    pub cancelled: i64,
    pub too_late: i64,
}

/// What came of trying again.
#[derive(Debug, Deserialize)]
pub struct TriedAgain {
    pub retried: i64,
    pub refused: i64,
    #[serde(default)]
    pub undoing: i64,
}

#[derive(Debug, Deserialize)]
pub struct Depth {
    pub queue: String,
    pub server_slug: Option<String>,
    pub lane: Option<String>,
    pub ready: i64,
    pub unacked: i64,
    pub consumers: i64,
    #[serde(default)]
    pub paused: Option<Pause>,
}

/// Who has paused a lane.
#[derive(Debug, Deserialize)]
pub struct Pause {
    pub by: String,
    pub since: Time,
    pub reason: String,
}

impl Pause {
    /// By whom, since when and why, in a line.
    pub fn told(&self) -> String {
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("by {}, {}{why}", self.by, crate::when::ago(self.since))
    }
}

/// What came of asking something of many jobs or batches.
#[derive(Debug, Deserialize)]
pub struct Steered {
    pub matched: i64,
    /// When it was counted; only of a dry run.
    pub as_of: Option<DateTime<Utc>>,
    pub done: i64,
    pub unchanged: i64,
    pub refused: i64,
    pub refused_reasons: Vec<SteerRefused>,
    pub more: bool,
}

#[derive(Debug, Deserialize)]
pub struct SteerRefused {
    pub detail: String,
    pub remedy: String,
    #[serde(alias = "batches")]
    pub jobs: i64,
}

/// What of it is told of batches only.
#[derive(Debug, Deserialize)]
pub struct BatchesSteered {
    pub jobs: i64,
    pub jobs_left: i64,
    pub rest_until: Option<DateTime<Utc>>,
    pub broke_off: Option<Problem>,
}

#[derive(Debug, Deserialize)]
pub struct LaneState {
    pub lane: String,
    pub paused: Option<Pause>,
    pub pause_stops: String,
}

#[derive(Debug, Deserialize)]
pub struct DeadLetter {
    pub id: Uuid,
    pub died_at: Time,
    pub queue: String,
    pub fault: String,
    pub kind: Option<String>,
    pub artist_name: Option<String>,
    pub state: String,
}

/// What came of requeueing or discarding all dead messages that fit.
#[derive(Debug, Deserialize)]
pub struct LettersSettled {
    pub letters: i64,
}

#[derive(Debug, Deserialize)]
pub struct LofiOverview {
    pub profile: String,
    pub songs: i64,
    pub lofis: i64,
    pub open: i64,
    pub failed: i64,
    pub failed_without_lofi: i64,
    pub failed_more: bool,
    pub servers: Vec<LofiServer>,
}

#[derive(Debug, Deserialize)]
pub struct LofiServer {
    pub server_id: Uuid,
    pub songs: i64,
    pub lofis: i64,
    pub queued: i64,
    pub running: i64,
    pub slots: i64,
    pub made_1h: i64,
    pub speed: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub struct LofiQueued {
    pub batch_id: Option<Uuid>,
    pub accepted: i64,
    pub refused: Vec<Refused>,
    pub servers: Vec<LofiShare>,
}

#[derive(Debug, Deserialize)]
pub struct LofiShare {
    pub server_id: Uuid,
    pub songs: i64,
    pub audio_ms: u64,
    pub estimate_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct LofiFailure {
    pub job_id: Uuid,
    pub title: String,
    pub path: String,
    pub artist_name: String,
    pub server_id: Uuid,
    pub has_lofi: bool,
    pub error: Option<Value>,
    pub failed_at: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub struct Deed {
    pub at: Time,
    pub actor: String,
    pub token: Option<String>,
    pub action: String,
    pub object: String,
    pub result: String,
    pub reason: String,
    pub times: i64,
}

#[derive(Debug, Deserialize)]
pub struct Balance {
    pub reached: bool,
    pub shortfall: String,
    pub moves: Vec<BalanceMove>,
    pub servers: Vec<BalanceServer>,
}

#[derive(Debug, Deserialize)]
pub struct BalanceMove {
    pub artist_id: Uuid,
    pub artist_name: String,
    pub from_server_id: Uuid,
    pub to_server_id: Uuid,
    pub bytes: i64,
    pub plays_30d: i64,
    pub why: String,
}

#[derive(Debug, Deserialize)]
pub struct BalanceServer {
    pub name: String,
    pub plays_30d_before: i64,
    pub plays_30d_after: i64,
    pub bytes_before: i64,
    pub bytes_after: i64,
}

#[derive(Debug, Deserialize)]
pub struct Webhook {
    pub id: Uuid,
    pub name: String,
    pub url: String,
    pub events: Vec<String>,
    pub state: String,
    pub last_success_at: Option<DateTime<Utc>>,
    pub waiting: i64,
}

#[derive(Debug, Deserialize)]
pub struct Delivery {
    pub id: Uuid,
    pub event: String,
    pub state: String,
    pub tries: i64,
    pub created_at: DateTime<Utc>,
    pub next_try_at: Option<DateTime<Utc>>,
    pub status: Option<i64>,
    pub latency_ms: Option<i64>,
    pub error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct BalanceWatch {
    pub every: String,
    pub tolerance: f64,
    pub last_run_at: Option<DateTime<Utc>>,
    pub worst_server: Option<String>,
    pub worst_off: Option<f64>,
    pub alert_since: Option<DateTime<Utc>>,
    pub silent: bool,
}
