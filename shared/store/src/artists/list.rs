//! Lists of artists, one key-set page at a time, and single artists.

use super::Matching;
use crate::{Store, StoreError};
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{ArtistId, Slug};
use uuid::Uuid;

/// What a list is sorted by. Each has an index; the id breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArtistKey {
    /// The name, in lower case.
    #[default]
    Name,
    /// Plays, ever.
    PlaysTotal,
    /// Plays in the last 30 days.
    Plays30d,
    /// Size of the tree.
    Bytes,
}

/// A sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArtistSort {
    /// By what.
    pub key: ArtistKey,
    /// The largest first.
    pub descending: bool,
}

/// Where a page ended: the last row's sort key and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtistCursor {
    /// The key's value: for [`ArtistKey::Name`] the lower-cased name, else a number.
    pub key: String,
    /// The id.
    pub id: ArtistId,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct ArtistQuery {
    /// Which artists.
    pub which: Matching,
    /// In which order.
    pub sort: ArtistSort,
    /// After this row.
    pub after: Option<ArtistCursor>,
    /// At most this many.
    pub limit: u32,
}

/// An artist as pages and scripts see it.
#[derive(Debug, Clone, FromRow)]
pub struct ArtistRow {
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
    /// Size of the tree.
    pub bytes: i64,
    /// How many songs.
    pub songs: i32,
    /// How many of them have a small rendition.
    pub lofis: i32,
    /// By which profile those are made; none for the cluster's.
    pub lofi_profile: Option<String>,
    /// The job that holds it.
    pub operating_job_id: Option<Uuid>,
    /// The name as it sorts.
    pub sort_name: String,
}

impl ArtistRow {
    /// Where a page that ends with this row ended.
    pub fn cursor(&self, key: ArtistKey) -> ArtistCursor {
        let key = match key {
            ArtistKey::Name => self.sort_name.clone(),
            ArtistKey::PlaysTotal => self.plays_total.to_string(),
            ArtistKey::Plays30d => self.plays_30d.to_string(),
            ArtistKey::Bytes => self.bytes.to_string(),
        };
        ArtistCursor { key, id: self.id.into() }
    }
}

/// A song.
#[derive(Debug, Clone, FromRow)]
pub struct SongRow {
    /// The song.
    pub id: Uuid,
    /// Place on the artist's page, from 0.
    pub position: i32,
    /// Title.
    pub title: String,
    /// Where it is in the artist's tree.
    pub path: String,
    /// Size.
    pub bytes: i64,
    /// Plays, ever.
    pub plays_total: i64,
    /// Length in milliseconds; 0 when it is not known.
    pub duration_ms: i64,
    /// Whether it has a small rendition.
    pub has_lofi: bool,
    /// Whether listeners do not see it until it has one.
    pub awaits_lofi: bool,
    /// How that was made, a `Rendition`; none when somebody else made it.
    pub lofi: Option<serde_json::Value>,
    /// The last job that made it, or tried.
    pub lofi_job_id: Option<Uuid>,
    /// Where that stands.
    pub lofi_job_state: Option<String>,
    /// What that tripped over, a `JobError`.
    pub lofi_job_error: Option<serde_json::Value>,
}

/// Where an artist lives, for the front door.
#[derive(Debug, Clone, FromRow)]
pub struct HomeRow {
    /// The home server's base URL.
    pub url: String,
}

const COLUMNS: &str = "SELECT a.id, a.slug, a.name, a.server_id, a.plays_total, a.plays_30d, \
     a.bytes, a.songs, a.lofis, a.lofi_profile, a.operating_job_id, lower(a.name) AS sort_name FROM artists a";

fn push_after(
    sql: &mut QueryBuilder<Postgres>,
    sort: ArtistSort,
    after: &ArtistCursor,
) -> Result<(), StoreError> {
    let id = after.id.0;
    if sort.key == ArtistKey::Name {
        let than = if sort.descending { " < (" } else { " > (" };
        sql.push(" AND (lower(a.name), a.id)").push(than);
        sql.push_bind(after.key.clone()).push(", ").push_bind(id).push(")");
        return Ok(());
    }
    let value: i64 = after
        .key
        .parse()
        .map_err(|_| StoreError::Invalid("the cursor belongs to another sort order".to_owned()))?;
    // The indexes are (number DESC, id): rising numbers read them backwards, so falling ids.
    let (than, id_than) = if sort.descending { ("<", ">") } else { (">", "<") };
    let column = column(sort.key);
    sql.push(format_args!(" AND {column} {than}= ")).push_bind(value);
    sql.push(format_args!(" AND ({column} {than} ")).push_bind(value);
    sql.push(format_args!(" OR a.id {id_than} ")).push_bind(id).push(")");
    Ok(())
}

