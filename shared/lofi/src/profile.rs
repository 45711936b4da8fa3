//! What small versions of a song are like, as data.

use crate::limits::{SAMPLE_RATE_HZ_MAX, SAMPLE_RATE_HZ_MIN};
use serde::{Deserialize, Serialize};

/// MP3's sample rates, in hertz: MPEG-1, then 2, then 2.5.
pub const MP3_SAMPLE_RATES_HZ: [u32; 9] =
    [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
/// The bitrates of MPEG-1, in bits per second, as far as the encoder offers them.
const MPEG1_BPS: &[u32] = &[
    32_000, 40_000, 48_000, 64_000, 80_000, 96_000, 112_000, 128_000, 160_000, 192_000, 224_000,
    256_000, 320_000,
];
/// Those of MPEG-2.
const MPEG2_BPS: &[u32] = &[
    8_000, 16_000, 24_000, 32_000, 40_000, 48_000, 64_000, 80_000, 96_000, 112_000, 128_000,
    160_000,
];
/// Those of MPEG-2.5.
const MPEG25_BPS: &[u32] = &[8_000, 16_000, 24_000, 32_000, 40_000, 48_000, 64_000];
/// The least excerpt, in milliseconds.
const EXCERPT_MS_MIN: u64 = 1000;
/// Longest excerpt, in milliseconds: six hours, as long as a song may be.
const EXCERPT_MS_MAX: u64 = 6 * 3600 * 1000;
/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 40;

/// A kind of small version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called: small letters, digits and hyphens, at most 40.
    pub name: String,
    /// How it is coded.
    pub encoding: Encoding,
    /// The most channels: 1 or 2. A song of fewer keeps its own.
    pub channels_max: u8,
    /// The greatest sample rate, in hertz. A song of less keeps its own, or the next lower one
    /// that MP3 has.
    pub sample_rate_hz_max: u32,
    /// A part of the song, instead of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// How a small version is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// MP3 of a constant bitrate.
    Mp3 {
        /// The greatest bitrate, in bits per second, one of MP3's. A lossy song of less gets no
        /// more than it has.
        bitrate_bps_max: u32,
    },
    /// WAV of 16 bits.
    Wav {},
}

/// A part of a song: its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excerpt {
    /// How long it is, in milliseconds. A shorter song is taken whole.
    pub duration_ms: u64,
    /// How long it fades in, and out, in milliseconds.
    pub fade_ms: u64,
}

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Its name cannot be one.
    #[error(
        "a profile's name has 1 to {NAME_CHARS_MAX} small letters, digits or hyphens, with no \
         hyphen at its ends; {0:?} has not"
    )]
    Name(String),
    /// Too few or many channels.
    #[error("a small version has 1 or 2 channels at most, not {0}")]
    Channels(u8),
    /// No sample rate of MP3.
    #[error(
        "MP3 has no sample rate of {0} Hz: choose one of 48000, 44100, 32000, 24000, 22050, 16000, \
         12000, 11025, 8000"
    )]
    SampleRate(u32),
    /// No sample rate of ours.
    #[error("a sample rate is 8000 to 192000 Hz, not {0}")]
    WavSampleRate(u32),
    /// No bitrate of MP3 at that sample rate.
    #[error("MP3 at {sample_rate_hz} Hz has no bitrate of {bitrate_bps} bit/s: choose one of {}",
        list(bitrates(*sample_rate_hz)))]
    Bitrate {
        /// The bitrate that was asked for.
        bitrate_bps: u32,
        /// At which sample rate.
        sample_rate_hz: u32,
    },
    /// An excerpt of next to nothing.
    #[error("an excerpt lasts {EXCERPT_MS_MIN} to {EXCERPT_MS_MAX} ms, not {0}")]
    Excerpt(u64),
    /// Fades that do not fit.
    #[error("an excerpt of {duration_ms} ms cannot fade for {fade_ms} ms at both ends")]
    Fade {
        /// The excerpt's length.
        duration_ms: u64,
        /// One fade's length.
        fade_ms: u64,
    },
}

fn list(bitrates: &[u32]) -> String {
    bitrates.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The bitrates of MP3 at a sample rate, the least first.
pub(crate) const fn bitrates(sample_rate_hz: u32) -> &'static [u32] {
    match sample_rate_hz {
        0..16_000 => MPEG25_BPS,
        16_000..32_000 => MPEG2_BPS,
        _ => MPEG1_BPS,
    }
}

impl Profile {
    /// 32 kbit/s, mono, 22.05 kHz: as songs were sent over telephone lines.
    pub fn classic() -> Self {
        Self::mp3("classic", 32_000, 1, 22_050)
    }

    /// 64 kbit/s, stereo, 44.1 kHz.
    pub fn standard() -> Self {
        Self::mp3("standard", 64_000, 2, 44_100)
    }

    /// A minute from the middle, at 128 kbit/s.
    pub fn preview() -> Self {
        let excerpt = Some(Excerpt { duration_ms: 60_000, fade_ms: 2000 });
        Self { excerpt, ..Self::mp3("preview", 128_000, 2, 44_100) }
    }

    /// The profile of that name, if it is one of ours.
    pub fn named(name: &str) -> Option<Self> {
        [Self::classic(), Self::standard(), Self::preview()].into_iter().find(|p| p.name == name)
    }

    fn mp3(name: &str, bitrate_bps_max: u32, channels_max: u8, sample_rate_hz_max: u32) -> Self {
        let encoding = Encoding::Mp3 { bitrate_bps_max };
        Self { name: name.to_owned(), encoding, channels_max, sample_rate_hz_max, excerpt: None }
    }

    /// Whether it can be made. [`convert`](crate::convert()) asks as well.
    pub fn validate(&self) -> Result<(), ProfileError> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let length = self.name.len();
        let hyphened = self.name.starts_with('-') || self.name.ends_with('-');
        let sized = (1..=NAME_CHARS_MAX).contains(&length);
        if !sized || hyphened || !self.name.bytes().all(is_plain) {
            return Err(ProfileError::Name(self.name.chars().take(NAME_CHARS_MAX).collect()));
        }
        if !(1..=2).contains(&self.channels_max) {
            return Err(ProfileError::Channels(self.channels_max));
        }
        let sample_rate_hz = self.sample_rate_hz_max;
        match self.encoding {
            Encoding::Mp3 { bitrate_bps_max: bitrate_bps } => {
                if !MP3_SAMPLE_RATES_HZ.contains(&sample_rate_hz) {
                    return Err(ProfileError::SampleRate(sample_rate_hz));
                }
                if !bitrates(sample_rate_hz).contains(&bitrate_bps) {
                    return Err(ProfileError::Bitrate { bitrate_bps, sample_rate_hz });
                }
            }
            Encoding::Wav {}
                if !(SAMPLE_RATE_HZ_MIN..=SAMPLE_RATE_HZ_MAX).contains(&sample_rate_hz) =>
            {
                return Err(ProfileError::WavSampleRate(sample_rate_hz));
            }
            Encoding::Wav {} => {}
        }
        match self.excerpt {
            Some(Excerpt { duration_ms, .. })
                if !(EXCERPT_MS_MIN..=EXCERPT_MS_MAX).contains(&duration_ms) =>
            {
                Err(ProfileError::Excerpt(duration_ms))
            }
            Some(Excerpt { duration_ms, fade_ms }) if fade_ms > duration_ms / 2 => {
                Err(ProfileError::Fade { duration_ms, fade_ms })
            }
            _ => Ok(()),
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::standard()
    }
}

#[cfg(test)]
mod tests;
