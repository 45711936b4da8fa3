//! Plays: applied in batches, each exactly once.

use crate::{Store, StoreError, tries::Tries};
use chrono::NaiveDate;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use tourbus_domain::Slug;
use tourbus_protocol::PlayCount;
use uuid::Uuid;

/// Batches are remembered this long, in days: no delivery comes again after it.
const BATCH_KEEP_DAYS: i32 = 60;

/// A batch of plays, and the server that counted them.
#[derive(Debug, Clone)]
pub struct PlaysFrom {
    /// The server.
    pub server: Slug,
    /// The batch.
    pub batch: Uuid,
    /// The plays.
    pub counts: Vec<PlayCount>,
}

/// What came of applying batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlaysApplied {
    /// Plays that count now.
    pub plays: u64,
    /// Plays of artists who do not live on the server that told them, and have not lately.
    pub foreign: u64,
    /// Batches that had been applied before.
    pub repeated: u64,
}

/// What one transaction adds.
#[derive(Default)]
struct Sums {
    artists: BTreeMap<Uuid, i64>,
    artist_days: BTreeMap<(Uuid, NaiveDate), i64>,
    songs: BTreeMap<(Uuid, String), i64>,
    servers: BTreeMap<(Uuid, NaiveDate), i64>,
}

impl Store {
    /// Applies these batches in one transaction; those that were applied before change nothing.
    pub async fn apply_plays(&self, batches: &[PlaysFrom]) -> Result<PlaysApplied, StoreError> {
        let mut tries = Tries::of_messages();
        loop {
            match self.apply_plays_once(batches).await {
                Err(error) => tries.again(error).await?,
                done => return done,
            }
        }
    }

    async fn apply_plays_once(&self, batches: &[PlaysFrom]) -> Result<PlaysApplied, StoreError> {
        let mut tx = self.pool().begin().await?;
        let mut fresh = remember(&mut tx, batches).await?;
        let repeated = (batches.len() - fresh.len()) as u64;
        // Taken out, for the same batch may be here twice.
        let told: Vec<(Uuid, &PlayCount)> = batches
            .iter()
            .filter_map(|b| Some((fresh.remove(&b.batch)?, b)))
            .flat_map(|(server, b)| b.counts.iter().map(move |c| (server, c)))
            .collect();
        let homes = homes(&mut tx, &told).await?;
        let mut applied = PlaysApplied { repeated, ..PlaysApplied::default() };
        let mut sums = Sums::default();
        for (server, count) in told {
            if homes.contains(&(count.artist_id.0, server)) {
                applied.plays += u64::from(count.plays);
                sums.add(server, count);
            } else {
                applied.foreign += u64::from(count.plays);
            }
        }
        sums.write(&mut tx).await?;
        tx.commit().await?;
        Ok(applied)
    }

    /// Takes the days that have left the last 30 off the artists, one transaction a day. How many
    /// days.
    pub async fn advance_plays_window(&self) -> Result<u32, StoreError> {
        let today: NaiveDate = sqlx::query_scalar("SELECT (now() AT TIME ZONE 'UTC')::date")
            .fetch_one(self.pool())
            .await?;
        self.advance_plays_window_to(today).await
    }

    /// The same, as of a day.
    pub async fn advance_plays_window_to(&self, today: NaiveDate) -> Result<u32, StoreError> {
        let mut days = 0;
        while self.take_off_a_day(today).await? {
            days += 1;
        }
        Ok(days)
    }

    async fn take_off_a_day(&self, today: NaiveDate) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let day: Option<NaiveDate> = sqlx::query_scalar(
            "UPDATE plays_window SET gone_day = gone_day + 1
             WHERE gone_day < $1::date - 30 RETURNING gone_day",
        )
        .bind(today)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(day) = day else { return Ok(false) };
        let artists: Vec<Uuid> = sqlx::query_scalar(
            "SELECT a.id FROM artists a JOIN artist_days d ON d.artist_id = a.id
             WHERE d.day = $1 ORDER BY a.id FOR NO KEY UPDATE OF a",
        )
        .bind(day)
        .fetch_all(&mut *tx)
        .await?;
        lock_servers(&mut tx, &artists).await?;
        sqlx::query(
            "UPDATE artists a SET plays_30d = greatest(a.plays_30d - d.plays, 0)
             FROM artist_days d WHERE d.artist_id = a.id AND d.day = $1",
        )
        .bind(day)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets batches that nobody delivers again.
    pub async fn prune_play_batches(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query(
            "DELETE FROM play_batches WHERE applied_at < now() - make_interval(days => $1)",
        )
        .bind(BATCH_KEEP_DAYS)
        .execute(self.pool())
        .await?;
        Ok(pruned.rows_affected())
    }
}

