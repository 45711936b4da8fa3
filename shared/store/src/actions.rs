//! What people ask of jobs and batches that exist.

use crate::{
    Action, By, Deed, InputError, Outcome, Store, StoreError, Teller, Told, audit, notify,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use tourbus_domain::{BatchId, IllegalTransition, Input, JobId, JobState, MoveSettings};
use uuid::Uuid;

/// What came of cancelling a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchCancelled {
    /// Jobs that this cancel has begun to undo.
    pub cancelled: u64,
    /// Jobs that could not be cancelled any more: past their cutover, not yet finished. What had
    /// finished, or was being undone already, is counted nowhere.
    pub too_late: u64,
}

/// What came of pausing a batch, or of resuming it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchHeld {
    /// It was not so before.
    pub asked: bool,
    /// Jobs that were held back or let go.
    pub jobs: u64,
}

impl Store {
    /// Cancels a job: it is undone, and its artist set free.
    pub async fn cancel_job(
        &self,
        id: JobId,
        by: &By,
    ) -> Result<Result<Outcome, InputError>, StoreError> {
        self.ask(id, Input::Cancel, by).await
    }

    /// Lets a queued job overtake the backlog.
    pub async fn express_job(
        &self,
        id: JobId,
        by: &By,
    ) -> Result<Result<Outcome, InputError>, StoreError> {
        self.ask(id, Input::Express, by).await
    }

    /// Tries a job again that failed, was cancelled, or is stuck. Refused when another job holds
    /// the artist, or the artist no longer lives on the job's source.
    pub async fn retry_job(
        &self,
        id: JobId,
        by: &By,
    ) -> Result<Result<Outcome, InputError>, StoreError> {
        self.ask(id, Input::Retry, by).await
    }

    /// Cancels every job of a batch that is not past its cutover.
    pub async fn cancel_batch(
        &self,
        batch: BatchId,
        by: &By,
    ) -> Result<BatchCancelled, StoreError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE batch_id = $1 \
                 AND state IN ('queued', 'running', 'copying', 'syncing', 'cutover', 'retiring') ORDER BY id",
        )
        .bind(batch.0)
        .fetch_all(self.pool())
        .await?;
        let answer = self.cancel_each(&ids, by).await?;
        let detail = json!({ "cancelled": answer.cancelled, "too_late": answer.too_late });
        let deed = Deed::done(by, Action::BatchCancel, format!("batch:{batch}")).detail(detail);
        self.record(&[deed]).await?;
        Ok(answer)
    }

    /// Holds back what is queued of a batch, or lets it go. What has begun goes on. `None` when it has
    /// ended, or was never there.
    ///
    /// Where that was asked before, it is asked once more of the jobs, for it may have broken off half-way;
    /// not of one that somebody has expedited since.
    pub async fn pause_batch(
        &self,
        batch: BatchId,
        pause: bool,
        by: &By,
    ) -> Result<Option<BatchHeld>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let found: Option<(Option<DateTime<Utc>>, i32)> = sqlx::query_as(
            "SELECT paused_at, jobs_queued FROM batches \
             WHERE id = $1 AND finished_at IS NULL FOR UPDATE",
        )
        .bind(batch.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((paused_at, queued)) = found else { return Ok(None) };
        let asked = paused_at.is_some() != pause;
        if asked {
            sqlx::query(
                "UPDATE batches SET paused_at = CASE WHEN $2 THEN now() END, \
                     paused_by = CASE WHEN $2 THEN $3 END WHERE id = $1",
            )
            .bind(batch.0)
            .bind(pause)
            .bind(&by.actor)
            .execute(&mut *tx)
            .await?;
            notify::changed(&mut tx, &[], &[batch.0]).await?;
            audit::record(&mut tx, &[held(batch, pause, u64::from(queued.unsigned_abs()), by)])
                .await?;
        }
        tx.commit().await?;
        let jobs = self.hold_queued(batch, pause, paused_at, by).await?;
        if !asked && jobs > 0 {
            self.record(&[held(batch, pause, jobs, by)]).await?;
        }
        Ok(Some(BatchHeld { asked, jobs }))
    }

    /// Tells the jobs of a batch that it was paused or goes on, but those that somebody has expedited
    /// since. How many that has changed.
    async fn hold_queued(
        &self,
        batch: BatchId,
        pause: bool,
        since: Option<DateTime<Utc>>,
        by: &By,
    ) -> Result<u64, StoreError> {
        let input = if pause { Input::Pause } else { Input::Resume };
        // Also what a retry may be queueing at this moment, for it may not know of the pause yet.
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs j WHERE batch_id = $1 \
                 AND state IN ('queued', 'failed', 'cancelled', 'stuck') \
                 AND (NOT $2 OR NOT EXISTS (SELECT FROM job_events e WHERE e.job_id = j.id \
                     AND e.name = 'express_requested' AND e.at >= $3)) ORDER BY id",
        )
        .bind(batch.0)
        .bind(pause)
        .bind(since)
        .fetch_all(self.pool())
        .await?;
        let one = |id| Told {
            job_id: JobId(id),
            input: input.clone(),
            by: Teller::OneOfMany(by.clone()),
        };
        let told: Vec<Told> = ids.into_iter().map(one).collect();
        let outcomes = self.apply_inputs(&told, &MoveSettings::default()).await?;
        let changed = outcomes.iter().filter(|o| o.as_ref().is_ok_and(|o| !o.ignored)).count();
        Ok(changed as u64)
    }

    /// Cancels each of these jobs, as far as it can be. The caller notes who asked.
    pub(crate) async fn cancel_each(
        &self,
        ids: &[Uuid],
        by: &By,
    ) -> Result<BatchCancelled, StoreError> {
        let told: Vec<Told> = ids
            .iter()
            .map(|id| Told {
                job_id: JobId(*id),
                input: Input::Cancel,
                by: Teller::OneOfMany(by.clone()),
            })
            .collect();
        let mut answer = BatchCancelled::default();
        // None of the settings has a part in what a cancel sends.
        for outcome in self.apply_inputs(&told, &MoveSettings::default()).await? {
            match outcome {
                Ok(outcome) => answer.cancelled += u64::from(!outcome.ignored),
                Err(InputError::Illegal(IllegalTransition {
                    state: JobState::Retiring, ..
                })) => answer.too_late += 1,
                // It has finished meanwhile.
                Err(_) => {}
            }
        }
        Ok(answer)
    }

    async fn ask(
        &self,
        job_id: JobId,
        input: Input,
        by: &By,
    ) -> Result<Result<Outcome, InputError>, StoreError> {
        let told = [Told { job_id, input, by: Teller::Person(by.clone()) }];
        // None of the settings has a part in what these inputs send.
        let mut outcomes = self.apply_inputs(&told, &MoveSettings::default()).await?;
        Ok(outcomes.pop().unwrap_or(Err(InputError::UnknownJob)))
    }
}

fn held(batch: BatchId, pause: bool, jobs: u64, by: &By) -> Deed {
    let action = if pause { Action::BatchPause } else { Action::BatchResume };
    Deed::done(by, action, format!("batch:{batch}")).detail(json!({ "jobs": jobs }))
}
