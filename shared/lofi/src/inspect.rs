//! What an uploaded song really is.

use crate::{
    error::AudioError, format::Format, limits::Limits, peaks::Peaks, section::Section, song::Song,
    tags::Tags,
};
use serde::{Deserialize, Serialize};
use std::fs::File;

/// A song, all of which has been decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// What it is, by its content.
    pub format: Format,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// Samples per channel, without what an encoder added at either end.
    pub frames: u64,
    /// Frames per second.
    pub sample_rate_hz: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Bits per second of the audio in the file, on average.
    pub bitrate_bps: u32,
    /// What it says about itself.
    pub tags: Tags,
    /// Integrated loudness in LUFS, by EBU R 128; `None` for silence. One channel counts as one
    /// speaker.
    pub loudness: Option<f64>,
    /// True peak in dBTP, by EBU R 128: over 0, it clips on the way to a speaker. `None` for
    /// silence.
    pub true_peak_dbtp: Option<f64>,
    /// Its waveform.
    pub peaks: Peaks,
}

/// Decodes all of a song, in one pass and in memory that does not grow with it.
///
/// Its name is not asked. The file is read from its start, wherever it stands.
pub fn inspect(file: File, limits: &Limits) -> Result<Inspection, AudioError> {
    let file = Section::whole(file).map_err(AudioError::Unreadable)?;
    let mut song = Song::open(&file, limits)?;
    while song.next()?.is_some() {}
    song.finish()
}
