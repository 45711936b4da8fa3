//! The states of a job, and the only way from one to another.
//!
//! A move:
//!
//! ```text
//!            Started          Copied           Synced           CutOver           Retired
//!  queued ───────────▶ copying ──────▶ syncing ──────▶ cutover ─────────▶ retiring ──────▶ succeeded
//!    │                   │                │ ▲             │ │              (only forward)
//!    │                   │                │ └─────────────┘ │
//!    │                   │                │  FreezeExpired  │
//!    └───────────────────┴───── Abort ────┴─────────────────┘
//!                                  │
//!                                  ▼        RolledBack{cancelled: true}
//!                            rolling_back ─────────────────────────────▶ cancelled ─┐
//!                              │      ▲  └─────────────────────────────▶ failed ────┤ Retry
//!               RollbackFailed │      │     RolledBack{cancelled: false}            ▼
//!                              ▼      │ RollbackRetried                           queued
//!                            stuck ───┘
//! ```
//!
//! `CutOver` is the one pivot: the transaction that changes the artist's home server. Nothing
//! after it can be undone, nothing before it has changed anything a listener can see.
//!
//! A task, which has one step and nothing to undo:
//!
//! ```text
//!          TaskStarted           TaskDone
//!  queued ────────────▶ running ──────────▶ succeeded
//!    │  ▲                  ├── TaskFailed ──▶ failed ────┐
//!    │  │                  │                             │ Retry
//!    ├──┼──────────────────┴── TaskCancelled ▶ cancelled ┤
//!    │  └────────────────────────────────────────────────┘
//! ```

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting on its first step's lane.
    Queued,
    /// A task's step is at work.
    Running,
    /// The source stages the tree while the target imports it.
    Copying,
    /// Writes are frozen; what changed since the walk is staged and imported.
    Syncing,
    /// The target verifies and promotes; then one transaction changes the home server.
    Cutover,
    /// The home server has changed; the old copy is set aside.
    Retiring,
    /// Being undone.
    RollingBack,
    /// Final: done.
    Succeeded,
    /// Final: given up after a failure; a move is undone.
    Failed,
    /// Final: called off because somebody asked.
    Cancelled,
    /// The undoing itself failed: needs a person. The artist is free and served by the source.
    Stuck,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A worker has begun the export.
    Started,
    /// Everything walked is staged and imported.
    Copied,
    /// The final manifest is staged, its last changes are imported.
    Synced,
    /// The freeze may have run out before the cutover: synchronise again.
    FreezeExpired,
    /// The home server has changed.
    CutOver,
    /// The old copy is set aside, staging is empty.
    Retired,
    /// A failure or a cancel: undo.
    Abort,
    /// All is undone.
    RolledBack {
        /// True when a person asked, false after a failure.
        cancelled: bool,
    },
    /// The undoing ran out of tries.
    RollbackFailed,
    /// A person asks to try the undoing again.
    RollbackRetried,
    /// A person asks to try the whole job again.
    Retry,
    /// A worker has begun a task.
    TaskStarted,
    /// A task is done.
    TaskDone,
    /// A task ran out of tries, or failed for good.
    TaskFailed,
    /// A person calls a task off.
    TaskCancelled,
}

/// A transition that the diagram does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot {}", .trigger.verb())]
pub struct IllegalTransition {
    /// Where the job stood.
    pub state: JobState,
    /// What was asked of it.
    pub trigger: Trigger,
}

