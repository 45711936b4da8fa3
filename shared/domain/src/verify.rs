//! What reading an artist's files back tells.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It was there, or the artist's page names it, and it is gone; nobody deleted it by Tourbus.
    Missing,
    /// Size and modification time are what they were, and its bytes are not: the disk lost them.
    Corrupt,
    /// It was written to, and not by Tourbus.
    Changed,
    /// The disk does not give it back.
    Unreadable,
    /// It is there, and Tourbus did not put it there.
    Untracked,
}

impl FindingKind {
    /// Every kind, the worst first.
    pub const ALL: [Self; 5] =
        [Self::Corrupt, Self::Unreadable, Self::Missing, Self::Changed, Self::Untracked];

    /// The stable name, as in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::Untracked => "untracked",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no kind of finding")]
pub struct UnknownFinding(pub String);

impl FromStr for FindingKind {
    type Err = UnknownFinding;
    fn from_str(s: &str) -> Result<Self, UnknownFinding> {
        Self::ALL.into_iter().find(|k| k.as_str() == s).ok_or_else(|| UnknownFinding(s.to_owned()))
    }
}

/// A file that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where in the artist's tree; escaped like every path of a tree.
    pub path: String,
    /// What is wrong.
    pub kind: FindingKind,
    /// The size that it had, in bytes; none when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_expected: Option<u64>,
    /// The size that it has, in bytes; none when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_actual: Option<u64>,
    /// Where the first piece begins that differs, in bytes; none when the file is one piece, or
    /// nothing was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// BLAKE3 that this piece had, hex; none when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3_expected: Option<String>,
    /// BLAKE3 that it has, hex; none when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3_actual: Option<String>,
    /// All that the file is now, in one hash: who accepts the finding accepts just this. Empty for
    /// one that is not there, or cannot be read.
    pub state: String,
    /// Why it cannot be read; none for all other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A finding that a person has called right: from now on the file is to be what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Where in the artist's tree, escaped.
    pub path: String,
    /// [`Finding::state`] of what was accepted.
    pub state: String,
}

/// What came of reading all files of an artist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Files that were read.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// There was no record to compare with: what was read is the record from now on.
    pub first_reading: bool,
    /// Files that were there before and are what they were.
    pub unchanged: u64,
    /// Files that Tourbus has put there, replaced or deleted since the record was written.
    pub placed: u64,
    /// Files of each kind of finding.
    pub missing: u64,
    /// Likewise.
    pub corrupt: u64,
    /// Likewise.
    pub changed: u64,
    /// Likewise.
    pub unreadable: u64,
    /// Likewise.
    pub untracked: u64,
    /// The findings, the worst first; not all, if there are very many.
    pub findings: Vec<Finding>,
    /// How long reading took, over all tries, in milliseconds.
    pub took_ms: u64,
}

impl VerifyReport {
    /// Findings in all, also those that are not listed.
    pub const fn found(&self) -> u64 {
        self.missing + self.corrupt + self.changed + self.unreadable + self.untracked
    }

    /// Counts one finding.
    pub const fn count(&mut self, kind: FindingKind) {
        match kind {
            FindingKind::Missing => self.missing += 1,
            FindingKind::Corrupt => self.corrupt += 1,
            FindingKind::Changed => self.changed += 1,
            FindingKind::Unreadable => self.unreadable += 1,
            FindingKind::Untracked => self.untracked += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_is_counted() {
        let mut report = VerifyReport::default();
        for kind in FindingKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            report.count(kind);
        }
        assert_eq!(report.found(), 5);
        assert!("rotten".parse::<FindingKind>().is_err());
    }
}
