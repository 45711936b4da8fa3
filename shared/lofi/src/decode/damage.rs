//! How much of a song may be damaged before it is refused.
//!
//! A frame that cannot be decoded becomes silence: players do the same, and a click in an old
//! recording is no reason to refuse it. A hundredth of the song is.

use crate::error::{AudioError, Place};

/// Damaged frames that are passed over in the shortest of songs.
const FRAMES_FREE: u64 = 3;
/// One damaged frame in so many is passed over.
const FRAMES_PER_DAMAGED: u64 = 100;
/// Frames after which hopeless files are given up early.
const FRAMES_EARLY: u64 = 2000;

/// What has gone wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    damaged: u64,
    first: Option<(Place, String)>,
}

impl Damage {
    /// Notes a damaged frame, of `frames` so far. An error once nothing can come of the file.
    pub(crate) fn note(
        &mut self,
        place: Place,
        frames: u64,
        what: impl Into<String>,
    ) -> Result<(), AudioError> {
        self.note_many(1, place, frames, what)
    }

    /// Notes as much damage as `damaged` frames.
    pub(crate) fn note_many(
        &mut self,
        damaged: u64,
        place: Place,
        frames: u64,
        what: impl Into<String>,
    ) -> Result<(), AudioError> {
        self.damaged += damaged;
        self.first.get_or_insert_with(|| (place, what.into()));
        if self.damaged >= FRAMES_EARLY && self.damaged > frames / 2 {
            self.judge(0)
        } else {
            Ok(())
        }
    }

    /// Whether a song of so many frames passes.
    pub(crate) fn judge(&mut self, frames: u64) -> Result<(), AudioError> {
        if self.damaged <= FRAMES_FREE.max(frames / FRAMES_PER_DAMAGED) {
            return Ok(());
        }
        match self.first.take() {
            Some((place, what)) => Err(AudioError::corrupt(place, what)),
            None => Ok(()),
        }
    }
}
