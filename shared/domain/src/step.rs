//! Steps: the stages of a job, each one message to one server.

use crate::{Epoch, JobError, JobId, Lane, ServerId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a step does. One file each under `services/worker/src/steps/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Source: walk the tree and stage it.
    Export,
    /// Target: fetch one segment into the incoming tree. One step per segment.
    Import,
    /// Source: freeze, stage what changed, stage the final manifest. One step per round.
    Sync,
    /// Target: verify the whole tree, promote it. One step per round.
    Promote,
    /// Source, after cutover: set the old copy aside, leave a forwarding, empty staging.
    Retire,
    /// Target, when undoing: remove the incoming tree.
    AbandonImport,
    /// Source, when undoing: lift the freeze, forget the export, empty staging.
    AbandonExport,
    /// Home: make a new artist's tree and public name.
    Provision,
    /// Home: make a song's small rendition.
    Lofi,
    /// Home: read all files back, and compare them with what they were.
    Verify,
}

impl StepKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Export,
        Self::Import,
        Self::Sync,
        Self::Promote,
        Self::Retire,
        Self::AbandonImport,
        Self::AbandonExport,
        Self::Provision,
        Self::Lofi,
        Self::Verify,
    ];

    /// The stable name, as in messages and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
            Self::Sync => "sync",
            Self::Promote => "promote",
            Self::Retire => "retire",
            Self::AbandonImport => "abandon_import",
            Self::AbandonExport => "abandon_export",
            Self::Provision => "provision",
            Self::Lofi => "lofi",
            Self::Verify => "verify",
        }
    }

    /// The lane it travels on. Only an export waits in the backlog; whatever a running move
    /// still needs must never queue behind moves that have not begun. What is converted in bulk
    /// travels on `lofi-bulk` instead.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Export => Lane::Export,
            Self::Import => Lane::Import,
            Self::Lofi => Lane::Lofi,
            Self::Verify => Lane::Verify,
            Self::Sync
            | Self::Promote
            | Self::Retire
            | Self::AbandonImport
            | Self::AbandonExport
            | Self::Provision => Lane::Upkeep,
        }
    }

    /// Whether it is part of undoing a move.
    pub const fn is_rollback(self) -> bool {
        matches!(self, Self::AbandonImport | Self::AbandonExport)
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no kind of step")]
pub struct UnknownStep(pub String);

impl FromStr for StepKind {
    type Err = UnknownStep;
    fn from_str(s: &str) -> Result<Self, UnknownStep> {
        Self::ALL.into_iter().find(|v| v.as_str() == s).ok_or_else(|| UnknownStep(s.to_owned()))
    }
}

/// Which step of a job: its kind, and which one of that kind (a segment, a round; else 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// What it does.
    pub kind: StepKind,
    /// Which one of its kind.
    pub seq: u32,
}

/// One try of one step of one job, as events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepRef {
    /// The job.
    pub job_id: JobId,
    /// The step.
    #[serde(flatten)]
    pub key: StepKey,
    /// The try.
    pub epoch: Epoch,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not due yet: behind a barrier (an import of a later round).
    Waiting,
    /// In the outbox or on its lane; no worker has named it yet.
    Sent,
    /// A worker has begun this try.
    Running,
    /// Finished.
    Done,
    /// Called off; events about it change nothing.
    Void,
}

impl StepState {
    /// The stable name, as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Running => "running",
            Self::Done => "done",
            Self::Void => "void",
        }
    }
}

impl FromStr for StepState {
    type Err = UnknownStep;
    fn from_str(s: &str) -> Result<Self, UnknownStep> {
        [Self::Waiting, Self::Sent, Self::Running, Self::Done, Self::Void]
            .into_iter()
            .find(|v| v.as_str() == s)
            .ok_or_else(|| UnknownStep(s.to_owned()))
    }
}

/// A staged object that a message points to: what it is called, and what it must hash to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Which segment of the job, from 1; for a final manifest, its round.
    pub number: u32,
    /// 0 while copying, then the round of the sync that staged it.
    pub round: u32,
    /// Key of the segment's description in the staging bucket.
    pub key: String,
    /// BLAKE3 of that object, hex.
    pub blake3: String,
    /// Media bytes the segment carries (not the size of the description).
    pub bytes: u64,
}

/// What a finished step tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum StepResult {
    /// The tree is staged; this many segments in all. Guards against a lost `staged` event:
    /// each is listed again.
    Export {
        /// Every segment of this export.
        segments: Vec<SegmentRef>,
    },
    /// The segment is imported.
    Import,
    /// Frozen, changes staged, the final manifest stands.
    Sync {
        /// The segments that this round staged (none when nothing changed).
        segments: Vec<SegmentRef>,
        /// The final manifest: everything the tree must be.
        manifest: SegmentRef,
        /// Files in the tree.
        files: u64,
        /// Bytes in the tree.
        bytes: u64,
    },
    /// Verified byte for byte against the manifest, and promoted.
    Promote,
    /// Set aside; the forwarding stands.
    Retire {
        /// What could not be removed from staging, if anything; the sweep will.
        leftovers: Option<String>,
    },
    /// The incoming tree is gone.
    AbandonImport,
    /// Unfrozen, forgotten.
    AbandonExport {
        /// What could not be removed from staging, if anything; the sweep will.
        leftovers: Option<String>,
    },
    /// The tree is there, under the public name.
    Provision,
    /// The song has its small rendition.
    Lofi {
        /// How it came to be.
        made: LofiMade,
        /// Its size.
        bytes: u64,
        /// Length of the song, in milliseconds.
        audio_ms: u64,
        /// How long making it took, in milliseconds.
        took_ms: u64,
    },
    /// All files were read; what was found.
    Verify(crate::VerifyReport),
}

/// How a small rendition came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LofiMade {
    /// Decoded and encoded.
    Encoded,
    /// The original is small enough already: its audio was copied.
    Copied,
    /// It was there already, made of this very original with this very profile.
    Kept,
}

/// A step as the coordinator keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which step.
    pub key: StepKey,
    /// Where it stands.
    pub state: StepState,
    /// Its current try.
    pub epoch: Epoch,
    /// Tries that cost something so far (a handed-back try costs nothing).
    pub attempts: u32,
    /// Whose lane it is on.
    pub server_id: ServerId,
    /// Which lane.
    pub lane: Lane,
    /// What it works on: a segment (import) or the final manifest (promote).
    pub input: Option<SegmentRef>,
    /// Not to be sent before this time.
    pub run_after: DateTime<Utc>,
    /// When its current try was written to the outbox.
    pub sent_at: Option<DateTime<Utc>>,
    /// Last time a worker named its current try.
    pub seen_at: Option<DateTime<Utc>>,
    /// The last failure, if any.
    pub error: Option<JobError>,
}
