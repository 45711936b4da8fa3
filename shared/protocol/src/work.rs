//! Work messages: from the coordinator to one server's workers.

use crate::TreePath;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{
    Accepted, ArtistId, Epoch, JobId, Lane, SegmentRef, ServerLimits, Slug, StepKey, StepRef,
    TraceParent, trace,
};
use uuid::Uuid;

/// An order to one server. It counts only inside a [`crate::SignedWork`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// This message; for logs.
    pub id: Uuid,
    /// The only server that may obey it.
    pub server: Slug,
    /// The job.
    pub job_id: JobId,
    /// The step.
    #[serde(flatten)]
    pub key: StepKey,
    /// The try.
    pub epoch: Epoch,
    /// Every try of this job with a lower epoch is void.
    pub floor: Epoch,
    /// When it was signed.
    pub issued_at: DateTime<Utc>,
    /// Not to be obeyed after this time.
    pub expires_at: DateTime<Utc>,
    /// What to do.
    pub order: Order,
    /// The request that the job follows from, and the sending of this order. Versions before this
    /// neither say nor read it; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub trace: Option<TraceParent>,
}

impl Work {
    /// How events name this try.
    pub const fn step_ref(&self) -> StepRef {
        StepRef { job_id: self.job_id, key: self.key, epoch: self.epoch }
    }
}

/// The artist of a job, as a worker needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtistRef {
    /// Names the media tree.
    pub id: ArtistId,
    /// Names the public address.
    pub slug: Slug,
}

/// A song of a job, as a worker needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LofiSong {
    /// Stays, whatever the song is called.
    pub id: Uuid,
    /// The original, in the artist's tree.
    pub path: TreePath,
}

/// What to do. The version is in the variant: a changed payload is a new variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Walk the artist's tree and stage it.
    ExportV1 {
        /// Whose tree.
        artist: ArtistRef,
    },
    /// Fetch one segment into the incoming tree.
    ImportV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// Which segment.
        segment: SegmentRef,
    },
    /// Freeze writes, stage what changed since the walk, stage the final manifest.
    SyncV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// The round, from 1.
        round: u32,
        /// How long the freeze holds unless renewed, in seconds.
        freeze_lease_s: u32,
    },
    /// Verify the whole incoming tree against the manifest, then promote it.
    PromoteV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// The final manifest.
        manifest: SegmentRef,
    },
    /// The artist has moved: forward, set the old copy aside, empty staging.
    RetireV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// Base URL of the new home, without a trailing slash.
        new_home_url: String,
        /// How long to keep the old copy, in seconds.
        keep_s: u64,
    },
    /// The move is off: remove what the target holds of it.
    AbandonImportV1 {
        /// Whose tree.
        artist: ArtistRef,
    },
    /// The move is off: lift the freeze, forget the export, empty staging.
    AbandonExportV1 {
        /// Whose tree.
        artist: ArtistRef,
    },
    /// Make a new artist's tree, with a page of this name, and its public name.
    ProvisionV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// The artist's name for people.
        name: String,
    },
    /// Make a song's small rendition.
    LofiV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// Which song.
        song: LofiSong,
        /// The name of the profile that it is made by.
        profile: String,
        /// What the profile says, as the conversion reads it; none for one that is built in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spec: Option<serde_json::Value>,
        /// Make it even if it is there, made by this profile of this very original.
        #[serde(default)]
        anew: bool,
    },
    /// Read all of the artist's files back, and compare them with what they were.
    VerifyV1 {
        /// Whose tree.
        artist: ArtistRef,
        /// How fast to read, in bytes per second; at least 1.
        rate_bytes_s: u64,
        /// Findings that a person has called right since the last time.
        #[serde(default)]
        accepted: Vec<Accepted>,
    },
    /// Nothing to do but this: every try of the job below `floor`, and this very try, is void.
    VoidV1,
    /// Lift this quarantine of the server. Job and step of the message mean nothing.
    ReleaseV1 {
        /// Which: an old order lifts no new quarantine.
        quarantine: Uuid,
    },
    /// Keep to these limits from now on. Job and step of the message mean nothing.
    LimitsV1 {
        /// Counts up: an older one changes nothing.
        revision: u64,
        /// Among how many workers of the server its rate is shared.
        workers: u32,
        /// The limits.
        limits: ServerLimits,
    },
    /// Obey these of the master's keys from now on, and no others. Job and step of the message
    /// mean nothing.
    TrustV1 {
        /// Counts up: a repeated older one changes nothing.
        generation: u64,
        /// The public keys, hex.
        keys: Vec<String>,
    },
    /// Take from every lane but these from now on; what is in hand is finished. Job and step of the
    /// message mean nothing.
    LanesV1 {
        /// Counts up: a repeated older one changes nothing.
        generation: u64,
        /// Lanes that are paused.
        paused: Vec<Lane>,
    },
}

impl Order {
    /// Whose tree it is about; none for orders to the server itself.
    pub const fn artist(&self) -> Option<&ArtistRef> {
        match self {
            Self::ExportV1 { artist }
            | Self::ImportV1 { artist, .. }
            | Self::SyncV1 { artist, .. }
            | Self::PromoteV1 { artist, .. }
            | Self::RetireV1 { artist, .. }
            | Self::AbandonImportV1 { artist }
            | Self::AbandonExportV1 { artist }
            | Self::ProvisionV1 { artist, .. }
            | Self::LofiV1 { artist, .. }
            | Self::VerifyV1 { artist, .. } => Some(artist),
            Self::VoidV1
            | Self::ReleaseV1 { .. }
            | Self::LimitsV1 { .. }
            | Self::LanesV1 { .. }
            | Self::TrustV1 { .. } => None,
        }
    }
}