/// Which batches are new, each with the id of its server. Batches of unknown servers are not.
async fn remember(
    conn: &mut PgConnection,
    batches: &[PlaysFrom],
) -> Result<BTreeMap<Uuid, Uuid>, StoreError> {
    let plays = |b: &PlaysFrom| b.counts.iter().map(|c| i64::from(c.plays)).sum::<i64>();
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "INSERT INTO play_batches (id, server_id, plays)
         SELECT DISTINCT ON (u.id) u.id, s.id, u.plays
         FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS u(id, slug, plays)
         JOIN servers s ON s.slug = u.slug AND s.deleted_at IS NULL
         ORDER BY u.id ON CONFLICT (id) DO NOTHING RETURNING id, server_id",
    )
    .bind(batches.iter().map(|b| b.batch).collect::<Vec<_>>())
    .bind(batches.iter().map(|b| b.server.to_string()).collect::<Vec<_>>())
    .bind(batches.iter().map(plays).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Locks the artists of these plays. Returns which server may speak of whom: an artist's home, and
/// every server that it has moved away from, for streams go on there.
async fn homes(
    conn: &mut PgConnection,
    told: &[(Uuid, &PlayCount)],
) -> Result<BTreeSet<(Uuid, Uuid)>, StoreError> {
    let artists: BTreeSet<Uuid> = told.iter().map(|(_, c)| c.artist_id.0).collect();
    let artists: Vec<Uuid> = artists.into_iter().collect();
    let homes: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT id, server_id FROM artists WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(&artists)
    .fetch_all(&mut *conn)
    .await?;
    let former: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT DISTINCT artist_id, source_server_id FROM jobs
         WHERE artist_id = ANY($1) AND kind = 'move' AND state IN ('retiring', 'succeeded')",
    )
    .bind(&artists)
    .fetch_all(&mut *conn)
    .await?;
    lock_servers(conn, &artists).await?;
    Ok(homes.into_iter().chain(former).collect())
}

/// A change of artists changes the counters of their servers, by a trigger: lock them in order
/// first.
pub(crate) async fn lock_servers(
    conn: &mut PgConnection,
    artists: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT FROM servers WHERE id IN (SELECT server_id FROM artists WHERE id = ANY($1))
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(artists)
    .execute(conn)
    .await?;
    Ok(())
}

impl Sums {
    fn add(&mut self, server: Uuid, count: &PlayCount) {
        let (artist, plays) = (count.artist_id.0, i64::from(count.plays));
        *self.artists.entry(artist).or_default() += plays;
        *self.artist_days.entry((artist, count.day)).or_default() += plays;
        *self.servers.entry((server, count.day)).or_default() += plays;
        // A path that is no text is no song's of the catalogue.
        if let Ok(path) = std::str::from_utf8(count.path.as_bytes()) {
            *self.songs.entry((artist, path.to_owned())).or_default() += plays;
        }
    }

    async fn write(self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if self.artists.is_empty() {
            return Ok(());
        }
        let (ids, plays): (Vec<Uuid>, Vec<i64>) = self.artists.into_iter().unzip();
        let ((of, days), per_day): ((Vec<Uuid>, Vec<NaiveDate>), Vec<i64>) =
            self.artist_days.into_iter().unzip();
        sqlx::query(
            "INSERT INTO artist_days (artist_id, day, plays)
             SELECT * FROM UNNEST($1::uuid[], $2::date[], $3::bigint[])
             ON CONFLICT (artist_id, day) DO UPDATE SET plays = artist_days.plays + excluded.plays",
        )
        .bind(&of)
        .bind(&days)
        .bind(&per_day)
        .execute(&mut *conn)
        .await?;
        // Plays that come so late that their day has left the window count in the total alone.
        sqlx::query(
            "UPDATE artists a SET plays_total = a.plays_total + u.plays,
                 plays_30d = a.plays_30d + coalesce(w.plays, 0)
             FROM UNNEST($1::uuid[], $2::bigint[]) AS u(id, plays)
             LEFT JOIN (SELECT x.id, sum(x.plays)::bigint AS plays
                  FROM UNNEST($3::uuid[], $4::date[], $5::bigint[]) AS x(id, day, plays)
                  WHERE x.day > (SELECT gone_day FROM plays_window) GROUP BY x.id) w USING (id)
             WHERE a.id = u.id",
        )
        .bind(&ids)
        .bind(&plays)
        .bind(&of)
        .bind(&days)
        .bind(&per_day)
        .execute(&mut *conn)
        .await?;
        let ((artists, paths), plays): ((Vec<Uuid>, Vec<String>), Vec<i64>) =
            self.songs.into_iter().unzip();
        sqlx::query(
            "UPDATE songs s SET plays_total = s.plays_total + u.plays
             FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS u(artist, path, plays)
             WHERE s.artist_id = u.artist AND s.path = u.path",
        )
        .bind(artists)
        .bind(paths)
        .bind(plays)
        .execute(&mut *conn)
        .await?;
        let ((servers, days), plays): ((Vec<Uuid>, Vec<NaiveDate>), Vec<i64>) =
            self.servers.into_iter().unzip();
        sqlx::query(
            "INSERT INTO server_days (server_id, day, plays)
             SELECT * FROM UNNEST($1::uuid[], $2::date[], $3::bigint[])
             ON CONFLICT (server_id, day) DO UPDATE SET plays = server_days.plays + excluded.plays",
        )
        .bind(servers)
        .bind(days)
        .bind(plays)
        .execute(conn)
        .await?;
        Ok(())
    }
}
