//! What home servers tell of their artists' songs: each state whole, so the newest wins.

use crate::{Store, StoreError, lofi, plays::lock_servers};
use sqlx::{FromRow, PgConnection, types::Json};
use std::collections::{BTreeSet, HashMap};
use tourbus_domain::{JobId, Slug};
use tourbus_protocol::{Catalogue, CatalogueSong};
use uuid::Uuid;

/// Longest name of an artist, in characters; as the database has it.
const NAME_CHARS_MAX: usize = 200;

/// What became of what was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueOutcome {
    /// It is known now.
    Applied {
        /// Jobs of songs that are no more: there is nothing left for them to do.
        gone: Vec<JobId>,
    },
    /// It was known, or something newer is.
    Old,
    /// The artist is unknown, or does not live on the server that told it.
    Foreign,
}

#[derive(FromRow)]
struct Known {
    path: String,
    plays_total: i64,
}

impl Store {
    /// Takes over what a server tells of an artist's songs, if the artist lives there and nothing
    /// newer is known. Plays stay with their songs.
    pub async fn apply_catalogue(
        &self,
        server: &Slug,
        told: &Catalogue,
    ) -> Result<CatalogueOutcome, StoreError> {
        let mut tx = self.pool().begin().await?;
        let id = told.artist_id.0;
        let found: Option<(i64, bool)> = sqlx::query_as(
            "SELECT a.catalogue_revision, s.slug = $2 OR EXISTS (
                 SELECT 1 FROM jobs j JOIN servers f ON f.id = j.source_server_id
                 WHERE j.artist_id = a.id AND j.kind = 'move' AND f.slug = $2
                     AND j.state IN ('retiring', 'succeeded'))
             FROM artists a JOIN servers s ON s.id = a.server_id
             WHERE a.id = $1 FOR NO KEY UPDATE OF a",
        )
        .bind(id)
        .bind(server.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        let revision = i64::try_from(told.revision).unwrap_or(i64::MAX);
        match found {
            None | Some((_, false)) => return Ok(CatalogueOutcome::Foreign),
            // What was told before the artist moved is never newer than what moved.
            Some((known, true)) if known >= revision => return Ok(CatalogueOutcome::Old),
            Some(_) => {}
        }
        lock_servers(&mut tx, &[id]).await?;
        let (songs, lofis) = replace_songs(&mut tx, id, &told.songs).await?;
        let name: String = told.name.trim().chars().take(NAME_CHARS_MAX).collect();
        sqlx::query(
            "UPDATE artists SET name = coalesce(nullif($2, ''), name), bytes = $3, songs = $4,
                 catalogue_revision = $5, lofis = $6
             WHERE id = $1",
        )
        .bind(id)
        .bind(name.replace('\0', ""))
        .bind(i64::try_from(told.bytes).unwrap_or(i64::MAX))
        .bind(songs)
        .bind(revision)
        .bind(lofis)
        .execute(&mut *tx)
        .await?;
        lofi::fresh(&mut tx, id).await?;
        let gone = lofi::gone(&mut tx, id).await?;
        tx.commit().await?;
        Ok(CatalogueOutcome::Applied { gone })
    }
}

/// Puts these songs in the place of those that are known. How many they are, and how many of them
/// have a small rendition.
async fn replace_songs(
    conn: &mut PgConnection,
    artist: Uuid,
    songs: &[CatalogueSong],
) -> Result<(i32, i32), StoreError> {
    let known: Vec<Known> =
        sqlx::query_as("DELETE FROM songs WHERE artist_id = $1 RETURNING path, plays_total")
            .bind(artist)
            .fetch_all(&mut *conn)
            .await?;
    let by_path: HashMap<&str, &Known> = known.iter().map(|k| (k.path.as_str(), k)).collect();
    let (mut ids, mut titles, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bytes, mut plays, mut durations) = (Vec::new(), Vec::new(), Vec::new());
    let (mut has, mut lofi, mut awaits) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    for song in songs {
        // A path that is no text cannot be a song's here; the page plays it all the same.
        let Ok(path) = std::str::from_utf8(song.path.as_bytes()) else { continue };
        let before = by_path.get(path);
        let id = song.id;
        if !taken.insert(id) {
            continue;
        }
        ids.push(id);
        titles.push(song.title.replace('\0', ""));
        paths.push(path.to_owned());
        bytes.push(i64::try_from(song.bytes).unwrap_or(i64::MAX));
        plays.push(before.map_or(0, |k| k.plays_total));
        durations.push(i64::try_from(song.duration_ms).unwrap_or(0));
        has.push(song.has_lofi);
        lofi.push(song.lofi.as_ref().filter(|_| song.has_lofi).map(Json));
        awaits.push(song.awaits_lofi);
    }
    let inserted = sqlx::query(
        "INSERT INTO songs (id, artist_id, position, title, path, bytes, plays_total, duration_ms,
             has_lofi, lofi, awaits_lofi)
         SELECT u.id, $1, (u.n - 1)::int, u.title, u.path, u.bytes, u.plays, u.duration, u.has,
             u.lofi, u.awaits
         FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                 $8::boolean[], $9::jsonb[], $10::boolean[])
             WITH ORDINALITY
             AS u(id, title, path, bytes, plays, duration, has, lofi, awaits, n)",
    )
    .bind(artist)
    .bind(ids)
    .bind(titles)
    .bind(paths)
    .bind(bytes)
    .bind(plays)
    .bind(durations)
    .bind(&has)
    .bind(lofi)
    .bind(awaits)
    .execute(conn)
    .await?;
    let lofis = has.iter().filter(|has| **has).count();
    let count = |n| i32::try_from(n).unwrap_or(i32::MAX);
    Ok((count(inserted.rows_affected()), count(lofis as u64)))
}
