//! A request to verify artists: dry, or queued as one batch.

use super::write::{self, Picked};
use crate::{
    Action, By, Deed, Store, StoreError, audit,
    jobs_core::Held,
    notify,
    once::{self, Claimed},
    tries::Tries,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use std::collections::{BTreeMap, HashSet};
use tourbus_domain::{ArtistId, BatchId, ServerId};
use uuid::Uuid;

/// Artists of one request at most.
pub const ARTISTS_PER_VERIFY_MAX: usize = 100_000;

/// Which artists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyWhich {
    /// These.
    Artists(Vec<ArtistId>),
    /// All who live on this server.
    Server(ServerId),
    /// All there are.
    All,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// Who asks.
    pub by: By,
    /// Which artists.
    pub which: VerifyWhich,
    /// How fast each worker reads, in bytes per second; none for the cluster's setting.
    pub rate_bytes_s: Option<u64>,
    /// Why, for people to read; may be empty.
    pub reason: String,
    /// Answer, but change nothing.
    pub dry_run: bool,
}

/// Why an artist is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyRefusal {
    /// No artist has this id.
    Unknown,
    /// A job reads the artist's files already.
    Queued,
}

impl VerifyRefusal {
    /// The stable name, as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Queued => "queued",
        }
    }
}

/// What one server has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyShare {
    /// The server.
    pub server_id: ServerId,
    /// Artists whose files are read.
    pub artists: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// How long one worker takes for that at the rate that was asked for, in seconds.
    pub estimate_s: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyAnswer {
    /// The batch; none for a dry run, and when nothing was accepted.
    pub batch_id: Option<BatchId>,
    /// Artists that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others, each with the reason.
    pub refused: Vec<(ArtistId, VerifyRefusal)>,
    /// Who has what to do.
    pub shares: Vec<VerifyShare>,
    /// How fast each worker reads, in bytes per second.
    pub rate_bytes_s: u64,
    /// More artists than one batch takes: nothing was queued.
    pub too_many: bool,
}

/// What came of a request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyOnce {
    /// Done, now or before.
    Answer(VerifyAnswer),
    /// The key was used before for another request.
    Conflict,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    picked: Picked,
    queued: bool,
}

