//! Asking the same of many batches at once: by their ids, or by what a list shows. Each batch is
//! asked as if it were alone, one after the other.

use super::{BatchQuery, push_query};
use crate::{
    Action, BatchCancelled, BatchHeld, BatchRetried, By, Deed, DeedResult, JOBS_PER_ASK_MAX,
    NewestCursor, Store, StoreError,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, Postgres, QueryBuilder};
use std::time::{Duration, Instant};
use tourbus_domain::BatchId;
use uuid::Uuid;

/// Batches that one request walks at most: what is left is told, and can be asked for again.
pub const BATCHES_PER_ASK_MAX: usize = 1000;
/// How long one request walks before it begins with no other batch: who asks waits little longer.
const WALK_MAX: Duration = Duration::from_secs(20);
/// Batches that are read at a time.
const BATCHES_PER_READ: u32 = 100;

/// What can be asked of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAsk {
    /// Hold back what is queued.
    Pause,
    /// Go on with what is held back.
    Resume,
    /// Undo what has not gone too far.
    Cancel,
    /// Try again what failed or is stuck.
    Retry {
        /// Also what was cancelled.
        include_cancelled: bool,
    },
}

impl BatchAsk {
    const fn action(self) -> Action {
        match self {
            Self::Pause => Action::BatchPause,
            Self::Resume => Action::BatchResume,
            Self::Cancel => Action::BatchCancel,
            Self::Retry { .. } => Action::BatchRetry,
        }
    }

    /// Only batches `b` of which it can be asked. One in which a pause or a resume broke off half-way
    /// is asked once more; not for a job that somebody has expedited since.
    fn push_fits(self, sql: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Pause => sql.push(
                " AND b.finished_at IS NULL AND (b.paused_at IS NULL OR EXISTS (SELECT FROM jobs j \
                     WHERE j.batch_id = b.id AND j.state = 'queued' \
                         AND NOT EXISTS (SELECT FROM steps s WHERE s.job_id = j.id \
                             AND s.state = 'waiting') \
                         AND NOT EXISTS (SELECT FROM job_events e WHERE e.job_id = j.id \
                             AND e.name = 'express_requested' AND e.at >= b.paused_at)))",
            ),
            Self::Resume => sql.push(
                " AND b.finished_at IS NULL AND (b.paused_at IS NOT NULL OR EXISTS (SELECT FROM jobs j \
                     JOIN steps s ON s.job_id = j.id AND s.state = 'waiting' \
                     WHERE j.batch_id = b.id AND j.state = 'queued'))",
            ),
            Self::Cancel => sql.push(
                " AND b.finished_at IS NULL AND EXISTS (SELECT FROM jobs j WHERE j.batch_id = b.id \
                     AND j.state IN ('queued', 'running', 'copying', 'syncing', 'cutover') \
                     AND NOT j.cancel_requested)",
            ),
            Self::Retry { .. } => sql.push(" AND ").push(self.jobs()).push(" > 0"),
        };
    }

    /// How many jobs of a batch `b` that fits are concerned.
    const fn jobs(self) -> &'static str {
        match self {
            Self::Pause | Self::Resume => "b.jobs_queued",
            Self::Cancel => {
                "(SELECT count(*) FROM jobs j WHERE j.batch_id = b.id \
                     AND j.state IN ('queued', 'running', 'copying', 'syncing', 'cutover') \
                     AND NOT j.cancel_requested)"
            }
            Self::Retry { include_cancelled: false } => "b.jobs_failed",
            Self::Retry { include_cancelled: true } => "(b.jobs_failed + b.jobs_cancelled)",
        }
    }
}

/// Which batches.
#[derive(Debug, Clone)]
pub enum BatchesWhich {
    /// These.
    Ids(Vec<BatchId>),
    /// All that fit and of which it can be asked. Page and limit mean nothing.
    Fitting(Box<BatchQuery>),
}

/// How many that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct BatchesCounted {
    /// Batches of which it can be asked.
    pub batches: i64,
    /// Jobs of these that are concerned.
    pub jobs: i64,
}

/// Why a batch was left as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchRefused {
    /// No batch has this id.
    Unknown,
    /// Its last job has ended.
    Ended,
    /// Only for a cancel: what of it is open has gone too far.
    TooLate,
    /// Only for a retry: nothing of it failed.
    NothingFailed,
    /// Only for a retry: it is still being undone.
    Undoing,
    /// Only for a retry: of none of its jobs it can be asked.
    JobsRefused,
}

/// What came of asking one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// It has changed.
    Done,
    /// It was so already.
    Unchanged,
    /// It was left as it was.
    Refused(BatchRefused),
    /// The database went away meanwhile: a part of it may have changed.
    BrokeOff,
}

/// One batch that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchAsked {
    /// The batch.
    pub id: BatchId,
    /// What came of it.
    pub outcome: BatchOutcome,
    /// Jobs of it that have changed.
    pub jobs: u64,
    /// Jobs of it that were meant, and left as they were.
    pub jobs_left: u64,
}

