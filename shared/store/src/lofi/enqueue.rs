//! A request for many songs: dry, or queued as one batch.

use super::write::{self, Picked};
use crate::{By, Store, StoreError, tries::Tries};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use std::collections::{BTreeMap, HashSet};
use tourbus_domain::{ArtistId, BatchId, Lane, ServerId};
use uuid::Uuid;

/// Songs of one request at most.
pub const SONGS_PER_BATCH_MAX: usize = 100_000;

/// Which songs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LofiSongs {
    /// These.
    Songs(Vec<Uuid>),
    /// All of these artists.
    Artists(Vec<ArtistId>),
    /// All of the artists who live on this server.
    Server(ServerId),
    /// All there are.
    All,
}

/// Which of the songs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LofiWhich {
    /// All, anew.
    #[default]
    All,
    /// Those that have no rendition.
    Missing,
    /// Those that have none by the very profile that is asked for.
    Outdated,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct LofiRequest {
    /// Who asks.
    pub by: By,
    /// Which songs.
    pub songs: LofiSongs,
    /// By which profile; none for each artist's own, or the cluster's.
    pub profile: Option<String>,
    /// Which of them.
    pub which: LofiWhich,
    /// On the lane of fresh uploads, before everything that waits in bulk.
    pub express: bool,
    /// Why, for people to read; may be empty.
    pub reason: String,
    /// Answer, but change nothing.
    pub dry_run: bool,
}

/// Why a song is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LofiRefusal {
    /// No song has this id.
    Unknown,
    /// A job makes its rendition already.
    Queued,
}

impl LofiRefusal {
    /// The stable name, as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Queued => "queued",
        }
    }
}

/// What one server has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct LofiShare {
    /// The server.
    pub server_id: ServerId,
    /// Songs to convert.
    pub songs: u64,
    /// Their length, as far as it is known, in milliseconds.
    pub audio_ms: u64,
    /// How long that may take, by what the server did lately, in milliseconds; none when it has
    /// done nothing yet, or no worker of it converts.
    pub estimate_ms: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LofiAnswer {
    /// The batch; none for a dry run, and when nothing was accepted.
    pub batch_id: Option<BatchId>,
    /// Songs that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others, each with the reason.
    pub refused: Vec<(Uuid, LofiRefusal)>,
    /// Who has what to do.
    pub shares: Vec<LofiShare>,
    /// More songs than one batch takes: nothing was queued.
    pub too_many: bool,
}

#[derive(FromRow)]
struct PickedRow {
    id: Uuid,
    path: String,
    bytes: i64,
    duration_ms: i64,
    artist_id: Uuid,
    slug: String,
    server_id: Uuid,
    profile: String,
    spec: Option<serde_json::Value>,
    queued: bool,
}

impl Store {
    /// Queues a conversion of every song that is asked for, in one transaction.
    pub async fn enqueue_lofi(&self, request: &LofiRequest) -> Result<LofiAnswer, StoreError> {
        let mut tries = Tries::of_request();
        loop {
            match self.enqueue_lofi_now(request).await {
                Err(error) => tries.again(error).await?,
                done => return done,
            }
        }
    }

    async fn enqueue_lofi_now(&self, request: &LofiRequest) -> Result<LofiAnswer, StoreError> {
        let mut tx = self.pool().begin().await?;
        let rows = pick(&mut tx, request).await?;
        let too_many = rows.len() > SONGS_PER_BATCH_MAX;
        let mut refused = unknown(request, &rows);
        let (queued, mut free): (Vec<_>, Vec<_>) = rows.into_iter().partition(|r| r.queued);
        refused.extend(queued.into_iter().map(|r| (r.id, LofiRefusal::Queued)));
        let dry = request.dry_run || too_many || free.is_empty();
        let mut batch_id = None;
        if !dry {
            let lane = if request.express { Lane::Lofi } else { Lane::LofiBulk };
            let picked = free.iter().map(|row| row.picked(request)).collect::<Result<Vec<_>, _>>();
            let written = write::batch(&mut tx, request, &picked?, lane).await?;
            // What somebody else has queued since we looked.
            let (ours, others): (Vec<_>, Vec<_>) =
                free.into_iter().partition(|r| written.songs.contains(&r.id));
            refused.extend(others.into_iter().map(|r| (r.id, LofiRefusal::Queued)));
            free = ours;
            batch_id = written.batch;
        }
        let shares = shares(&mut tx, &free).await?;
        // Without a batch nothing was written.
        if batch_id.is_some() {
            tx.commit().await?;
        }
        Ok(LofiAnswer { batch_id, accepted: free.len() as u64, refused, shares, too_many })
    }
}

