//! Lists of jobs, one key-set page at a time.

use crate::{Store, StoreError, artists::like_pattern};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{ArtistId, BatchId, JobId, JobState, ServerId};
use uuid::Uuid;

/// Where a page of a list, the newest first, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct NewestCursor {
    /// When the last row was made.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// States that people think of as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobGroup {
    /// Waits on a lane.
    Waiting,
    /// Runs, or is being undone.
    Running,
    /// Succeeded.
    Moved,
    /// Failed or is stuck.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl JobGroup {
    /// Every group, as a person looks for them: what needs eyes first.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Failed, Self::Waiting, Self::Moved, Self::Cancelled];

    /// The states in it.
    pub const fn states(self) -> &'static [JobState] {
        use JobState as S;
        match self {
            Self::Waiting => &[S::Queued],
            Self::Running => {
                &[S::Running, S::Copying, S::Syncing, S::Cutover, S::Retiring, S::RollingBack]
            }
            Self::Moved => &[S::Succeeded],
            Self::Failed => &[S::Failed, S::Stuck],
            Self::Cancelled => &[S::Cancelled],
        }
    }

    /// The stable name, as in a page's URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Moved => "moved",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The group of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.as_str() == text)
    }

    /// The group a state is in.
    pub fn of(state: JobState) -> Self {
        Self::ALL.into_iter().find(|g| g.states().contains(&state)).unwrap_or(Self::Running)
    }
}

/// If a name in a filter means more artists than this, jobs are looked through for it, the newest
/// first, instead of being collected from those artists.
const FEW_ARTISTS_MAX: usize = 500;

/// Likewise the batches that a person asked for.
const FEW_BATCHES_MAX: usize = 500;

/// What a filter means in rows of another table.
pub(crate) enum Meant {
    Any,
    /// These.
    Few(Vec<Uuid>),
    /// Those with this: too many to name.
    Many(String),
}

impl Meant {
    fn of(found: Vec<Uuid>, few_max: usize, what: String) -> Self {
        if found.len() > few_max { Self::Many(what) } else { Self::Few(found) }
    }
}

/// Whose jobs.
pub(super) struct Whose {
    artists: Meant,
    batches: Meant,
}

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Of this batch.
    pub batch_id: Option<BatchId>,
    /// In one of these states; empty means any.
    pub states: Vec<JobState>,
    /// Of this kind.
    pub kind: Option<String>,
    /// From or to this server.
    pub server_id: Option<ServerId>,
    /// Of artists whose name has this in it, or of the one with this id.
    pub artist: Option<String>,
    /// Of batches that this person asked for, exactly.
    pub requested_by: Option<String>,
    /// Queued at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Queued before this time.
    pub until: Option<DateTime<Utc>>,
    /// After this row.
    pub after: Option<NewestCursor>,
    /// At most this many.
    pub limit: u32,
}

