//! Jobs as scripts see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tourbus_domain::{JobKind, TraceParent};
use tourbus_store::{JobEventRow, JobRow, JobStepRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// One unit of a batch: move one artist, convert one song.
// The flags are facts of their own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The job.
    pub id: Uuid,
    /// What asked for it.
    pub batch_id: Option<Uuid>,
    /// `move`, `provision`, `lofi` or `verify`.
    pub kind: String,
    /// `queued`, `running` (a task), `copying`, `syncing`, `cutover`, `retiring`, `rolling_back`, `succeeded`,
    /// `failed`, `cancelled` or `stuck`.
    pub state: String,
    /// The artist.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// The artist's name in URLs.
    pub artist_slug: String,
    /// From where.
    pub source_server_id: Uuid,
    /// To where.
    pub target_server_id: Uuid,
    /// Whether it overtakes the backlog.
    pub express: bool,
    /// Whether it waits among what is converted in bulk, and could overtake that.
    pub bulk: bool,
    /// The song that it is about; null for a job about all of an artist.
    pub song_id: Option<Uuid>,
    /// That song's title, if it is still there.
    pub song_title: Option<String>,
    /// Servers whose workers have it in hand, or will once they take it from their lanes. While
    /// one of them is `offline`, `never` seen or `quarantined`, the job waits for it, and goes on
    /// by itself when it returns.
    pub at_servers: Vec<Uuid>,
    /// Whether it is queued, but held back: its batch is paused. It can be expedited all the same.
    pub paused: bool,
    /// Somebody asked to stop it.
    pub cancel_requested: bool,
    /// Where the artist lives now.
    pub artist_server_id: Uuid,
    /// Whether it can be retried: it did not succeed, the artist still lives at the source, and no
    /// other job holds it.
    pub retryable: bool,
    /// Files found so far.
    pub files_total: i64,
    /// Bytes in the staging bucket.
    pub bytes_staged: i64,
    /// Bytes at the target, verified; of a song, how much has been converted.
    pub bytes_done: i64,
    /// Size of all files (or of the song); before the walk has ended, as last known.
    pub bytes_total: i64,
    /// Files that its reading found wrong and that nobody has resolved yet: see
    /// `/verify/findings`.
    pub findings: i64,
    /// Why it failed, or what it last tripped over: `{class, code, message, path, remedy}`.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// The trace of the request that it follows from, 32 hexadecimal digits: in the logs and spans of
    /// all that was done for it. Null for jobs of versions before.
    pub trace_id: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<JobRow> for JobView {
    fn from(row: JobRow) -> Self {
        let undone = matches!(row.state.as_str(), "failed" | "cancelled" | "stuck");
        let follows = row.kind.parse().is_ok_and(JobKind::follows_artist);
        let at_home = row.artist_server_id == row.source_server_id;
        Self {
            artist_server_id: row.artist_server_id,
            retryable: undone && (follows || at_home && !row.artist_held),
            id: row.id,
            batch_id: row.batch_id,
            kind: row.kind,
            state: row.state,
            artist_id: row.artist_id,
            artist_name: row.artist_name,
            artist_slug: row.artist_slug,
            source_server_id: row.source_server_id,
            target_server_id: row.target_server_id,
            express: row.express,
            bulk: row.bulk,
            song_id: row.song_id,
            song_title: row.song_title,
            at_servers: row.at_servers,
            paused: row.paused,
            cancel_requested: row.cancel_requested,
            files_total: row.files_total,
            bytes_staged: row.bytes_staged,
            bytes_done: row.bytes_done,
            bytes_total: row.bytes_total,
            findings: row.findings,
            error: row.error,
            trace_id: row
                .trace_parent
                .and_then(|t| t.parse::<TraceParent>().ok())
                .map(TraceParent::trace_id),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            updated_at: row.updated_at,
        }
    }
}

/// One entry of a job's timeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct TimelineView {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub name: String,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: Value,
}

impl From<JobEventRow> for TimelineView {
    fn from(row: JobEventRow) -> Self {
        Self { at: row.at, name: row.name, detail: row.detail }
    }
}

/// One step of a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Step)]
pub struct StepView {
    /// `export`, `import`, `sync`, `promote`, `retire`, `abandon_import`, `abandon_export`,
    /// `provision`, `lofi` or `verify`.
    pub kind: String,
    /// Which one of its kind.
    pub seq: i32,
    /// `waiting`, `sent`, `running`, `done` or `void`.
    pub state: String,
    /// The fencing number of its current try.
    pub epoch: i64,
    /// Tries that cost something.
    pub attempts: i32,
    /// Whose lane it is on.
    pub server_id: Uuid,
    /// Which lane.
    pub lane: String,
    /// Which worker began its last try; null until one has.
    pub worker: Option<String>,
    /// Not before this time.
    pub run_after: DateTime<Utc>,
    /// When its current try was sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// When a worker last named its current try.
    pub seen_at: Option<DateTime<Utc>>,
    /// Its last failure.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
}

impl From<JobStepRow> for StepView {
    fn from(row: JobStepRow) -> Self {
        Self {
            kind: row.kind,
            seq: row.seq,
            state: row.state,
            epoch: row.epoch,
            attempts: row.attempts,
            server_id: row.server_id,
            lane: row.lane,
            worker: row.worker,
            run_after: row.run_after,
            sent_at: row.sent_at,
            seen_at: row.seen_at,
            error: row.error,
        }
    }
}

/// A job with its history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// What happened, the oldest first; the newest 500.
    pub timeline: Vec<TimelineView>,
    /// Its steps, those that run first; at most 200.
    pub steps: Vec<StepView>,
}
