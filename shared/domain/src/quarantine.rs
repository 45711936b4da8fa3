//! Quarantine: a server whose own faults fail move after move stops taking work, so that one bad
//! disk does not eat the queue.
//!
//! Counted are failures in a row of steps that read artists' trees here (`export`, `sync`) or
//! that write them (`import`, `promote`), each side for itself: a disk that can only be read any
//! more fails what arrives, whatever leaves in between. Undoing and retiring do not count.

use crate::{ArtistId, JobError, StepKind};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Failures count only when they hit at least this many artists: one bad tree is no bad server.
pub const ARTISTS_MIN: usize = 3;

/// Errors that are this server's own, by code: its disk, its media root, its way into staging.
///
/// Not among them: `disk_full` (admission keeps moves away, and moves off the server must go on),
/// a staging store that is away or has lost its bucket (everybody's), and whatever blames one
/// file (`file_…`).
const OWN_FAULTS: [&str; 7] = [
    "disk_read_only",
    "disk_error",
    "media_root_denied",
    "tree_missing",
    "job_state_missing",
    "staging_denied",
    "worker_panic",
];

/// Why a server takes no work, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// This very quarantine: a release names it, so that an old release lifts no new one.
    pub id: Uuid,
    /// When it began, on the server's clock.
    pub since: DateTime<Utc>,
    /// How many steps had failed in a row.
    pub failures: u32,
    /// The last of these failures.
    pub error: JobError,
}

/// Which way an artist goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Leaves,
    Arrives,
}

impl Side {
    const fn of(kind: StepKind) -> Option<Self> {
        match kind {
            StepKind::Export | StepKind::Sync => Some(Self::Leaves),
            StepKind::Import | StepKind::Promote => Some(Self::Arrives),
            StepKind::Retire
            | StepKind::AbandonImport
            | StepKind::AbandonExport
            | StepKind::Provision
            | StepKind::Lofi
            | StepKind::Verify => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Run {
    failures: u32,
    /// Up to [`ARTISTS_MIN`] of those hit.
    artists: BTreeSet<ArtistId>,
}

/// Failures in a row, as one worker sees them.
#[derive(Debug, Clone)]
pub struct FailureRun {
    limit: u32,
    leaves: Run,
    arrives: Run,
}

impl FailureRun {
    /// Quarantine after `limit` failures in a row; 0 means never.
    pub fn new(limit: u32) -> Self {
        Self { limit, leaves: Run::default(), arrives: Run::default() }
    }

    /// Forgets what it has counted.
    pub fn reset(&mut self) {
        *self = Self::new(self.limit);
    }

    /// A step of this artist is done.
    pub fn done(&mut self, kind: StepKind) {
        if let Some(side) = Side::of(kind) {
            *self.side(side) = Run::default();
        }
    }

    /// A step of this artist has failed. Returns the length of the run when it is long enough
    /// for a quarantine.
    pub fn failed(&mut self, kind: StepKind, artist: ArtistId, error: &JobError) -> Option<u32> {
        let side = Side::of(kind).filter(|_| OWN_FAULTS.contains(&error.code.as_str()))?;
        let limit = self.limit;
        let run = self.side(side);
        run.failures = run.failures.saturating_add(1);
        if run.artists.len() < ARTISTS_MIN {
            run.artists.insert(artist);
        }
        let enough = limit > 0 && run.failures >= limit && run.artists.len() >= ARTISTS_MIN;
        enough.then_some(run.failures)
    }

    fn side(&mut self, side: Side) -> &mut Run {
        match side {
            Side::Leaves => &mut self.leaves,
            Side::Arrives => &mut self.arrives,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorClass;

    fn error(code: &str) -> JobError {
        JobError::new(ErrorClass::Transient, code, "m", "r")
    }

    fn artists() -> Vec<ArtistId> {
        (0..6).map(|_| ArtistId::new()).collect()
    }

    #[test]
    fn five_in_a_row_across_three_artists_are_enough() {
        let (mut run, artists) = (FailureRun::new(5), artists());
        for artist in &artists[..4] {
            assert_eq!(run.failed(StepKind::Import, *artist, &error("disk_error")), None);
        }
        assert_eq!(run.failed(StepKind::Promote, artists[4], &error("disk_read_only")), Some(5));
        run.reset();
        assert_eq!(run.failed(StepKind::Import, artists[4], &error("disk_error")), None);
    }

    #[test]
    fn one_bad_tree_is_no_bad_server() {
        let (mut run, artists) = (FailureRun::new(5), artists());
        for n in 0..20 {
            let artist = artists[n % 2];
            assert_eq!(run.failed(StepKind::Export, artist, &error("disk_error")), None, "{n}");
        }
        assert_eq!(run.failed(StepKind::Export, artists[2], &error("disk_error")), Some(21));
    }

    #[test]
    fn a_success_on_the_same_side_ends_the_run_and_on_the_other_does_not() {
        let (mut run, artists) = (FailureRun::new(4), artists());
        for artist in &artists[..3] {
            run.failed(StepKind::Import, *artist, &error("disk_error"));
            run.done(StepKind::Export);
            run.done(StepKind::AbandonImport);
        }
        let mut broken = run.clone();
        assert_eq!(run.failed(StepKind::Import, artists[3], &error("disk_error")), Some(4));
        broken.done(StepKind::Promote);
        assert_eq!(broken.failed(StepKind::Import, artists[3], &error("disk_error")), None);
    }

    #[test]
    fn faults_of_others_neither_count_nor_end_the_run() {
        let (mut run, artists) = (FailureRun::new(3), artists());
        for artist in &artists[..2] {
            run.failed(StepKind::Import, *artist, &error("staging_denied"));
            for code in ["disk_full", "file_special", "staging_unavailable"] {
                assert_eq!(run.failed(StepKind::Import, *artist, &error(code)), None);
            }
        }
        assert_eq!(run.failed(StepKind::Import, artists[2], &error("staging_denied")), Some(3));
        let mut never = FailureRun::new(0);
        for artist in artists {
            assert_eq!(never.failed(StepKind::Import, artist, &error("staging_denied")), None);
        }
    }
}
