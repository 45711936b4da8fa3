//! The limits that this server keeps to, and the moves that have a place within them: beside the
//! trees, so that all workers of the server agree.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError},
};
use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use tourbus_domain::{JobId, ServerLimits};

/// Limits that the master announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsNote {
    /// Counts up with every change.
    pub revision: u64,
    /// When it was announced; of the same revision the later one counts.
    pub issued_at: DateTime<Utc>,
    /// Among how many workers the rate is shared.
    pub workers: u32,
    /// The limits.
    pub limits: ServerLimits,
}

/// Which way a move goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Away from this server, until its notes are forgotten.
    Out,
    /// To this server, until its tree is in its place.
    In,
}

impl Way {
    const fn mark(self) -> &'static str {
        match self {
            Self::Out => "place.out",
            Self::In => "place.in",
        }
    }
}

impl MediaRoot {
    /// What was announced last, if anything.
    pub fn limits(&self) -> Result<Option<LimitsNote>, RootError> {
        atomic::read_json(&self.limits_note())
    }

    /// Notes an announcement, unless a newer one is noted. Whether it was.
    pub fn note_limits(&self, new: &LimitsNote) -> Result<bool, RootError> {
        let _lock = self.lock_limits()?;
        let stale =
            |noted: LimitsNote| (noted.revision, noted.issued_at) > (new.revision, new.issued_at);
        if self.limits()?.is_some_and(stale) {
            return Ok(false);
        }
        atomic::write_json(&self.limits_note(), new, Durable::Yes)?;
        Ok(true)
    }

    /// Gives a move one of `max` places, for all workers of this server together. A move that has
    /// one keeps it, even if fewer are allowed by now. False when all are taken.
    pub fn take_place(&self, job: JobId, way: Way, max: Option<u32>) -> Result<bool, RootError> {
        let notes = self.job(job);
        let mark = notes.join(way.mark());
        if mark.exists() {
            return Ok(true);
        }
        let _lock = self.lock_limits()?;
        if let Some(max) = max
            && self.places_taken(way)? >= max
        {
            return Ok(false);
        }
        std::fs::create_dir_all(&notes).doing("make", &notes)?;
        File::create(&mark).doing("create", &mark)?;
        Ok(true)
    }

    /// How many moves have a place.
    fn places_taken(&self, way: Way) -> Result<u32, RootError> {
        let jobs = self.jobs_all();
        let mut taken = 0;
        for entry in std::fs::read_dir(&jobs).doing("list", &jobs)? {
            let entry = entry.doing("list", &jobs)?;
            // What is being removed has another name.
            let Ok(job) = entry.file_name().to_string_lossy().parse::<JobId>() else { continue };
            let here = self.job(job).join(way.mark()).exists();
            if here && (way == Way::Out || !self.has_promoted(job)) {
                taken += 1;
            }
        }
        Ok(taken)
    }

    fn lock_limits(&self) -> Result<File, RootError> {
        let path = self.limits_note().with_extension("lock");
        let lock = File::create(&path).doing("create", &path)?;
        flock(&lock, FlockOperation::LockExclusive).doing("lock", &path)?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Promoted;

    fn root() -> (tempfile::TempDir, MediaRoot) {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        (dir, root)
    }

    #[test]
    fn the_newest_announcement_counts() {
        let (_dir, root) = root();
        let note = |revision, s, workers| LimitsNote {
            revision,
            issued_at: DateTime::from_timestamp(s, 0).unwrap(),
            workers,
            limits: ServerLimits::default(),
        };
        assert!(root.note_limits(&note(2, 10, 1)).unwrap());
        assert!(!root.note_limits(&note(1, 20, 1)).unwrap(), "an older revision");
        assert!(!root.note_limits(&note(2, 9, 2)).unwrap(), "an older announcement");
        assert!(root.note_limits(&note(2, 11, 2)).unwrap());
        assert_eq!(root.limits().unwrap().unwrap().workers, 2);
    }

    #[test]
    fn places_are_given_back_with_the_notes_and_each_way_has_its_own() {
        let (_dir, root) = root();
        let (a, b, c) = (JobId::new(), JobId::new(), JobId::new());
        assert!(root.take_place(a, Way::Out, Some(1)).unwrap());
        assert!(root.take_place(a, Way::Out, Some(1)).unwrap(), "it has one");
        assert!(!root.take_place(b, Way::Out, Some(1)).unwrap());
        assert!(root.take_place(b, Way::In, Some(1)).unwrap());
        assert!(!root.take_place(c, Way::In, Some(1)).unwrap());
        root.forget_job(a, &|| false).unwrap();
        assert!(root.take_place(c, Way::Out, Some(1)).unwrap());
        assert!(root.take_place(b, Way::Out, None).unwrap(), "no limit");
        let note = Promoted {
            artist: tourbus_domain::ArtistId::new(),
            manifest: String::new(),
            at: Utc::now(),
        };
        root.note_promoted(b, &note).unwrap();
        assert!(root.take_place(c, Way::In, Some(1)).unwrap(), "b has arrived");
    }
}
