//! Small renditions as scripts see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tourbus_store::{LofiFailure, LofiServer};
use utoipa::ToSchema;
use uuid::Uuid;

/// How far one server is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LofiServer)]
pub struct LofiServerView {
    /// The server.
    pub server_id: Uuid,
    /// Songs of the artists who live there.
    pub songs: i64,
    /// Of these, songs that have a LOFI.
    pub lofis: i64,
    /// Conversions that wait.
    pub queued: i64,
    /// Conversions at work.
    pub running: i64,
    /// Conversions in bulk that its workers do at a time.
    pub slots: i64,
    /// Conversions that ended well in the last hour.
    pub made_1h: i64,
    /// How much audio of it was encoded, in milliseconds.
    pub audio_1h_ms: i64,
    /// How many times faster than it plays a song is converted, of those; null when there are none.
    pub speed: Option<f64>,
}

impl From<LofiServer> for LofiServerView {
    fn from(row: LofiServer) -> Self {
        Self {
            server_id: row.server_id,
            songs: row.songs,
            lofis: row.lofis,
            queued: row.queued,
            running: row.running,
            slots: row.slots,
            made_1h: row.made,
            audio_1h_ms: row.audio_ms,
            speed: (row.took_ms > 0).then(|| row.audio_ms as f64 / row.took_ms as f64),
        }
    }
}

/// A song whose last conversion failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LofiFailure)]
pub struct LofiFailureView {
    /// The job that failed: retry it when the cause is mended.
    pub job_id: Uuid,
    /// The song.
    pub song_id: Uuid,
    /// Its title.
    pub title: String,
    /// Where it is among the artist's files.
    pub path: String,
    /// Whose.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// Where the artist lives.
    pub server_id: Uuid,
    /// Whether an older LOFI is heard meanwhile.
    pub has_lofi: bool,
    /// Why: `{class, code, message, path, remedy}`.
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// When.
    pub failed_at: Option<DateTime<Utc>>,
}

impl From<LofiFailure> for LofiFailureView {
    fn from(row: LofiFailure) -> Self {
        Self {
            job_id: row.job_id,
            song_id: row.song_id,
            title: row.title,
            path: row.path,
            artist_id: row.artist_id,
            artist_name: row.artist_name,
            server_id: row.server_id,
            has_lofi: row.has_lofi,
            error: row.error,
            failed_at: row.finished_at,
        }
    }
}
