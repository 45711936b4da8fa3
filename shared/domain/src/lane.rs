//! Lanes: the queues of one server.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// One queue of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// The backlog of queued moves, one message each: its depth *is* the backlog.
    Export,
    /// Moves somebody asked to have now; overtakes `export`.
    Express,
    /// Segments arriving at the target.
    Import,
    /// LOFI renditions of fresh uploads.
    Lofi,
    /// LOFI renditions in bulk; never delays `lofi`.
    LofiBulk,
    /// Reading artists' files back; slow by intent, and apart, so that it delays nothing.
    Verify,
    /// Short steps that finish or undo a move: sync, promote, retire, abandon, void.
    Upkeep,
    /// Orders to the server itself about its lanes and limits. Cannot be paused: resuming comes this
    /// way; and nothing that takes long stands on it.
    Control,
}

impl Lane {
    /// Every lane, in the order they are shown.
    pub const ALL: [Self; 8] = [
        Self::Express,
        Self::Export,
        Self::Import,
        Self::Lofi,
        Self::LofiBulk,
        Self::Verify,
        Self::Upkeep,
        Self::Control,
    ];

    /// Whether a person may pause it.
    pub const fn can_pause(self) -> bool {
        !matches!(self, Self::Control)
    }

    /// What stands still while it is paused, in a sentence or two for the person who pauses it.
    pub const fn pause_stops(self) -> &'static str {
        match self {
            Self::Express => "Expedited moves off this server do not begin.",
            Self::Export => {
                "Moves off this server do not begin; a long one stops at its next pause."
            }
            Self::Import => {
                "Nothing arrives on this server: moves to it stay half-way, and their artists stay \
                 where they are."
            }
            Self::Lofi => "Fresh uploads get no LOFI, and stay hidden where they wait for one.",
            Self::LofiBulk => "No song of this server is converted in bulk.",
            Self::Verify => "No file of this server is read back.",
            Self::Upkeep => {
                "No move from or to this server is finished, undone or cancelled to its end, and no \
                 new artist begins here. Artists that are on their way stay held until it is resumed."
            }
            Self::Control => "It cannot be paused.",
        }
    }

    /// The stable name, as in queue names, routing keys and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Express => "express",
            Self::Import => "import",
            Self::Lofi => "lofi",
            Self::LofiBulk => "lofi-bulk",
            Self::Verify => "verify",
            Self::Upkeep => "upkeep",
            Self::Control => "control",
        }
    }
}

/// Lanes of a server that its workers take nothing from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanePauses {
    /// Counts up with every order: a repeated older one changes nothing.
    pub generation: u64,
    /// The lanes.
    pub paused: BTreeSet<Lane>,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no lane: expected export, express, import, lofi, lofi-bulk, verify, upkeep or control"
)]
pub struct UnknownLane(pub String);

impl FromStr for Lane {
    type Err = UnknownLane;
    fn from_str(s: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|l| l.as_str() == s).ok_or_else(|| UnknownLane(s.to_owned()))
    }
}
