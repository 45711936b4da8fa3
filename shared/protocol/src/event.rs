//! Events: from workers to the coordinator, under `server.<slug>.<name>`.

use crate::{KeyId, TreePath, page::Rendition};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{
    ArtistId, Input, JobError, LanePauses, Quarantine, SegmentRef, Slug, StepRef, StepResult,
    Totals, TraceParent, trace,
};
use uuid::Uuid;

/// What a worker tells. The broker vouches for `server`: the routing key carries the same slug,
/// and only that server's user may publish under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// This message; for logs.
    pub id: Uuid,
    /// Which server tells it.
    pub server: Slug,
    /// Which worker process, for example `server2-1`.
    pub worker: String,
    /// When, on the worker's clock. For people; nothing is decided by it.
    pub at: DateTime<Utc>,
    /// The try's span, as with [`crate::Work`]; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub trace: Option<TraceParent>,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// Sent every few seconds by each worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Every try that this worker holds, queued inside it or running.
    pub running: Vec<StepRef>,
    /// Free bytes of the media root's disk.
    pub free_bytes: u64,
    /// Size of that disk.
    pub total_bytes: u64,
    /// The worker's version.
    pub version: String,
    /// Process id, for the operator.
    pub pid: u32,
    /// Why this server takes no work, if it is in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Which of the master's keys it obeys.
    #[serde(default)]
    pub trusts: Vec<KeyId>,
    /// How many songs it converts at a time, of those that wait in bulk.
    #[serde(default)]
    pub lofi_slots: u16,
    /// Which limits it keeps to; none while it was told of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsKept>,
    /// The lanes that it does not take from; none of a worker that knows no pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<LanePauses>,
}

/// Which limits a worker keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsKept {
    /// As they were announced.
    pub revision: u64,
    /// Among how many workers it shares the rate.
    pub workers: u32,
}

/// Plays of one song on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayCount {
    /// Whose song.
    pub artist_id: ArtistId,
    /// Where it is in the artist's tree.
    pub path: TreePath,
    /// The day, in UTC.
    pub day: NaiveDate,
    /// How many.
    pub plays: u32,
}

/// An artist's songs as the home server has them: all of it, so that a later one replaces an earlier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Whose.
    pub artist_id: ArtistId,
    /// Of two, the higher is newer.
    pub revision: u64,
    /// The artist's name for people; empty when the tree says none.
    pub name: String,
    /// Size of all of the artist's files.
    pub bytes: u64,
    /// In the order of the page.
    pub songs: Vec<CatalogueSong>,
}

/// A song of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueSong {
    /// Stays.
    pub id: Uuid,
    /// Where it is in the artist's tree.
    pub path: TreePath,
    /// For people.
    pub title: String,
    /// Size of the original.
    pub bytes: u64,
    /// Length in milliseconds; 0 when it is not known.
    pub duration_ms: u64,
    /// Its small rendition, if there is one and it is known how it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lofi: Option<Rendition>,
    /// Whether a file stands where its small rendition belongs.
    #[serde(default)]
    pub has_lofi: bool,
    /// Listeners do not see it until it has a small rendition.
    #[serde(default)]
    pub awaits_lofi: bool,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventBody {
    /// The worker is alive.
    Heartbeat(Heartbeat),
    /// Plays that this server's media service has counted.
    Plays {
        /// Which batch: it counts once, however often it is told.
        batch: Uuid,
        /// The plays.
        counts: Vec<PlayCount>,
    },
    /// An artist's songs have changed.
    Catalogue(Catalogue),
    /// A check of the broker: it says nothing, but that it could be published.
    Checked,
    /// A try has begun.
    Started {
        /// The try.
        step: StepRef,
    },
    /// How far a try is.
    Progress {
        /// The try.
        step: StepRef,
        /// Bytes dealt with so far, over all tries of this step.
        bytes: u64,
        /// What the walk has found, once it is known.
        totals: Option<Totals>,
    },
    /// A segment is in the staging bucket.
    Staged {
        /// The try that staged it.
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
    /// A try is handed back unfinished, through no fault of its own.
    Yielded {
        /// The try.
        step: StepRef,
        /// `shutdown` or `continues`.
        reason: String,
    },
    /// A try cannot be done just now, and nobody is to blame.
    Snoozed {
        /// The try.
        step: StepRef,
        /// What stands in its way, for logs.
        reason: String,
        /// When to send it again, in seconds from now.
        after_s: u32,
    },
    /// Something that a person should know, and that stops nothing.
    Noticed {
        /// The try.
        step: StepRef,
        /// What, where, and what to do about it.
        notice: JobError,
    },
    /// A try has failed.
    Failed {
        /// The try.
        step: StepRef,
        /// Why, where, and how to mend it.
        error: JobError,
    },
}

impl EventBody {
    /// The last part of the routing key.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Heartbeat(_) => "heartbeat",
            Self::Plays { .. } => "plays",
            Self::Catalogue(_) => "catalogue",
            Self::Checked => "checked",
            Self::Started { .. } => "started",
            Self::Progress { .. } => "progress",
            Self::Staged { .. } => "staged",
            Self::Done { .. } => "done",
            Self::Yielded { .. } => "yielded",
            Self::Snoozed { .. } => "snoozed",
            Self::Noticed { .. } => "noticed",
            Self::Failed { .. } => "failed",
        }
    }

    /// The try it is about; none for what is about no job.
    pub const fn step(&self) -> Option<&StepRef> {
        match self {
            Self::Heartbeat(_) | Self::Plays { .. } | Self::Catalogue(_) | Self::Checked => None,
            Self::Started { step }
            | Self::Progress { step, .. }
            | Self::Staged { step, .. }
            | Self::Done { step, .. }
            | Self::Yielded { step, .. }
            | Self::Snoozed { step, .. }
            | Self::Noticed { step, .. }
            | Self::Failed { step, .. } => Some(step),
        }
    }

    /// What it means to the job; none for what is about no job.
    pub fn into_input(self) -> Option<Input> {
        Some(match self {
            Self::Heartbeat(_) | Self::Plays { .. } | Self::Catalogue(_) | Self::Checked => {
                return None;
            }
            Self::Started { step } => Input::Started(step),
            Self::Progress { step, bytes, totals } => Input::Progress { step, bytes, totals },
            Self::Staged { step, segment } => Input::Staged { step, segment },
            Self::Done { step, result } => Input::Done { step, result },
            Self::Yielded { step, .. } => Input::Yielded(step),
            Self::Snoozed { step, after_s, .. } => Input::Snoozed { step, after_s },
            Self::Noticed { step, notice } => Input::Noticed { step, notice },
            Self::Failed { step, error } => Input::Failed { step, error },
        })
    }
}
