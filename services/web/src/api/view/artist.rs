//! Artists and songs as scripts see them.

use serde::Serialize;
use tourbus_domain::JobState;
use tourbus_store::{ArtistRow, SongRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// An artist.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Artist)]
pub struct ArtistView {
    /// The artist.
    pub id: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The home server.
    pub server_id: Uuid,
    /// Plays, ever.
    pub plays_total: i64,
    /// Plays in the last 30 days.
    pub plays_30d: i64,
    /// Size of all files.
    pub bytes: i64,
    /// How many songs.
    pub songs: i32,
    /// How many of them have a LOFI.
    pub lofis: i32,
    /// By which profile those are made; null for the cluster's.
    pub lofi_profile: Option<String>,
    /// The job that holds it, if any.
    pub operating_job_id: Option<Uuid>,
}

impl From<ArtistRow> for ArtistView {
    fn from(row: ArtistRow) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            server_id: row.server_id,
            plays_total: row.plays_total,
            plays_30d: row.plays_30d,
            bytes: row.bytes,
            songs: row.songs,
            lofis: row.lofis,
            lofi_profile: row.lofi_profile,
            operating_job_id: row.operating_job_id,
        }
    }
}

/// A song.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Song)]
pub struct SongView {
    /// The song.
    pub id: Uuid,
    /// Place on the artist's page, from 0.
    pub position: i32,
    /// Title.
    pub title: String,
    /// Where it is among the artist's files: `/a/{slug}/{path}` plays it.
    pub path: String,
    /// Size.
    pub bytes: i64,
    /// Plays, ever.
    pub plays_total: i64,
    /// Length in milliseconds; 0 when it is not known.
    pub duration_ms: i64,
    /// `none`, `queued`, `running`, `made`, `failed` (there is none, or an older one) or
    /// `cancelled`.
    pub lofi_state: &'static str,
    /// Whether it has a LOFI to be heard.
    pub has_lofi: bool,
    /// Whether listeners do not see it until it has one.
    pub awaits_lofi: bool,
    /// Its LOFI: `profile`, `made` (`encoded` or `copied`), `bytes`, `bitrate_bps`,
    /// `sample_rate_hz`, `channels`, `gain_db`, `loudness_lufs` and `true_peak_dbtp` (both of the
    /// original), `by` (which worker), `at`, `took_ms`, `cpu_ms`; null when it has none, or when
    /// another system made it.
    #[schema(value_type = Option<Object>)]
    pub lofi: Option<serde_json::Value>,
    /// The last job that made it, or tried.
    pub lofi_job_id: Option<Uuid>,
    /// What that tripped over: `{class, code, message, path, remedy}`.
    #[schema(value_type = Option<Object>)]
    pub lofi_error: Option<serde_json::Value>,
}

/// One word for where a song's small rendition stands.
fn lofi_state(row: &SongRow) -> &'static str {
    let known = row.lofi_job_state.as_deref().and_then(|s| s.parse::<JobState>().ok());
    match known {
        Some(JobState::Queued) => "queued",
        Some(JobState::Failed) => "failed",
        Some(JobState::Cancelled) if !row.has_lofi => "cancelled",
        Some(state) if !state.is_final() => "running",
        _ if row.has_lofi => "made",
        _ => "none",
    }
}

impl From<SongRow> for SongView {
    fn from(row: SongRow) -> Self {
        Self {
            lofi_state: lofi_state(&row),
            id: row.id,
            position: row.position,
            title: row.title,
            path: row.path,
            bytes: row.bytes,
            plays_total: row.plays_total,
            duration_ms: row.duration_ms,
            has_lofi: row.has_lofi,
            awaits_lofi: row.awaits_lofi,
            lofi: row.lofi,
            lofi_job_id: row.lofi_job_id,
            lofi_error: row.lofi_job_error,
        }
    }
}