impl PickedRow {
    fn picked(&self, request: &LofiRequest) -> Result<Picked, StoreError> {
        Picked::new(
            self.id,
            &self.path,
            self.bytes,
            (self.artist_id, &self.slug, self.server_id),
            (&self.profile, self.spec.clone()),
            request.which == LofiWhich::All,
        )
    }
}

/// The songs in question, with what is known of them; one more than a batch takes, if there are.
async fn pick(
    conn: &mut PgConnection,
    request: &LofiRequest,
) -> Result<Vec<PickedRow>, StoreError> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT s.id, s.path, s.bytes, s.duration_ms, s.artist_id, a.slug, a.server_id, \
             w.profile, p.spec, EXISTS (SELECT FROM jobs j WHERE j.song_id = s.id \
                 AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')) AS queued \
         FROM songs s JOIN artists a ON a.id = s.artist_id CROSS JOIN cluster_settings c \
         CROSS JOIN LATERAL (SELECT coalesce(",
    );
    sql.push_bind(request.profile.clone());
    sql.push(
        ", a.lofi_profile, c.lofi_profile) AS profile) w \
         LEFT JOIN lofi_profiles p ON p.name = w.profile WHERE true",
    );
    match &request.songs {
        LofiSongs::Songs(ids) => {
            sql.push(" AND s.id = ANY(").push_bind(ids.clone()).push(")");
        }
        LofiSongs::Artists(ids) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            sql.push(" AND s.artist_id = ANY(").push_bind(ids).push(")");
        }
        LofiSongs::Server(id) => {
            sql.push(" AND a.server_id = ").push_bind(id.0);
        }
        LofiSongs::All => {}
    }
    match request.which {
        LofiWhich::All => {}
        LofiWhich::Missing => {
            sql.push(" AND NOT s.has_lofi");
        }
        LofiWhich::Outdated => {
            sql.push(" AND s.lofi->>'profile' IS DISTINCT FROM w.profile");
        }
    }
    sql.push(" ORDER BY s.id LIMIT ").push_bind(SONGS_PER_BATCH_MAX as i64 + 1);
    Ok(sql.build_query_as().persistent(false).fetch_all(conn).await?)
}

/// Of songs that are named, those that are not there.
fn unknown(request: &LofiRequest, rows: &[PickedRow]) -> Vec<(Uuid, LofiRefusal)> {
    let LofiSongs::Songs(ids) = &request.songs else { return Vec::new() };
    if request.which != LofiWhich::All {
        return Vec::new();
    }
    let found: HashSet<Uuid> = rows.iter().map(|r| r.id).collect();
    let missing = ids.iter().filter(|id| !found.contains(id));
    missing.map(|id| (*id, LofiRefusal::Unknown)).collect()
}

#[derive(FromRow)]
struct PaceRow {
    server_id: Uuid,
    /// Milliseconds of work for one of audio.
    pace: Option<f64>,
    slots: i64,
}

async fn shares(conn: &mut PgConnection, rows: &[PickedRow]) -> Result<Vec<LofiShare>, StoreError> {
    let mut by_server: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let (songs, audio_ms) = by_server.entry(row.server_id).or_default();
        *songs += 1;
        *audio_ms += row.duration_ms.unsigned_abs();
    }
    let servers: Vec<Uuid> = by_server.keys().copied().collect();
    let paces: Vec<PaceRow> = sqlx::query_as(
        "SELECT v.id AS server_id, (
             SELECT sum(r.took)::float8 / nullif(sum(r.audio), 0)::float8 FROM (
                 SELECT (e.detail->>'took_ms')::bigint AS took, (e.detail->>'audio_ms')::bigint AS audio
                 FROM job_events e JOIN jobs j ON j.id = e.job_id
                 WHERE e.name = 'lofi_made' AND e.at > now() - interval '1 day'
                     AND e.detail->>'made' = 'encoded' AND j.target_server_id = v.id
                 ORDER BY e.at DESC LIMIT 200) r) AS pace,
             coalesce((SELECT sum(w.lofi_slots) FROM workers w WHERE w.server_id = v.id
                 AND w.last_seen_at > now() - interval '1 minute'), 0)::bigint AS slots
         FROM servers v WHERE v.id = ANY($1)",
    )
    .bind(&servers)
    .fetch_all(conn)
    .await?;
    let share = |(server, (songs, audio_ms)): (Uuid, (u64, u64))| {
        let pace = paces.iter().find(|p| p.server_id == server).filter(|p| p.slots > 0);
        let estimate_ms = pace
            .and_then(|p| p.pace.map(|pace| audio_ms as f64 * pace / p.slots as f64))
            .map(|ms| ms as u64);
        LofiShare { server_id: ServerId(server), songs, audio_ms, estimate_ms }
    };
    Ok(by_server.into_iter().map(share).collect())
}
