//! Whether a small version is all there.

use crate::{error::AudioError, limits::Limits, section::Section, song::Song};
use std::fs::File;

/// Why a small version is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be decoded.
    #[error("the small version does not play: {0}")]
    Song(#[from] AudioError),
    /// It is longer or shorter than it was made.
    #[error("the small version has {found} frames, not {expected}")]
    Frames {
        /// As it was made.
        expected: u64,
        /// As it is.
        found: u64,
    },
}

/// Decodes all of a file and checks that it has `frames_expected` samples per channel:
/// [`Converted::frames`](crate::Converted::frames), to the sample.
pub fn verify(file: File, frames_expected: u64, limits: &Limits) -> Result<(), VerifyError> {
    let file = Section::whole(file).map_err(AudioError::Unreadable)?;
    let mut song = Song::unmeasured(&file, limits)?;
    while song.next()?.is_some() {}
    let found = song.frames();
    if found == frames_expected {
        Ok(())
    } else {
        Err(VerifyError::Frames { expected: frames_expected, found })
    }
}
