//! The kinds of jobs.

use crate::StepKind;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// An artist changes servers.
    Move,
    /// A new artist gets a tree and a public name on the home server.
    Provision,
    /// A song gets its small rendition on the home server.
    Lofi,
    /// An artist's files are read back on the home server, and compared with what they were.
    Verify,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Move, Self::Provision, Self::Lofi, Self::Verify];

    /// The stable name, as in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Provision => "provision",
            Self::Lofi => "lofi",
            Self::Verify => "verify",
        }
    }

    /// The step it begins with; a task has no other.
    pub const fn first_step(self) -> StepKind {
        match self {
            Self::Move => StepKind::Export,
            Self::Provision => StepKind::Provision,
            Self::Lofi => StepKind::Lofi,
            Self::Verify => StepKind::Verify,
        }
    }

    /// Whether no other job may touch the artist meanwhile.
    pub const fn holds_artist(self) -> bool {
        match self {
            Self::Move | Self::Provision => true,
            Self::Lofi | Self::Verify => false,
        }
    }

    /// Whether it goes on at the new home when the artist moves meanwhile.
    pub const fn follows_artist(self) -> bool {
        match self {
            Self::Move | Self::Provision => false,
            Self::Lofi | Self::Verify => true,
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no kind of job")]
pub struct UnknownKind(pub String);

impl FromStr for JobKind {
    type Err = UnknownKind;
    fn from_str(s: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|v| v.as_str() == s).ok_or_else(|| UnknownKind(s.to_owned()))
    }
}