impl Trigger {
    /// What a job does that takes it, as a verb: for messages.
    const fn verb(self) -> &'static str {
        match self {
            Self::Started | Self::TaskStarted => "begin",
            Self::Copied | Self::FreezeExpired => "go on to the final sync",
            Self::Synced => "go on to the cutover",
            Self::CutOver => "change its home server",
            Self::Retired => "end as moved",
            Self::Abort => "be undone",
            Self::RolledBack { .. } => "end as undone",
            Self::RollbackFailed => "get stuck",
            Self::RollbackRetried => "be undone again",
            Self::Retry => "be tried again",
            Self::TaskDone => "end as done",
            Self::TaskFailed => "fail",
            Self::TaskCancelled => "be cancelled",
        }
    }
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Running,
        Self::Copying,
        Self::Syncing,
        Self::Cutover,
        Self::Retiring,
        Self::RollingBack,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Stuck,
    ];

    /// The diagrams above, as a total function.
    pub const fn next(self, trigger: Trigger) -> Result<Self, IllegalTransition> {
        use JobState as S;
        use Trigger as T;
        match (self, trigger) {
            (S::Queued, T::Started) => Ok(S::Copying),
            (S::Copying, T::Copied) | (S::Cutover, T::FreezeExpired) => Ok(S::Syncing),
            (S::Syncing, T::Synced) => Ok(S::Cutover),
            (S::Cutover, T::CutOver) => Ok(S::Retiring),
            (S::Retiring, T::Retired) | (S::Running, T::TaskDone) => Ok(S::Succeeded),
            (S::Queued | S::Copying | S::Syncing | S::Cutover, T::Abort)
            | (S::Stuck, T::RollbackRetried) => Ok(S::RollingBack),
            (S::RollingBack, T::RolledBack { cancelled: true })
            | (S::Queued | S::Running, T::TaskCancelled) => Ok(S::Cancelled),
            (S::RollingBack, T::RolledBack { cancelled: false }) | (S::Running, T::TaskFailed) => {
                Ok(S::Failed)
            }
            (S::Queued, T::TaskStarted) => Ok(S::Running),
            (S::RollingBack, T::RollbackFailed) => Ok(S::Stuck),
            (S::Failed | S::Cancelled, T::Retry) => Ok(S::Queued),
            (state, trigger) => Err(IllegalTransition { state, trigger }),
        }
    }

    /// The stable name, as in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Copying => "copying",
            Self::Syncing => "syncing",
            Self::Cutover => "cutover",
            Self::Retiring => "retiring",
            Self::RollingBack => "rolling_back",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }

    /// Whether the job is over: it holds no lock and no resource.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Stuck)
    }

    /// Whether a cancel still changes anything.
    pub const fn is_cancellable(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Copying | Self::Syncing | Self::Cutover)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no state of a job")]
pub struct UnknownState(pub String);

impl FromStr for JobState {
    type Err = UnknownState;
    fn from_str(s: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|v| v.as_str() == s).ok_or_else(|| UnknownState(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{JobState as S, Trigger as T, *};

    const TRIGGERS: [Trigger; 16] = [
        T::Started,
        T::Copied,
        T::Synced,
        T::FreezeExpired,
        T::CutOver,
        T::Retired,
        T::Abort,
        T::RolledBack { cancelled: true },
        T::RolledBack { cancelled: false },
        T::RollbackFailed,
        T::RollbackRetried,
        T::Retry,
        T::TaskStarted,
        T::TaskDone,
        T::TaskFailed,
        T::TaskCancelled,
    ];

    /// The diagram, arrow by arrow.
    const ARROWS: [(JobState, Trigger, JobState); 21] = [
        (S::Queued, T::Started, S::Copying),
        (S::Copying, T::Copied, S::Syncing),
        (S::Syncing, T::Synced, S::Cutover),
        (S::Cutover, T::CutOver, S::Retiring),
        (S::Retiring, T::Retired, S::Succeeded),
        (S::Cutover, T::FreezeExpired, S::Syncing),
        (S::Queued, T::Abort, S::RollingBack),
        (S::Copying, T::Abort, S::RollingBack),
        (S::Syncing, T::Abort, S::RollingBack),
        (S::Cutover, T::Abort, S::RollingBack),
        (S::RollingBack, T::RolledBack { cancelled: true }, S::Cancelled),
        (S::RollingBack, T::RolledBack { cancelled: false }, S::Failed),
        (S::RollingBack, T::RollbackFailed, S::Stuck),
        (S::Stuck, T::RollbackRetried, S::RollingBack),
        (S::Failed, T::Retry, S::Queued),
        (S::Cancelled, T::Retry, S::Queued),
        (S::Queued, T::TaskStarted, S::Running),
        (S::Running, T::TaskDone, S::Succeeded),
        (S::Running, T::TaskFailed, S::Failed),
        (S::Queued, T::TaskCancelled, S::Cancelled),
        (S::Running, T::TaskCancelled, S::Cancelled),
    ];

    #[test]
    fn the_function_is_the_diagram_and_nothing_else() {
        for state in S::ALL {
            for trigger in TRIGGERS {
                let drawn = ARROWS.iter().find(|(from, t, _)| (*from, *t) == (state, trigger));
                let drawn = drawn.map(|(_, _, to)| *to).ok_or(IllegalTransition { state, trigger });
                assert_eq!(state.next(trigger), drawn, "{state} on {trigger:?}");
            }
        }
    }

    #[test]
    fn after_the_cutover_there_is_no_way_back() {
        for trigger in TRIGGERS {
            assert!(matches!(S::Retiring.next(trigger), Ok(S::Succeeded) | Err(_)));
            assert!(S::Succeeded.next(trigger).is_err());
        }
    }

    #[test]
    fn names_and_properties_agree() {
        for state in S::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            let ends = state.next(T::Abort).is_ok() || state.next(T::TaskCancelled).is_ok();
            assert_eq!(state.is_cancellable(), ends, "{state}");
        }
        assert!("moving".parse::<JobState>().is_err());
    }
}
