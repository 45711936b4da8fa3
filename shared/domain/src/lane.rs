//! Lanes: the queues of one server.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

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
}

impl Lane {
    /// Every lane, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::Express,
        Self::Export,
        Self::Import,
        Self::Lofi,
        Self::LofiBulk,
        Self::Verify,
        Self::Upkeep,
    ];

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
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no lane: expected export, express, import, lofi, lofi-bulk, verify or upkeep")]
pub struct UnknownLane(pub String);

impl FromStr for Lane {
    type Err = UnknownLane;
    fn from_str(s: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|l| l.as_str() == s).ok_or_else(|| UnknownLane(s.to_owned()))
    }
}