const fn column(key: ArtistKey) -> &'static str {
    match key {
        ArtistKey::Name => "lower(a.name)",
        ArtistKey::PlaysTotal => "a.plays_total",
        ArtistKey::Plays30d => "a.plays_30d",
        ArtistKey::Bytes => "a.bytes",
    }
}

const fn order(sort: ArtistSort) -> &'static str {
    match (sort.key, sort.descending) {
        (ArtistKey::Name, false) => " ORDER BY lower(a.name), a.id",
        (ArtistKey::Name, true) => " ORDER BY lower(a.name) DESC, a.id DESC",
        (ArtistKey::PlaysTotal, true) => " ORDER BY a.plays_total DESC, a.id",
        (ArtistKey::PlaysTotal, false) => " ORDER BY a.plays_total, a.id DESC",
        (ArtistKey::Plays30d, true) => " ORDER BY a.plays_30d DESC, a.id",
        (ArtistKey::Plays30d, false) => " ORDER BY a.plays_30d, a.id DESC",
        (ArtistKey::Bytes, true) => " ORDER BY a.bytes DESC, a.id",
        (ArtistKey::Bytes, false) => " ORDER BY a.bytes, a.id DESC",
    }
}

impl Store {
    /// One page of artists. A cursor of another sort order is [`StoreError::Invalid`].
    pub async fn artists(&self, query: &ArtistQuery) -> Result<Vec<ArtistRow>, StoreError> {
        // The page is chosen by an index that has the names, and only then are rows read.
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE a.id = ANY(ARRAY(SELECT a.id FROM artists a");
        query.which.push_where(&mut sql);
        if let Some(after) = &query.after {
            push_after(&mut sql, query.sort, after)?;
        }
        sql.push(order(query.sort)).push(" LIMIT ").push_bind(i64::from(query.limit));
        sql.push("))").push(order(query.sort));
        // Planned anew each time: the best plan depends on how rare the filter's letters are.
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// One artist.
    pub async fn artist(&self, id: ArtistId) -> Result<Option<ArtistRow>, StoreError> {
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE a.id = ").push_bind(id.0);
        Ok(sql.build_query_as().fetch_optional(self.pool()).await?)
    }

    /// These artists, in no particular order; unknown ids are left out.
    pub async fn artists_by_ids(&self, ids: &[ArtistId]) -> Result<Vec<ArtistRow>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE a.id = ANY(").push_bind(ids).push(")");
        Ok(sql.build_query_as().fetch_all(self.pool()).await?)
    }

    /// The names of these artists, in no particular order.
    pub async fn artist_names(&self, ids: &[ArtistId]) -> Result<Vec<(Uuid, String)>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let sql = "SELECT id, name FROM artists WHERE id = ANY($1)";
        Ok(sqlx::query_as(sql).bind(ids).fetch_all(self.pool()).await?)
    }

    /// An artist's songs after a position, in order.
    pub async fn songs(
        &self,
        artist: ArtistId,
        after: Option<i32>,
        limit: u32,
    ) -> Result<Vec<SongRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT s.id, s.position, s.title, s.path, s.bytes, s.plays_total, s.duration_ms,
                 s.has_lofi, s.awaits_lofi, s.lofi, j.id AS lofi_job_id,
                 j.state AS lofi_job_state, j.error AS lofi_job_error
             FROM songs s
             LEFT JOIN LATERAL (SELECT id, state, error FROM jobs WHERE song_id = s.id
                 ORDER BY created_at DESC LIMIT 1) j ON true
             WHERE s.artist_id = $1 AND s.position > $2 ORDER BY s.position LIMIT $3",
        )
        .bind(artist.0)
        .bind(after.unwrap_or(-1))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Where the artist of this slug lives.
    pub async fn home_of(&self, slug: &Slug) -> Result<Option<HomeRow>, StoreError> {
        let row = sqlx::query_as(
            "SELECT s.url FROM artists a JOIN servers s ON s.id = a.server_id WHERE a.slug = $1",
        )
        .bind(slug.as_str())
        .fetch_optional(self.pool())
        .await?;
        Ok(row)
    }
}
