//! Artists by the hundred: the demo, tests and imports.

use crate::{Action, By, Deed, Store, StoreError, audit};
use serde_json::json;
use tourbus_domain::{ArtistId, ServerId, Slug};
use tourbus_protocol::{TreePath, page::song_id};
use uuid::Uuid;

/// An artist to be made known; its tree must already be on its home server.
#[derive(Debug, Clone)]
pub struct NewArtist {
    /// The artist.
    pub id: ArtistId,
    /// Its name in URLs.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// The home server.
    pub server_id: ServerId,
    /// Plays, ever.
    pub plays_total: u64,
    /// Plays in the last 30 days.
    pub plays_30d: u64,
    /// Size of the tree.
    pub bytes: u64,
    /// Its songs, in the order of the artist's page.
    pub songs: Vec<NewSong>,
}

/// A song of a [`NewArtist`].
#[derive(Debug, Clone)]
pub struct NewSong {
    /// Title.
    pub title: String,
    /// Where it is in the artist's tree.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Plays, ever.
    pub plays_total: u64,
    /// Length in milliseconds; 0 when it is not known.
    pub duration_ms: u64,
}

/// Artists in one statement; more are split, in one transaction all the same.
const ARTISTS_PER_STATEMENT: usize = 5_000;

fn column<T, U>(rows: &[T], of: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(of).collect()
}

impl Store {
    /// Inserts artists with their songs, all or none. An artist whose id or slug exists is an
    /// error.
    pub async fn insert_artists(&self, artists: &[NewArtist]) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        for part in artists.chunks(ARTISTS_PER_STATEMENT) {
            insert_rows(&mut tx, part).await?;
            insert_songs(&mut tx, part).await?;
            insert_days(&mut tx, part).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What came of making one known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// It is known from now on.
    Made,
    /// It was known before, and lives on this server: nothing was changed.
    Known(ServerId),
    /// Another artist has this slug.
    SlugTaken,
    /// The server is not one that has artists.
    NoServer,
}

impl Store {
    /// Makes an artist known whose tree is ready on its home server; or only says, as `dry_run`,
    /// what would come of it.
    pub async fn adopt_artist(
        &self,
        by: &By,
        new: &NewArtist,
        dry_run: bool,
    ) -> Result<Adopted, StoreError> {
        let mut tx = self.pool().begin().await?;
        let known: Option<(String, Uuid)> =
            sqlx::query_as("SELECT slug, server_id FROM artists WHERE id = $1")
                .bind(new.id.0)
                .fetch_optional(&mut *tx)
                .await?;
        match known {
            Some((slug, home)) if slug == new.slug.as_str() => {
                return Ok(Adopted::Known(ServerId(home)));
            }
            Some(_) => return Ok(Adopted::SlugTaken),
            None => {}
        }
        let there: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM servers WHERE id = $1 AND deleted_at IS NULL AND NOT draining
             FOR NO KEY UPDATE",
        )
        .bind(new.server_id.0)
        .fetch_optional(&mut *tx)
        .await?;
        if there.is_none() {
            return Ok(Adopted::NoServer);
        }
        let one = std::slice::from_ref(new);
        match insert_rows(&mut tx, one).await {
            Err(StoreError::Conflict { .. }) => return Ok(Adopted::SlugTaken),
            other => other?,
        }
        insert_songs(&mut tx, one).await?;
        insert_days(&mut tx, one).await?;
        let detail = json!({ "name": new.name, "slug": new.slug, "server_id": new.server_id,
                             "adopted": true });
        let deed = Deed::done(by, Action::ArtistCreate, format!("artist:{}", new.id));
        audit::record(&mut tx, &[deed.detail(detail)]).await?;
        if !dry_run {
            tx.commit().await?;
        }
        Ok(Adopted::Made)
    }
}

async fn insert_rows(tx: &mut sqlx::PgConnection, artists: &[NewArtist]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO artists (id, slug, name, server_id, plays_total, plays_30d, bytes, songs)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[],
             $6::bigint[], $7::bigint[], $8::int[])",
    )
    .bind(column(artists, |a| a.id.0))
    .bind(column(artists, |a| a.slug.as_str().to_owned()))
    .bind(column(artists, |a| a.name.clone()))
    .bind(column(artists, |a| a.server_id.0))
    .bind(column(artists, |a| a.plays_total as i64))
    .bind(column(artists, |a| a.plays_30d as i64))
    .bind(column(artists, |a| a.bytes as i64))
    .bind(column(artists, |a| a.songs.len() as i32))
    .execute(tx)
    .await?;
    Ok(())
}

/// Plays of the last 30 days whose days nobody knows count as of today, and leave in 30 days.
async fn insert_days(tx: &mut sqlx::PgConnection, artists: &[NewArtist]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO artist_days (artist_id, day, plays)
         SELECT id, (now() AT TIME ZONE 'UTC')::date, plays
         FROM unnest($1::uuid[], $2::bigint[]) AS u(id, plays) WHERE plays > 0",
    )
    .bind(column(artists, |a| a.id.0))
    .bind(column(artists, |a| a.plays_30d as i64))
    .execute(tx)
    .await?;
    Ok(())
}

/// As the artist's home server calls it.
fn id_of(artist: Uuid, song: &NewSong) -> Uuid {
    TreePath::new(song.path.as_bytes())
        .map_or_else(|_| Uuid::now_v7(), |path| song_id(ArtistId(artist), &path))
}

async fn insert_songs(
    tx: &mut sqlx::PgConnection,
    artists: &[NewArtist],
) -> Result<(), StoreError> {
    let songs: Vec<(Uuid, i32, &NewSong)> = artists
        .iter()
        .flat_map(|a| a.songs.iter().enumerate().map(|(i, s)| (a.id.0, i as i32, s)))
        .collect();
    sqlx::query(
        "INSERT INTO songs (id, artist_id, position, title, path, bytes, plays_total, duration_ms)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[],
             $6::bigint[], $7::bigint[], $8::bigint[])",
    )
    .bind(column(&songs, |s| id_of(s.0, s.2)))
    .bind(column(&songs, |s| s.0))
    .bind(column(&songs, |s| s.1))
    .bind(column(&songs, |s| s.2.title.clone()))
    .bind(column(&songs, |s| s.2.path.clone()))
    .bind(column(&songs, |s| s.2.bytes as i64))
    .bind(column(&songs, |s| s.2.plays_total as i64))
    .bind(column(&songs, |s| s.2.duration_ms as i64))
    .execute(tx)
    .await?;
    Ok(())
}
