//! Freezes: no writes to an artist's tree for a while. A freeze is a lease: it ends by itself.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::RootError,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ArtistId, JobId};

/// Who froze an artist, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The move.
    pub job_id: JobId,
    /// When it ends by itself, on this server's clock.
    pub expires_at: DateTime<Utc>,
}

/// Why an artist could not be frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// Another job's freeze stands.
    #[error("frozen by job {} until {}", .0.job_id, .0.expires_at)]
    Other(Freeze),
    /// The file system refused.
    #[error(transparent)]
    Root(#[from] RootError),
}

impl MediaRoot {
    /// The freeze of an artist that stands at `now`, if any.
    pub fn frozen(
        &self,
        artist: ArtistId,
        now: DateTime<Utc>,
    ) -> Result<Option<Freeze>, RootError> {
        Ok(self.last_freeze(artist)?.filter(|f| f.expires_at > now))
    }

    /// The freeze of an artist that was neither lifted nor tidied away, standing or expired.
    pub fn last_freeze(&self, artist: ArtistId) -> Result<Option<Freeze>, RootError> {
        atomic::read_json(&self.freeze(artist))
    }

    /// Freezes, or renews: writes are refused until `expires_at`.
    pub fn take_freeze(
        &self,
        artist: ArtistId,
        freeze: Freeze,
        now: DateTime<Utc>,
    ) -> Result<(), FreezeError> {
        match self.frozen(artist, now)? {
            Some(other) if other.job_id != freeze.job_id => Err(FreezeError::Other(other)),
            _ => Ok(atomic::write_json(&self.freeze(artist), &freeze, Durable::No)?),
        }
    }

    /// Lifts this job's freeze; another job's stays. Whether there was one to lift.
    pub fn lift_freeze(&self, artist: ArtistId, job: JobId) -> Result<bool, RootError> {
        let path = self.freeze(artist);
        match atomic::read_json::<Freeze>(&path)? {
            Some(freeze) if freeze.job_id == job => atomic::remove(&path),
            _ => Ok(false),
        }
    }
}
