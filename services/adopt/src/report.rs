//! What came of a run, artist by artist.

use crate::list::Rejected;
use serde::Serialize;
use std::fmt;
use tourbus_domain::ArtistId;

/// What came of an artist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Taken over now.
    Adopted,
    /// Taken over before.
    Known,
    /// It would be; this was a dry run.
    Would,
    /// Not taken over; the next run tries again.
    Failed,
}

/// An artist of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Where in the list.
    pub line: usize,
    /// The old id.
    pub id: String,
    /// The new one.
    pub artist_id: ArtistId,
    /// The name in URLs.
    pub slug: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Songs.
    pub songs: usize,
    /// Files.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// What is not as one might expect.
    pub notes: Vec<String>,
    /// Why it was not taken over.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// What came of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Artists.
    pub artists: Vec<Line>,
    /// Lines of the list that are none.
    pub rejected: Vec<Rejected>,
}

impl Report {
    /// Whether all is well.
    pub fn is_complete(&self) -> bool {
        self.rejected.is_empty() && self.artists.iter().all(|a| a.outcome != Outcome::Failed)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.artists.iter().filter(|a| a.outcome == outcome).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Rejected { line, id, reason } in &self.rejected {
            writeln!(f, "line {line}, id {id:?}: {reason}")?;
        }
        for one in &self.artists {
            for note in &one.notes {
                writeln!(f, "{}: {note}", one.slug)?;
            }
            if one.outcome == Outcome::Failed {
                writeln!(f, "line {}, {}: {}", one.line, one.slug, one.error)?;
            }
        }
        let (songs, bytes) = self
            .artists
            .iter()
            .filter(|a| a.outcome != Outcome::Failed)
            .fold((0, 0), |(songs, bytes), a| (songs + a.songs, bytes + a.bytes));
        let parts = [
            (self.count(Outcome::Would), "would be taken over"),
            (self.count(Outcome::Adopted), "taken over"),
            (self.count(Outcome::Known), "known before"),
            (self.count(Outcome::Failed), "failed"),
            (self.rejected.len(), "cannot be taken over"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let size = indicatif::DecimalBytes(bytes);
        write!(
            f,
            "{} artists: {}; {songs} songs, {size}",
            self.artists.len() + self.rejected.len(),
            parts.join(", ")
        )
    }
}
