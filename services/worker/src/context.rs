//! What a step works with, and how it ends.

use crate::{buffers::Buffers, convert::Converter, fault, limiter::Limiter};
use chrono::{DateTime, Utc};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tourbus_config::WorkerLimits;
use tourbus_domain::{ErrorClass, JobError, Lane, StepRef, StepResult};
use tourbus_mediaroot::{Entered, Fence, MediaRoot, RootError, Void};
use tourbus_protocol::EventBody;
use tourbus_staging::{Staging, StagingError};

/// Longest wait for other tries of a job to stop. They look at the fence at each chunk, and a
/// request to staging has its own deadline.
const STOP_WAIT: Duration = Duration::from_mins(1);
/// How often that is looked at.
const STOP_POLL: Duration = Duration::from_millis(20);

/// Why a step did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It failed.
    Failed(JobError),
    /// It was asked to hand itself back, and has come to a point where it can be taken up again.
    Interrupted,
    /// It cannot be done just now, and nobody is to blame.
    Snoozed {
        /// What stands in its way, for logs.
        reason: &'static str,
        /// When to try again, in seconds from now.
        after_s: u32,
    },
    /// It has been overtaken or called off: nothing more is to be said about it.
    Void,
}

/// How a step ends.
pub type Outcome = Result<StepResult, Stop>;

impl From<JobError> for Stop {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

impl From<Void> for Stop {
    fn from(_: Void) -> Self {
        Self::Void
    }
}

impl From<StagingError> for Stop {
    fn from(error: StagingError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RootError> for Stop {
    fn from(error: RootError) -> Self {
        Self::Failed(fault::from_root(&error))
    }
}

/// Takes what a step tells while it runs. Losing any of it must be harmless.
pub trait Emit: Send + Sync {
    /// Takes an event, without waiting.
    fn emit(&self, body: EventBody);
}

/// What a step works with. Cheap to clone.
pub struct Context<S> {
    /// The media root.
    pub root: MediaRoot,
    /// The staging bucket.
    pub staging: S,
    /// The process's chunk buffers.
    pub buffers: Buffers,
    /// What the master allows.
    pub limiter: Limiter,
    /// Bounds.
    pub limits: Arc<WorkerLimits>,
    /// Which try this is.
    pub step: StepRef,
    /// Held by all that acts for this try, so that the next try waits for it.
    pub entered: Arc<Entered>,
    /// Asks the step to come to a point where it can be taken up again, and to stop there.
    pub interrupt: CancellationToken,
    /// Takes events.
    pub events: Arc<dyn Emit>,
    /// When the master gave the order.
    pub issued_at: DateTime<Utc>,
    /// Which lane it came on.
    pub lane: Lane,
    /// Makes small renditions.
    pub converter: Converter,
}

impl<S: Clone> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            staging: self.staging.clone(),
            buffers: self.buffers.clone(),
            limiter: self.limiter.clone(),
            limits: Arc::clone(&self.limits),
            step: self.step,
            entered: Arc::clone(&self.entered),
            interrupt: self.interrupt.clone(),
            events: Arc::clone(&self.events),
            issued_at: self.issued_at,
            lane: self.lane,
            converter: self.converter.clone(),
        }
    }
}

impl<S: Staging> Context<S> {
    /// To be asked before every chunk: whether to go on.
    pub fn check(&self) -> Result<(), Stop> {
        self.entered.check()?;
        if self.interrupt.is_cancelled() { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// Waits until so many bytes may go over the wire.
    pub async fn pace(&self, bytes: u64) -> Result<(), Stop> {
        self.limiter.pace(bytes, || self.check()).await
    }

    /// Runs something that blocks. It holds the try: even if this future is dropped, the next
    /// try waits until it has ended.
    pub async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, Stop> {
        let entered = Arc::clone(&self.entered);
        let task = tokio::task::spawn_blocking(move || {
            let result = entered.check().map_err(Stop::from).and_then(|()| act());
            drop(entered);
            result
        });
        task.await.unwrap_or_else(|e| {
            if e.is_panic() {
                std::panic::resume_unwind(e.into_panic());
            }
            // The runtime is ending.
            Err(Stop::Interrupted)
        })
    }

    /// For work that cannot be told to stop otherwise.
    pub fn should_stop(&self) -> impl Fn() -> bool + Send + 'static {
        let (entered, interrupt) = (Arc::clone(&self.entered), self.interrupt.clone());
        move || interrupt.is_cancelled() || entered.check().is_err()
    }

    /// The job's fence.
    pub fn fence(&self) -> Fence {
        self.root.fence(self.step.job_id)
    }

    /// Voids every earlier try of the job on this server, and waits until they have stopped.
    pub async fn stop_earlier(&self) -> Result<(), Stop> {
        let (fence, epoch, key) = (self.fence(), self.step.epoch, self.step.key);
        self.blocking(move || Ok(fence.raise_floor(epoch)?)).await?;
        let deadline = tokio::time::Instant::now() + STOP_WAIT;
        loop {
            let fence = self.fence();
            if !self.blocking(move || Ok(fence.is_busy(key)?)).await? {
                return Ok(());
            }
            self.check()?;
            if tokio::time::Instant::now() >= deadline {
                return Err(previous_try_still_running().into());
            }
            tokio::time::sleep(STOP_POLL).await;
        }
    }

    /// Empties the job's part of staging. What could not be removed, as text: it must not keep a
    /// job from ending, and the coordinator's sweep comes after it.
    pub async fn empty_staging(&self) -> Option<String> {
        let prefix = tourbus_protocol::names::job_prefix(self.step.job_id);
        match self.staging.delete_prefix(&prefix).await {
            Ok(objects) => {
                tracing::debug!(job = %self.step.job_id, objects, "staging.emptied");
                None
            }
            Err(error) => {
                tracing::warn!(job = %self.step.job_id, %error, "staging.leftovers");
                Some(error.to_string())
            }
        }
    }
}

/// An earlier try does not let go.
pub fn previous_try_still_running() -> JobError {
    JobError::new(
        ErrorClass::Transient,
        "previous_try_still_running",
        "an earlier try of this job still runs on this server and does not stop",
        "Look at the workers' logs for one that hangs on its disk or on staging, and restart it",
    )
}

/// The worker's own fault.
pub fn crashed(what: &str) -> JobError {
    JobError::new(
        ErrorClass::Transient,
        "worker_panic",
        format!("the worker stumbled over a fault of its own: {what}"),
        "See the worker's log, and report it",
    )
}