impl Store {
    /// Queues a verify of every artist that is asked for, in one transaction; with a key, once per
    /// account and key. `key`: 1 to 255 characters, and a hash of the request.
    pub async fn enqueue_verify(
        &self,
        request: &VerifyRequest,
        key: Option<(&str, &[u8])>,
    ) -> Result<VerifyOnce, StoreError> {
        let mut tries = Tries::of_request();
        loop {
            match self.enqueue_verify_now(request, key).await {
                Ok(Some(once)) => return Ok(once),
                Ok(None) => tries.count(once::gone())?,
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// `None` when the key's row has gone between two looks at it.
    async fn enqueue_verify_now(
        &self,
        request: &VerifyRequest,
        key: Option<(&str, &[u8])>,
    ) -> Result<Option<VerifyOnce>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let key = key.filter(|_| !request.dry_run).zip(request.by.account_id);
        if let Some(((key, hash), account)) = key {
            match once::claim(&mut tx, account, key, hash).await? {
                Claimed::Ours => {}
                Claimed::Before(answer) => return Ok(Some(VerifyOnce::Answer(answer))),
                Claimed::Conflict => return Ok(Some(VerifyOnce::Conflict)),
                Claimed::Gone => return Ok(None),
            }
        }
        let answer = enqueue(&mut tx, request).await?;
        if let Some(((key, _), account)) = key {
            once::keep(&mut tx, account, key, &answer).await?;
        }
        // Nothing was written otherwise.
        if answer.batch_id.is_some() || key.is_some() {
            tx.commit().await?;
        }
        Ok(Some(VerifyOnce::Answer(answer)))
    }
}

async fn enqueue(
    conn: &mut PgConnection,
    request: &VerifyRequest,
) -> Result<VerifyAnswer, StoreError> {
    let rate_bytes_s = match request.rate_bytes_s {
        Some(rate) => rate,
        None => super::due::rate(conn).await?,
    };
    let rows = pick(conn, &request.which).await?;
    let too_many = rows.len() > ARTISTS_PER_VERIFY_MAX;
    let mut refused = unknown(&request.which, &rows);
    let (queued, free): (Vec<_>, Vec<_>) = rows.into_iter().partition(|r| r.queued);
    let mut busy: Vec<Uuid> = queued.into_iter().map(|r| r.picked.id).collect();
    let mut free: Vec<Picked> = free.into_iter().map(|r| r.picked).collect();
    let mut batch_id = None;
    if !request.dry_run && !too_many && !free.is_empty() {
        let (batch, ours) = batch(conn, request, &free, rate_bytes_s).await?;
        // What somebody else has queued since we looked.
        busy.extend(free.iter().map(|p| p.id).filter(|id| !ours.contains(id)));
        free.retain(|p| ours.contains(&p.id));
        batch_id = batch;
    }
    refused.extend(busy.into_iter().map(|id| (ArtistId(id), VerifyRefusal::Queued)));
    let (accepted, shares) = (free.len() as u64, shares(&free, rate_bytes_s));
    Ok(VerifyAnswer { batch_id, accepted, refused, shares, rate_bytes_s, too_many })
}

/// The artists in question; one more than a batch takes, if there are.
async fn pick(conn: &mut PgConnection, which: &VerifyWhich) -> Result<Vec<Row>, StoreError> {
    let mut sql: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT a.id, a.slug, a.server_id, a.bytes, EXISTS (SELECT FROM jobs j
             WHERE j.artist_id = a.id AND j.kind = 'verify'
                 AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')) AS queued
         FROM artists a WHERE true",
    );
    match which {
        VerifyWhich::Artists(ids) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            sql.push(" AND a.id = ANY(").push_bind(ids).push(")");
        }
        VerifyWhich::Server(id) => {
            sql.push(" AND a.server_id = ").push_bind(id.0);
        }
        VerifyWhich::All => {}
    }
    sql.push(" ORDER BY a.id LIMIT ").push_bind(ARTISTS_PER_VERIFY_MAX as i64 + 1);
    Ok(sql.build_query_as().persistent(false).fetch_all(conn).await?)
}

/// Of artists that are named, those that are not there.
fn unknown(which: &VerifyWhich, rows: &[Row]) -> Vec<(ArtistId, VerifyRefusal)> {
    let VerifyWhich::Artists(ids) = which else { return Vec::new() };
    let found: HashSet<Uuid> = rows.iter().map(|r| r.picked.id).collect();
    let missing = ids.iter().filter(|id| !found.contains(&id.0));
    missing.map(|id| (*id, VerifyRefusal::Unknown)).collect()
}

/// Queues these artists as one batch. The batch, none when nobody was left; and whose jobs are ours.
async fn batch(
    conn: &mut PgConnection,
    request: &VerifyRequest,
    picked: &[Picked],
    rate_bytes_s: u64,
) -> Result<(Option<BatchId>, HashSet<Uuid>), StoreError> {
    let id = BatchId::new();
    sqlx::query(
        "INSERT INTO batches (id, kind, account_id, requested_by, reason)
         VALUES ($1, 'verify', $2, $3, $4)",
    )
    .bind(id.0)
    .bind(request.by.account_id)
    .bind(&request.by.actor)
    .bind(&request.reason)
    .execute(&mut *conn)
    .await?;
    let jobs: Vec<Held> = write::jobs(conn, Some(id), picked, rate_bytes_s).await?;
    if jobs.is_empty() {
        sqlx::query("DELETE FROM batches WHERE id = $1").bind(id.0).execute(conn).await?;
        return Ok((None, HashSet::new()));
    }
    sqlx::query(
        "UPDATE batches SET jobs_total = $2, jobs_queued = $2, bytes_total = $3 WHERE id = $1",
    )
    .bind(id.0)
    .bind(jobs.len() as i32)
    .bind(jobs.iter().map(|h| h.job.totals.bytes).sum::<u64>() as i64)
    .execute(&mut *conn)
    .await?;
    let detail = json!({ "accepted": jobs.len(), "rate_bytes_s": rate_bytes_s });
    let deed = Deed::done(&request.by, Action::VerifyQueue, format!("batch:{id}"))
        .reason(&request.reason)
        .detail(detail);
    audit::record(conn, &[deed]).await?;
    notify::changed(conn, &[], &[id.0]).await?;
    Ok((Some(id), jobs.iter().map(|h| h.job.artist_id.0).collect()))
}

fn shares(picked: &[Picked], rate_bytes_s: u64) -> Vec<VerifyShare> {
    let mut by_server: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
    for one in picked {
        let (artists, bytes) = by_server.entry(one.server_id).or_default();
        *artists += 1;
        *bytes += one.bytes.unsigned_abs();
    }
    let share = |(server, (artists, bytes)): (Uuid, (u64, u64))| VerifyShare {
        server_id: ServerId(server),
        artists,
        bytes,
        estimate_s: bytes.div_ceil(rate_bytes_s.max(1)),
    };
    by_server.into_iter().map(share).collect()
}