/// What came of asking.
#[derive(Debug, Default)]
pub struct BatchesAsked {
    /// Each batch, in the order in which it was asked.
    pub batches: Vec<BatchAsked>,
    /// Not all were asked: ask again.
    pub more: bool,
    /// What was asked for before this time is left. Only of a walk by a query.
    pub rest_until: Option<DateTime<Utc>>,
    /// Why it ended early, if it did. What is told of `batches` is so all the same.
    pub broke_off: Option<StoreError>,
}

impl BatchesAsked {
    fn jobs(&self) -> u64 {
        self.batches.iter().map(|b| b.jobs).sum()
    }

    /// Jobs that were looked at, whatever came of it.
    fn walked(&self) -> u64 {
        self.batches.iter().map(|b| b.jobs + b.jobs_left).sum()
    }

    fn counts(&self, outcome: impl Fn(&BatchOutcome) -> bool) -> usize {
        self.batches.iter().filter(|b| outcome(&b.outcome)).count()
    }
}

/// As much of a batch as decides.
#[derive(Debug, Clone, Copy, FromRow)]
struct Standing {
    id: Uuid,
    created_at: DateTime<Utc>,
    ended: bool,
}

fn select(columns: &'static str) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(columns).push(" FROM batches b WHERE true");
    sql
}

const STANDING: &str = "b.id, b.created_at, b.finished_at IS NOT NULL AS ended";

/// On its way from batch to batch.
struct Walk<'a> {
    store: &'a Store,
    what: BatchAsk,
    by: &'a By,
    begun: Instant,
    asked: BatchesAsked,
}

impl Store {
    /// How many batches fit of which this can be asked, and how many jobs of theirs are concerned.
    pub async fn count_batches_for(
        &self,
        what: BatchAsk,
        which: &BatchesWhich,
    ) -> Result<BatchesCounted, StoreError> {
        let mut sql = QueryBuilder::new("SELECT count(*) AS batches, coalesce(sum(");
        sql.push(what.jobs()).push("), 0)::bigint AS jobs FROM batches b WHERE true");
        match which {
            BatchesWhich::Ids(ids) => push_ids(&mut sql, ids),
            BatchesWhich::Fitting(query) => {
                push_query(&mut sql, query, &self.artists_meant_by(query).await?);
            }
        }
        what.push_fits(&mut sql);
        Ok(sql.build_query_as().persistent(false).fetch_one(self.pool()).await?)
    }

    /// Asks this of all of these batches. One that refuses leaves the others alone. When the
    /// database goes away half-way, what was done is done, and told; asking again is harmless.
    pub async fn ask_batches(
        &self,
        what: BatchAsk,
        which: &BatchesWhich,
        by: &By,
        note: Value,
    ) -> BatchesAsked {
        let begun = Instant::now();
        let mut walk = Walk { store: self, what, by, begun, asked: BatchesAsked::default() };
        let broke_off = walk.go(which).await.err();
        let more = walk.asked.more || broke_off.is_some();
        let asked = BatchesAsked { more, broke_off, ..walk.asked };
        // Each batch has its own entry; this one says that they were asked together.
        let detail = json!({
            "which": note,
            "done": asked.counts(|o| *o == BatchOutcome::Done),
            "refused": asked.counts(|o| matches!(o, BatchOutcome::Refused(_))),
            "jobs": asked.jobs(),
        });
        let deed = match &asked.broke_off {
            None => Deed::done(by, what.action(), "batch"),
            Some(error) => {
                let failed = DeedResult::Failed;
                Deed::not_done(by, what.action(), "batch", failed, error.to_string())
            }
        };
        if let Err(error) = self.record(&[deed.detail(detail)]).await {
            tracing::warn!(%error, "batches.ask_not_noted");
        }
        asked
    }
}

