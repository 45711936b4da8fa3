//! The one way in which a job changes: inputs, applied by the domain under the job's lock.
//!
//! ```text
//!  told ─▶ lock jobs, in id order ─▶ domain: apply ─▶ check artists ─▶ write all, one commit
//! ```
//!
//! Lock order everywhere: jobs, artists, servers, batches; within each by id.

mod apply;
mod artists;
mod write;

use crate::{
    Action, By, Store, StoreError,
    jobs_core::{self, Lap},
    tries::Tries,
};
use apply::Work;
use std::time::{Duration, Instant};
use tourbus_domain::{IllegalTransition, Input, JobId, JobState, MoveSettings, Slug};
use uuid::Uuid;

/// Most jobs in one transaction.
pub const JOBS_PER_TRANSACTION_MAX: usize = 500;
/// A cutover is decided at the moment its locks are held, with the freeze's margin (10 s by
/// default) in hand; it is not committed later than this after that moment.
const CUTOVER_COMMIT_WITHIN: Duration = Duration::from_secs(4);

/// Who tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Teller {
    /// A server's worker; it may speak of that server's steps only.
    Server {
        /// The server.
        slug: Slug,
        /// The worker, by its name; for people.
        worker: String,
    },
    /// A person. Noted in the audit log.
    Person(By),
    /// A person, of many jobs at once: what they asked for is noted once, elsewhere.
    OneOfMany(By),
    /// The coordinator itself.
    Coordinator,
}

/// One input for one job.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which job.
    pub job_id: JobId,
    /// What.
    pub input: Input,
    /// By whom.
    pub by: Teller,
}

impl Told {
    /// What the audit log keeps of it: that a person asked.
    fn audit(&self) -> Option<(By, Action)> {
        let Teller::Person(by) = &self.by else { return None };
        let action = match self.input {
            Input::Cancel => Action::JobCancel,
            Input::Retry => Action::JobRetry,
            Input::Express => Action::JobExpress,
            _ => return None,
        };
        Some((by.clone(), action))
    }
}

/// What came of an input that was no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// It was late, repeated or void, and changed nothing.
    pub ignored: bool,
    /// Where the job stands after the transaction.
    pub state: JobState,
}

/// Why one input was not applied. Its neighbours were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// No job has this id.
    #[error("no job has this id")]
    UnknownJob,
    /// It makes no sense in the job's state.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Only for a retry: another job holds the artist.
    #[error("another job holds the artist; wait for it, or cancel it first")]
    ArtistHeld,
    /// Only for a retry: the artist no longer lives where this job would take it from.
    #[error("the artist no longer lives on this job's source server; queue a new move instead")]
    HomeChanged,
    /// Only for a retry: another job makes the song's rendition.
    #[error("another job is making this song's LOFI; wait for it, or cancel it first")]
    SongHeld,
    /// Only for a retry: another job reads the artist's files.
    #[error("another job verifies this artist; wait for it, or cancel it first")]
    VerifyHeld,
    /// Only for a retry: one of its servers was deleted.
    #[error("a server of this job was deleted; queue a new move instead")]
    ServerDeleted,
    /// Only for a retry: its target is being emptied.
    #[error("the job's target is being drained; queue a move to another server instead")]
    TargetDraining,
    /// A server spoke of another server's step.
    #[error("server {0} spoke of a step that is not its own")]
    NotItsStep(Slug),
    /// Applying it broke an invariant, or the database refused the result. The job is as it was.
    #[error("the job cannot take this: {0}")]
    Broken(String),
}

/// What came of each input, in the order given.
pub type Outcomes = Vec<Result<Outcome, InputError>>;

impl Store {
    /// Applies these inputs, in order, and writes everything that follows from them in as few
    /// transactions as possible. One bad input fails alone. `Err` means that the database is
    /// away, and that inputs of the last transactions may not have been applied; applying all
    /// of them again is harmless.
    pub async fn apply_inputs(
        &self,
        told: &[Told],
        settings: &MoveSettings,
    ) -> Result<Outcomes, StoreError> {
        let mut outcomes = vec![Err(InputError::UnknownJob); told.len()];
        let mut jobs: Vec<Uuid> = told.iter().map(|t| t.job_id.0).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for chunk in jobs.chunks(JOBS_PER_TRANSACTION_MAX) {
            let mut work = Work::pick(told, chunk, settings);
            match self.apply_patiently(&mut work).await {
                Ok(()) => work.report(&mut outcomes),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, jobs = chunk.len(), "inputs.batch_failed");
                    self.apply_one_by_one(told, chunk, settings, &mut outcomes).await?;
                }
            }
        }
        Ok(outcomes)
    }

    /// The same, one job per transaction, so that only the culprit fails.
    async fn apply_one_by_one(
        &self,
        told: &[Told],
        jobs: &[Uuid],
        settings: &MoveSettings,
        outcomes: &mut Outcomes,
    ) -> Result<(), StoreError> {
        for job in jobs {
            let mut work = Work::pick(told, std::slice::from_ref(job), settings);
            match self.apply_patiently(&mut work).await {
                Ok(()) => work.report(outcomes),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, %job, "inputs.job_failed");
                    work.fail_all(&error.to_string());
                    work.report(outcomes);
                }
            }
        }
        Ok(())
    }

    async fn apply_patiently(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let mut tries = Tries::of_messages();
        loop {
            match self.apply_once(work).await {
                Err(error) => tries.again(error).await?,
                done => return done,
            }
        }
    }

    async fn apply_once(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let held = jobs_core::lock(&mut tx, work.jobs).await?;
        let ground = jobs_core::ground(&mut tx).await?;
        let decided_at = Instant::now();
        work.apply(held, &ground)?;
        artists::check(&mut tx, work).await?;
        let cuts_over = work.touched.iter().any(|t| t.cut_over);
        let laps = write::all(&mut tx, work, &ground).await?;
        if cuts_over {
            tourbus_telemetry::hold::point("cutover.before_commit").await;
        }
        if cuts_over && decided_at.elapsed() > CUTOVER_COMMIT_WITHIN {
            // The freeze may have run out while the database was slow: decide again.
            tx.rollback().await?;
            return Err(StoreError::Contention(sqlx::Error::PoolTimedOut));
        }
        tx.commit().await?;
        laps.into_iter().for_each(Lap::record);
        Ok(())
    }
}
