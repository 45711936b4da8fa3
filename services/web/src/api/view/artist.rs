//! Artists and songs as scripts see them.

use serde::Serialize;
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
}

impl From<SongRow> for SongView {
    fn from(row: SongRow) -> Self {
        Self {
            id: row.id,
            position: row.position,
            title: row.title,
            path: row.path,
            bytes: row.bytes,
            plays_total: row.plays_total,
        }
    }
}