impl Walk<'_> {
    async fn go(&mut self, which: &BatchesWhich) -> Result<(), StoreError> {
        match which {
            BatchesWhich::Ids(ids) => self.by_ids(ids).await,
            BatchesWhich::Fitting(query) => self.fitting(query).await,
        }
    }

    async fn by_ids(&mut self, ids: &[BatchId]) -> Result<(), StoreError> {
        for chunk in ids.chunks(BATCHES_PER_READ as usize) {
            let mut sql = select(STANDING);
            push_ids(&mut sql, chunk);
            let found: Vec<Standing> =
                sql.build_query_as().persistent(false).fetch_all(self.store.pool()).await?;
            for id in chunk {
                let standing = found.iter().find(|s| s.id == id.0);
                if !self.next(*id, standing).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn fitting(&mut self, query: &BatchQuery) -> Result<(), StoreError> {
        // What is asked for from now on was not meant.
        let now = Utc::now();
        let until = Some(query.until.map_or(now, |until| until.min(now)));
        let artists = self.store.artists_meant_by(query).await?;
        let mut page = BatchQuery { until, after: None, ..query.clone() };
        loop {
            let mut sql = select(STANDING);
            push_query(&mut sql, &page, &artists);
            self.what.push_fits(&mut sql);
            sql.push(" ORDER BY b.created_at DESC, b.id DESC LIMIT ");
            sql.push_bind(i64::from(BATCHES_PER_READ));
            let rows: Vec<Standing> =
                sql.build_query_as().persistent(false).fetch_all(self.store.pool()).await?;
            let Some(last) = rows.last() else {
                self.asked.rest_until = None;
                return Ok(());
            };
            page.after = Some(NewestCursor { created_at: last.created_at, id: last.id });
            for standing in rows {
                // This one and what is older: times are kept to the microsecond. Where it breaks
                // off after it, it is asked twice.
                self.asked.rest_until = Some(standing.created_at + TimeDelta::microseconds(1));
                if !self.next(BatchId(standing.id), Some(&standing)).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Asks the next batch; `false` when that would be too much for one request.
    async fn next(&mut self, id: BatchId, standing: Option<&Standing>) -> Result<bool, StoreError> {
        let full = self.asked.batches.len() >= BATCHES_PER_ASK_MAX
            || self.asked.walked() >= JOBS_PER_ASK_MAX as u64
            || self.begun.elapsed() >= WALK_MAX;
        // One at least, or asking again would come to nothing.
        if full && !self.asked.batches.is_empty() {
            self.asked.more = true;
            return Ok(false);
        }
        let (outcome, jobs, jobs_left) = match self.ask(id, standing).await {
            Ok(told) => told,
            Err(error) => {
                let outcome = BatchOutcome::BrokeOff;
                self.asked.batches.push(BatchAsked { id, outcome, jobs: 0, jobs_left: 0 });
                return Err(error);
            }
        };
        self.asked.batches.push(BatchAsked { id, outcome, jobs, jobs_left });
        Ok(true)
    }

    /// What came of it, how many jobs have changed, and how many were left as they were.
    async fn ask(
        &self,
        id: BatchId,
        standing: Option<&Standing>,
    ) -> Result<(BatchOutcome, u64, u64), StoreError> {
        let refused = |why| Ok((BatchOutcome::Refused(why), 0, 0));
        let Some(standing) = standing else { return refused(BatchRefused::Unknown) };
        let (store, by) = (self.store, self.by);
        let pause = match self.what {
            BatchAsk::Retry { include_cancelled } => {
                return Ok(told_of_retry(store.retry_batch(id, include_cancelled, by).await?));
            }
            _ if standing.ended => return refused(BatchRefused::Ended),
            BatchAsk::Cancel => return Ok(told_of_cancel(store.cancel_batch(id, by).await?)),
            BatchAsk::Pause => true,
            BatchAsk::Resume => false,
        };
        Ok(match store.pause_batch(id, pause, by).await? {
            None => (BatchOutcome::Refused(BatchRefused::Ended), 0, 0),
            Some(BatchHeld { asked: false, jobs: 0 }) => (BatchOutcome::Unchanged, 0, 0),
            Some(BatchHeld { jobs, .. }) => (BatchOutcome::Done, jobs, 0),
        })
    }
}

fn push_ids(sql: &mut QueryBuilder<Postgres>, ids: &[BatchId]) {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sql.push(" AND b.id = ANY(").push_bind(ids).push(")");
}

const fn told_of_cancel(done: BatchCancelled) -> (BatchOutcome, u64, u64) {
    let outcome = match done {
        BatchCancelled { cancelled: 1.., .. } => BatchOutcome::Done,
        BatchCancelled { too_late: 1.., .. } => BatchOutcome::Refused(BatchRefused::TooLate),
        BatchCancelled { .. } => BatchOutcome::Unchanged,
    };
    (outcome, done.cancelled, done.too_late)
}

const fn told_of_retry(done: BatchRetried) -> (BatchOutcome, u64, u64) {
    let outcome = match done {
        BatchRetried { retried: 1.., .. } => BatchOutcome::Done,
        BatchRetried { refused: 1.., .. } => BatchOutcome::Refused(BatchRefused::JobsRefused),
        BatchRetried { undoing: 1.., .. } => BatchOutcome::Refused(BatchRefused::Undoing),
        BatchRetried { .. } => BatchOutcome::Refused(BatchRefused::NothingFailed),
    };
    (outcome, done.retried, done.refused + done.undoing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_the_jobs_says_what_came_of_the_batch() {
        let retry =
            |retried, refused, undoing| told_of_retry(BatchRetried { retried, refused, undoing }).0;
        assert_eq!(retry(1, 5, 0), BatchOutcome::Done);
        assert_eq!(retry(0, 5, 1), BatchOutcome::Refused(BatchRefused::JobsRefused));
        assert_eq!(retry(0, 0, 1), BatchOutcome::Refused(BatchRefused::Undoing));
        assert_eq!(retry(0, 0, 0), BatchOutcome::Refused(BatchRefused::NothingFailed));
        let cancel = |cancelled, too_late| told_of_cancel(BatchCancelled { cancelled, too_late });
        assert_eq!(cancel(2, 1), (BatchOutcome::Done, 2, 1));
        assert_eq!(cancel(0, 1).0, BatchOutcome::Refused(BatchRefused::TooLate));
        assert_eq!(cancel(0, 0).0, BatchOutcome::Unchanged);
    }
}
