//! What time alone cleans: old copies that are due, notes that nobody needs any more.
//!
//! Arriving trees and running jobs' notes are never removed by age: only their jobs know.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError, absent},
    freeze::Freeze,
    remove::remove_tree,
};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, SystemTime},
};
use tourbus_domain::{ArtistId, JobId};

/// Fences outlive every message: those expire after 7 days.
pub const FENCE_KEEP: Duration = Duration::from_hours(8 * 24);
/// How long a target remembers what it did for a move that it has promoted.
pub const PROMOTED_KEEP: TimeDelta = TimeDelta::days(1);
/// Names that begin with a dot are half-written, or half-removed, for an instant. What a killed
/// process left is older than that.
const HALF_DONE_KEEP: Duration = Duration::from_hours(1);
/// How long an expired freeze stands about.
pub const FREEZE_KEEP: TimeDelta = TimeDelta::days(1);

const PROMOTED: &str = "promoted.json";

/// A job's note that its tree has been promoted here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Whose tree.
    pub artist: ArtistId,
    /// BLAKE3 of the manifest that it was made equal to, hex.
    pub manifest: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What one round removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Old copies.
    pub retired: u64,
    /// Fences.
    pub fences: u64,
    /// Notes of promoted moves.
    pub jobs: u64,
    /// Expired freezes.
    pub freezes: u64,
    /// Uploads that nobody continued, and notes of those that are done.
    pub uploads: u64,
    /// Records of artists who have left.
    pub records: u64,
    /// What killed processes had not finished writing or removing.
    pub half_done: u64,
}

impl MediaRoot {
    /// Notes that this job's tree is promoted.
    pub fn note_promoted(&self, job: JobId, note: &Promoted) -> Result<(), RootError> {
        atomic::write_json(&self.job(job).join(PROMOTED), note, Durable::Yes)
    }

    /// Whether this job's tree is promoted.
    pub fn promoted(&self, job: JobId) -> Result<Option<Promoted>, RootError> {
        atomic::read_json(&self.job(job).join(PROMOTED))
    }

    /// Whether there is such a note, whatever it says.
    pub fn has_promoted(&self, job: JobId) -> bool {
        self.job(job).join(PROMOTED).exists()
    }

    /// Takes the note back.
    pub fn unnote_promoted(&self, job: JobId) -> Result<bool, RootError> {
        atomic::remove(&self.job(job).join(PROMOTED))
    }

    /// Forgets a job, in one instant: whether its notes are there tells a repetition whether all is
    /// done. What `stop`, or a kill, leaves of them is nobody's notes any more.
    pub fn forget_job(&self, job: JobId, stop: &dyn Fn() -> bool) -> Result<(), RootError> {
        let notes = self.job(job);
        let gone = atomic::temporary(&notes);
        if absent(atomic::rename(&notes, &gone, Durable::Yes))?.is_some() {
            remove_tree(&gone, stop)?;
        }
        Ok(())
    }

    /// Cleans what is due, and fills the ballast. One process at a time; others return at once
    /// with nothing done.
    /// `stop` is asked between directories of a purge.
    pub fn clean(&self, now: DateTime<Utc>, stop: &dyn Fn() -> bool) -> Result<Cleaned, RootError> {
        let path = self.janitor_lock();
        let lock = fs::File::create(&path).doing("open", &path)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(Cleaned::default());
        }
        let cleaned = Cleaned {
            retired: self.purge_retired(now, stop)?,
            fences: self.clean_fences(now)?,
            jobs: self.clean_promoted(now, stop)?,
            freezes: self.clean_freezes(now)?,
            records: self.clean_records(now)?,
            half_done: self.clean_half_done(now, stop)?,
            uploads: self.tidy_uploads(now)?,
        };
        self.keep_ballast()?;
        Ok(cleaned)
    }

    fn clean_fences(&self, now: DateTime<Utc>) -> Result<u64, RootError> {
        let oldest = SystemTime::from(now).checked_sub(FENCE_KEEP);
        let mut cleaned = 0;
        for dir in list(&self.fences_all())? {
            let Ok(job) = dir.file_name().to_string_lossy().parse() else { continue };
            if newest(&dir.path())? < oldest && self.fence(job).remove()? {
                cleaned += 1;
            }
        }
        Ok(cleaned)
    }

    fn clean_promoted(
        &self,
        now: DateTime<Utc>,
        stop: &dyn Fn() -> bool,
    ) -> Result<u64, RootError> {
        let mut cleaned = 0;
        for dir in list(&self.jobs_all())? {
            let Ok(job) = dir.file_name().to_string_lossy().parse() else { continue };
            if self.promoted(job)?.is_some_and(|p| p.at + PROMOTED_KEEP < now) {
                self.forget_job(job, stop)?;
                cleaned += 1;
            }
        }
        Ok(cleaned)
    }

    fn clean_half_done(
        &self,
        now: DateTime<Utc>,
        stop: &dyn Fn() -> bool,
    ) -> Result<u64, RootError> {
        let oldest = SystemTime::from(now).checked_sub(HALF_DONE_KEEP);
        let mut cleaned = 0;
        for place in self.noted() {
            for entry in list(&place)?.into_iter().filter(is_half_done) {
                let path = entry.path();
                let Some(found) = absent(entry.metadata().doing("examine", &path))? else {
                    continue;
                };
                if found.modified().doing("examine", &path).map(Some)? >= oldest {
                    continue;
                }
                if found.is_dir() {
                    remove_tree(&path, stop)?;
                } else {
                    atomic::remove(&path)?;
                }
                cleaned += 1;
            }
        }
        Ok(cleaned)
    }

    fn clean_freezes(&self, now: DateTime<Utc>) -> Result<u64, RootError> {
        let mut cleaned = 0;
        for file in list(&self.freezes_all())?.into_iter().filter(|f| !is_half_done(f)) {
            let path = file.path();
            let freeze: Option<Freeze> = atomic::read_json(&path)?;
            if freeze.is_some_and(|f| f.expires_at + FREEZE_KEEP < now) {
                cleaned += u64::from(atomic::remove(&path)?);
            }
        }
        Ok(cleaned)
    }
}

fn is_half_done(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_bytes().starts_with(b".")
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, RootError> {
    let entries = fs::read_dir(dir).doing("list", dir)?;
    entries.map(|e| e.doing("list", dir)).collect()
}

/// When anything in a directory last changed; `None` when it is gone.
fn newest(dir: &Path) -> Result<Option<SystemTime>, RootError> {
    let mut newest = None;
    for file in absent(list(dir))?.unwrap_or_default() {
        let path = file.path();
        let changed = absent(file.metadata().and_then(|m| m.modified()).doing("examine", &path))?;
        newest = newest.max(changed);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests;