/// A job as pages and scripts see it.
// The flags are facts of their own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, FromRow)]
pub struct JobRow {
    /// The job.
    pub id: Uuid,
    /// What asked for it; none for a task that follows from something else.
    pub batch_id: Option<Uuid>,
    /// A `JobKind`'s name.
    pub kind: String,
    /// A `JobState`'s name.
    pub state: String,
    /// The artist.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// The artist's name in URLs.
    pub artist_slug: String,
    /// Where the artist lives now.
    pub artist_server_id: Uuid,
    /// Whether another job holds the artist.
    pub artist_held: bool,
    /// Whether it is queued, but held back by somebody.
    pub paused: bool,
    /// From where.
    pub source_server_id: Uuid,
    /// To where.
    pub target_server_id: Uuid,
    /// Files found so far.
    pub files_total: i64,
    /// Size of the tree; before the walk has ended, as last known.
    pub bytes_total: i64,
    /// Bytes in the staging bucket.
    pub bytes_staged: i64,
    /// Bytes at the target, verified.
    pub bytes_done: i64,
    /// Somebody asked to stop it.
    pub cancel_requested: bool,
    /// Whether it overtakes the backlog.
    pub express: bool,
    /// Whether it waits among what is converted in bulk.
    pub bulk: bool,
    /// The song that it is about; none for a job about all of an artist.
    pub song_id: Option<Uuid>,
    /// That song's title, if it is still there.
    pub song_title: Option<String>,
    /// Servers whose workers have it in hand, or will once they take it from their lanes.
    pub at_servers: Vec<Uuid>,
    /// Files that its reading found wrong and that nobody has resolved.
    pub findings: i64,
    /// Why it failed, or what it last tripped over.
    pub error: Option<Value>,
    /// The request that it follows from: a `traceparent`.
    pub trace_parent: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

const COLUMNS: &str = "SELECT j.id, j.batch_id, j.kind, j.state, j.artist_id, \
     a.name AS artist_name, a.slug AS artist_slug, a.server_id AS artist_server_id, \
     coalesce(a.operating_job_id <> j.id, false) AS artist_held, j.source_server_id, j.target_server_id, \
     j.files_total, j.bytes_total, j.bytes_staged, j.bytes_done, j.cancel_requested, \
     EXISTS (SELECT FROM steps s WHERE s.job_id = j.id AND s.kind = 'export' \
             AND s.lane = 'express') AS express, \
     EXISTS (SELECT FROM steps s WHERE s.job_id = j.id AND s.lane = 'lofi-bulk') AS bulk, \
     (j.state = 'queued' AND EXISTS (SELECT FROM steps s WHERE s.job_id = j.id \
             AND s.state = 'waiting')) AS paused, \
     j.song_id, (SELECT title FROM songs s WHERE s.id = j.song_id) AS song_title, \
     ARRAY(SELECT DISTINCT s.server_id FROM steps s WHERE s.job_id = j.id \
           AND s.state IN ('sent', 'running')) AS at_servers, \
     CASE WHEN j.kind = 'verify' THEN (SELECT count(*) FROM verify_findings f \
           WHERE f.artist_id = j.artist_id AND f.job_id = j.id AND f.resolved_at IS NULL) \
          ELSE 0 END AS findings, \
     j.error, j.trace_parent, j.created_at, j.started_at, j.finished_at, j.updated_at \
     FROM jobs j JOIN artists a ON a.id = j.artist_id";

/// What needs eyes first: running (the longest first), failed, waiting, done, cancelled (of what
/// has ended, the latest first).
const RANK: &str = "CASE j.state WHEN 'failed' THEN 1 WHEN 'stuck' THEN 1 WHEN 'queued' THEN 2 \
     WHEN 'succeeded' THEN 3 WHEN 'cancelled' THEN 4 ELSE 0 END, \
     j.finished_at DESC NULLS LAST, j.started_at, j.id";

fn push_states(sql: &mut QueryBuilder<Postgres>, states: &[JobState]) {
    // One alone comes out of the index in the order that is wanted.
    if let [state] = states {
        sql.push(" AND j.state = ").push_bind(state.as_str());
    } else if !states.is_empty() {
        let states: Vec<String> = states.iter().map(|s| s.as_str().to_owned()).collect();
        sql.push(" AND j.state = ANY(").push_bind(states).push(")");
    }
}

/// The ids of one page of jobs.
fn page_of(
    sql: &mut QueryBuilder<Postgres>,
    query: &JobQuery,
    whose: &Whose,
    states: &[JobState],
    server: Option<(&'static str, ServerId)>,
) {
    sql.push("SELECT j.id FROM jobs j WHERE true");
    if let Some(batch) = query.batch_id {
        sql.push(" AND j.batch_id = ").push_bind(batch.0);
    }
    push_states(sql, states);
    if let Some(kind) = &query.kind {
        sql.push(" AND j.kind = ").push_bind(kind.clone());
    }
    if let Some((column, server)) = server {
        sql.push(" AND j.").push(column).push(" = ").push_bind(server.0);
    }
    match &whose.artists {
        Meant::Any => {}
        Meant::Few(ids) => {
            sql.push(" AND j.artist_id = ANY(").push_bind(ids.clone()).push(")");
        }
        Meant::Many(pattern) => {
            sql.push(" AND EXISTS (SELECT FROM artists a WHERE a.id = j.artist_id AND lower(a.name) LIKE ");
            sql.push_bind(pattern.clone()).push(")");
        }
    }
    match &whose.batches {
        Meant::Any => {}
        Meant::Few(ids) => {
            sql.push(" AND j.batch_id = ANY(").push_bind(ids.clone()).push(")");
        }
        Meant::Many(person) => {
            sql.push(" AND j.batch_id IN (SELECT b.id FROM batches b WHERE b.requested_by = ");
            sql.push_bind(person.clone()).push(")");
        }
    }
    if let Some(since) = query.since {
        sql.push(" AND j.created_at >= ").push_bind(since);
    }
    if let Some(until) = query.until {
        sql.push(" AND j.created_at < ").push_bind(until);
    }
    if let Some(after) = query.after {
        sql.push(" AND (j.created_at, j.id) < (").push_bind(after.created_at);
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(" ORDER BY j.created_at DESC, j.id DESC LIMIT ").push_bind(i64::from(query.limit));
}

/// The ids of one page. From and to a server, and the states of one kind, are each a page by its own
/// index, of which the outer query takes the newest.
fn ids_of(sql: &mut QueryBuilder<Postgres>, query: &JobQuery, whose: &Whose) {
    let servers = match query.server_id {
        None => vec![None],
        Some(id) => vec![Some(("source_server_id", id)), Some(("target_server_id", id))],
    };
    let states: Vec<&[JobState]> = if query.kind.is_some() && query.states.len() > 1 {
        query.states.chunks(1).collect()
    } else {
        vec![&query.states]
    };
    if let ([server], [states]) = (&*servers, &*states) {
        return page_of(sql, query, whose, states, *server);
    }
    let mut glue = "SELECT id FROM ((";
    for server in servers {
        for states in &states {
            sql.push(glue);
            page_of(sql, query, whose, states, server);
            glue = ") UNION (";
        }
    }
    sql.push(")) every_way");
}

/// A page of jobs by these columns of `m`, which has `created_at` and `id`.
pub(super) fn matching(
    query: &JobQuery,
    whose: &Whose,
    columns: &'static str,
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(columns).push(" FROM (SELECT j.created_at, j.id FROM jobs j WHERE j.id = ANY(ARRAY(");
    ids_of(&mut sql, query, whose);
    sql.push(")) ORDER BY j.created_at DESC, j.id DESC LIMIT ");
    sql.push_bind(i64::from(query.limit)).push(") m");
    sql
}

impl Store {
    /// Whose jobs a query means.
    pub(super) async fn whose(&self, query: &JobQuery) -> Result<Whose, StoreError> {
        Ok(Whose {
            artists: match &query.artist {
                None => Meant::Any,
                Some(artist) => self.artists_meant(artist).await?,
            },
            batches: match &query.requested_by {
                None => Meant::Any,
                Some(person) => self.batches_meant(person).await?,
            },
        })
    }

    /// Which artists a filter means: by id, or by a part of the name.
    pub(crate) async fn artists_meant(&self, artist: &str) -> Result<Meant, StoreError> {
        if let Ok(id) = artist.parse() {
            return Ok(Meant::Few(vec![id]));
        }
        let pattern = like_pattern(artist);
        let ids = sqlx::query_scalar("SELECT id FROM artists WHERE lower(name) LIKE $1 LIMIT $2")
            .bind(&pattern)
            .bind(FEW_ARTISTS_MAX as i64 + 1)
            .persistent(false)
            .fetch_all(self.pool())
            .await?;
        Ok(Meant::of(ids, FEW_ARTISTS_MAX, pattern))
    }

    async fn batches_meant(&self, person: &str) -> Result<Meant, StoreError> {
        let ids = sqlx::query_scalar("SELECT id FROM batches WHERE requested_by = $1 LIMIT $2")
            .bind(person)
            .bind(FEW_BATCHES_MAX as i64 + 1)
            .fetch_all(self.pool())
            .await?;
        Ok(Meant::of(ids, FEW_BATCHES_MAX, person.to_owned()))
    }

    /// Jobs, the newest first.
    pub async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobRow>, StoreError> {
        // The page is chosen on the narrow rows, and only then joined.
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE j.id = ANY(ARRAY(");
        ids_of(&mut sql, query, &self.whose(query).await?);
        sql.push(")) ORDER BY j.created_at DESC, j.id DESC LIMIT ");
        sql.push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// Jobs of one batch, what needs eyes first. States change between two pages,
    /// so a page may show a job twice or skip one: it is for looking, not for scripts.
    pub async fn batch_jobs(
        &self,
        batch: BatchId,
        states: &[JobState],
        offset: u32,
        limit: u32,
    ) -> Result<Vec<JobRow>, StoreError> {
        // The page is chosen on the narrow rows, and only then joined.
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE j.id = ANY(ARRAY(SELECT j.id FROM jobs j WHERE j.batch_id = ");
        sql.push_bind(batch.0);
        push_states(&mut sql, states);
        sql.push(" ORDER BY ").push(RANK).push(" LIMIT ").push_bind(i64::from(limit));
        sql.push(" OFFSET ").push_bind(i64::from(offset));
        sql.push(")) ORDER BY ").push(RANK);
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// How many jobs of a batch are in each state; states with none are left out.
    pub async fn batch_states(&self, batch: BatchId) -> Result<Vec<(JobState, u64)>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM jobs WHERE batch_id = $1 GROUP BY state")
                .bind(batch.0)
                .fetch_all(self.pool())
                .await?;
        let read = |(state, n): (String, i64)| {
            let state = state.parse().map_err(|e| StoreError::undecodable("jobs", e))?;
            Ok((state, n.unsigned_abs()))
        };
        rows.into_iter().map(read).collect()
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let rows = self.jobs_by_ids(&[id]).await?;
        Ok(rows.into_iter().next())
    }

    /// These jobs, in no particular order.
    pub async fn jobs_by_ids(&self, ids: &[JobId]) -> Result<Vec<JobRow>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push(" WHERE j.id = ANY(").push_bind(ids).push(")");
        Ok(sql.build_query_as().fetch_all(self.pool()).await?)
    }
}

impl Store {
    /// Every artist that a job holds, in no order; for checks that no job has forgotten one.
    pub async fn held_artists(&self) -> Result<Vec<ArtistId>, StoreError> {
        let sql = "SELECT id FROM artists WHERE operating_job_id IS NOT NULL";
        let ids: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(self.pool()).await?;
        Ok(ids.into_iter().map(ArtistId).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_in_exactly_one_group() {
        for state in JobState::ALL {
            let n = JobGroup::ALL.iter().filter(|g| g.states().contains(&state)).count();
            assert_eq!(n, 1, "{state}");
        }
    }
}
