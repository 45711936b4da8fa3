//! What a song may ask of us.

use serde::{Deserialize, Serialize};

/// The least sample rate that is taken, in hertz: what MP3 begins with.
pub const SAMPLE_RATE_HZ_MIN: u32 = 8_000;
/// The greatest sample rate that is taken, in hertz: what studios end with.
pub const SAMPLE_RATE_HZ_MAX: u32 = 192_000;
/// The most channels that are taken: 7.1.
pub const CHANNELS_MAX: u8 = 8;
/// How much less than its header promises a song may hold, in milliseconds. Encoders differ by a
/// few frames in how they count; nobody hears the end of a fade missing.
pub const MISSING_MS_MAX: u64 = 250;

/// Bounds on one song. What a header says is never trusted beyond them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The least audio that is a song, in milliseconds. 100 by default.
    pub duration_ms_min: u64,
    /// The most audio, in milliseconds. Six hours by default: a whole concert.
    pub duration_ms_max: u64,
    /// The most frames (samples per channel) that are decoded, whatever the sample rate says.
    /// Six hours at 192 kHz by default.
    pub decoded_frames_max: u64,
    /// The most bytes of a file that are read in search of its tags. 32 MiB by default.
    pub tag_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let duration_ms_max = 6 * 60 * 60 * 1000;
        Self {
            duration_ms_min: 100,
            duration_ms_max,
            decoded_frames_max: duration_ms_max / 1000 * u64::from(SAMPLE_RATE_HZ_MAX),
            tag_bytes_max: 32 << 20,
        }
    }
}

impl Limits {
    /// The most frames of a song of this sample rate.
    pub(crate) fn frames_max(&self, sample_rate_hz: u32) -> u64 {
        let by_time = u128::from(self.duration_ms_max) * u128::from(sample_rate_hz) / 1000;
        self.decoded_frames_max.min(u64::try_from(by_time).unwrap_or(u64::MAX))
    }
}

/// Frames as milliseconds, rounded down. 0 for a rate of 0.
pub(crate) fn frames_as_ms(frames: u64, sample_rate_hz: u32) -> u64 {
    let ms = (u128::from(frames) * 1000).checked_div(u128::from(sample_rate_hz)).unwrap_or(0);
    u64::try_from(ms).unwrap_or(u64::MAX)
}
