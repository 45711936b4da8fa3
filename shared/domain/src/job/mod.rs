//! One job as the coordinator sees it: inputs in, effects out, no I/O.
//!
//! Every input is checked against job, step and epoch first, so that a late, repeated or
//! reordered one changes nothing. Losing one is mended by [`Input::Rescue`].

mod apply;
mod kind;
mod moving;
mod send;
mod task;

pub use kind::{JobKind, UnknownKind};

use crate::{
    ArtistId, Epoch, IllegalTransition, JobError, JobId, JobState, SegmentRef, ServerId, Step,
    StepKey, StepRef, StepResult,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much there is of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Something that has happened, or that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A worker has begun a try.
    Started(StepRef),
    /// A worker tells how far a try is; the export's first one tells the totals.
    Progress {
        /// The try.
        step: StepRef,
        /// Bytes this step has dealt with, over all its tries.
        bytes: u64,
        /// What the walk has found.
        totals: Option<Totals>,
    },
    /// A segment is in the staging bucket.
    Staged {
        /// The export or sync that staged it.
        step: StepRef,
        /// The segment.
        segment: SegmentRef,
    },
    /// A try has finished.
    Done {
        /// The try.
        step: StepRef,
        /// What it tells.
        result: StepResult,
    },
    /// A try was handed back unfinished (shutdown, or it has held its delivery long enough):
    /// send it again; costs no attempt.
    Yielded(StepRef),
    /// A try cannot be done just now, and nobody is to blame (the artist is moving): send it
    /// again after a while; costs no attempt.
    Snoozed {
        /// The try.
        step: StepRef,
        /// After how many seconds.
        after_s: u32,
    },
    /// The artist's home is another server than the one that this job was sent to: send it there.
    Follow(ServerId),
    /// A try has failed.
    Failed {
        /// The try.
        step: StepRef,
        /// Why.
        error: JobError,
    },
    /// Something that a person should know, and that stops nothing.
    Noticed {
        /// The try that tells it.
        step: StepRef,
        /// What; its class plays no part.
        notice: JobError,
    },
    /// No heartbeat has named this try for too long: send it again with a new epoch.
    Rescue(StepRef),
    /// A person has found the message of this try among the dead letters: send it again with a new
    /// epoch; costs no attempt.
    SendAgain(StepRef),
    /// A person asks to stop.
    Cancel,
    /// A person asks to have it now: overtakes the backlog. Only while queued.
    Express,
    /// A person asks not to begin it yet. Only while queued.
    Pause,
    /// A person asks to go on with what was paused.
    Resume,
    /// A person asks to try again a job that failed, was cancelled or is stuck.
    Retry,
}

/// What the caller must do, in the same transaction that saves the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put this try of this step into the outbox, not to be published before `run_after`.
    Send(StepKey),
    /// Tell the workers of a server that tries of this job below `floor` are void.
    Void {
        /// Whose workers.
        server_id: ServerId,
        /// The least epoch that still counts.
        floor: Epoch,
    },
    /// Change the artist's home server from source to target. The one pivot.
    CutOver,
    /// The artist is free for other jobs.
    ReleaseArtist,
    /// The state has changed: for timelines, counters and pages.
    StateChanged {
        /// From.
        from: JobState,
        /// To.
        to: JobState,
    },
}

/// A job. A move has two servers; a task has one, which is source and target alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The job.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Whom it is about.
    pub artist_id: ArtistId,
    /// From where.
    pub source_id: ServerId,
    /// To where.
    pub target_id: ServerId,
    /// Where it stands.
    pub state: JobState,
    /// The last epoch given out; each try of each step takes the next.
    pub epoch: Epoch,
    /// Tries with an epoch below this are void.
    pub floor: Epoch,
    /// The current round of syncing, from 1; 0 before.
    pub round: u32,
    /// What the walk has found; what admission had reckoned before that.
    pub totals: Totals,
    /// Bytes in the staging bucket.
    pub bytes_staged: u64,
    /// Bytes imported and verified at the target; of a task, bytes dealt with.
    pub bytes_done: u64,
    /// Somebody asked to cancel.
    pub cancel_requested: bool,
    /// Why it is being undone, or what last went wrong.
    pub error: Option<JobError>,
    /// Its steps.
    pub steps: BTreeMap<StepKey, Step>,
}

/// Everything that applying an input needs and that must not be read inside: the time, the
/// numbers, a random number.
#[derive(Debug, Clone)]
pub struct Context {
    /// Now, on the coordinator's clock.
    pub now: DateTime<Utc>,
    /// A uniform random number in `0.0..1.0`, for jitter.
    pub unit: f64,
    /// Limits and periods.
    pub settings: crate::MoveSettings,
}

/// What came of an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// What the caller must do.
    pub effects: Vec<Effect>,
    /// The input was late, repeated or void, and changed nothing.
    pub ignored: bool,
}

impl Job {
    /// A queued move, and the effects that put it on its source's lane.
    pub fn new(
        id: JobId,
        artist_id: ArtistId,
        source_id: ServerId,
        target_id: ServerId,
        totals: Totals,
        express: bool,
        ctx: &Context,
    ) -> (Self, Vec<Effect>) {
        let mut job = Self {
            id,
            kind: JobKind::Move,
            artist_id,
            source_id,
            target_id,
            state: JobState::Queued,
            epoch: 0,
            floor: 0,
            round: 0,
            totals,
            bytes_staged: 0,
            bytes_done: 0,
            cancel_requested: false,
            error: None,
            steps: BTreeMap::new(),
        };
        let mut effects = Vec::new();
        job.enqueue_export(express, ctx, &mut effects);
        (job, effects)
    }

    /// Applies one input. An `Err` is an input that can never be right in this state, asked for
    /// by a person (cancel a finished job); what a worker says is never an error, only ignored.
    pub fn apply(&mut self, input: &Input, ctx: &Context) -> Result<Applied, IllegalTransition> {
        let mut effects = Vec::new();
        let changed = self.dispatch_input(input, ctx, &mut effects)?;
        Ok(Applied { ignored: !changed, effects })
    }

    /// The step that this try belongs to, if the try still counts.
    fn live(&mut self, step: &StepRef) -> Option<&mut Step> {
        use crate::StepState::{Running, Sent};
        if step.job_id != self.id || step.epoch < self.floor {
            return None;
        }
        self.steps
            .get_mut(&step.key)
            .filter(|s| s.epoch == step.epoch && matches!(s.state, Sent | Running))
    }

    /// Whether it waits because somebody paused it.
    pub fn is_paused(&self) -> bool {
        let waits = |s: &Step| s.key == self.first_step() && s.state == crate::StepState::Waiting;
        self.state == JobState::Queued && self.steps.values().any(waits)
    }

    const fn first_step(&self) -> StepKey {
        StepKey { kind: self.kind.first_step(), seq: 0 }
    }

    /// Whether a worker that names this try should go on with it.
    pub fn is_live(&self, step: &StepRef) -> bool {
        use crate::StepState::{Running, Sent};
        step.job_id == self.id
            && step.epoch >= self.floor
            && self
                .steps
                .get(&step.key)
                .is_some_and(|s| s.epoch == step.epoch && matches!(s.state, Sent | Running))
    }
}

#[cfg(test)]
mod tests;
