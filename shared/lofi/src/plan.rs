//! What is to be made of a song, before any of it is.

use crate::{
    excerpt,
    format::Format,
    inspect::Inspection,
    profile::{self, Encoding, MP3_SAMPLE_RATES_HZ, Profile},
    song::Song,
};
use std::ops::Range;

/// A song's bitrate counts as no more than another if it is at most this much of it, in hundredths:
/// averages are not exact.
const SAME_PERCENT: u64 = 101;

/// What is known of a song when it is planned for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) format: Format,
    pub(crate) sample_rate_hz: u32,
    /// Frames, if its header tells them or it has been decoded.
    pub(crate) frames: Option<u64>,
    pub(crate) bitrate_bps: Option<u32>,
}

impl Facts {
    /// What its header says.
    pub(crate) fn told(song: &Song) -> Self {
        let (spec, told) = (song.spec(), song.told());
        Self {
            format: song.format(),
            sample_rate_hz: spec.sample_rate_hz,
            frames: told.frames,
            bitrate_bps: told.bitrate_bps,
        }
    }

    /// What is true.
    pub(crate) const fn known(song: &Inspection) -> Self {
        Self {
            format: song.format,
            sample_rate_hz: song.sample_rate_hz,
            frames: Some(song.frames),
            bitrate_bps: Some(song.bitrate_bps),
        }
    }
}

/// What to do with a song.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Too little is known: decode it first.
    Look,
    /// Copy its frames.
    Copy,
    /// Encode it.
    Encode {
        /// Of what comes out.
        sample_rate_hz: u32,
        /// Of an MP3; `None` for WAV.
        bitrate_bps: Option<u32>,
        /// Frames of the song that are taken, if not all.
        part: Option<Range<u64>>,
    },
}

impl Plan {
    pub(crate) fn new(profile: &Profile, facts: &Facts) -> Self {
        let Encoding::Mp3 { bitrate_bps_max } = profile.encoding else {
            let sample_rate_hz = profile.sample_rate_hz_max.min(facts.sample_rate_hz);
            return Self::encode(profile, facts, sample_rate_hz, None);
        };
        let is_mp3 = facts.format == Format::Mp3;
        if is_mp3 && profile.excerpt.is_none() {
            let Some(has) = facts.bitrate_bps else { return Self::Look };
            if u64::from(has) * 100 <= u64::from(bitrate_bps_max) * SAME_PERCENT {
                return Self::Copy;
            }
        }
        let sample_rate_hz = mp3_rate(profile.sample_rate_hz_max.min(facts.sample_rate_hz));
        let is_lossy = matches!(facts.format, Format::Mp3 | Format::Ogg | Format::M4a);
        let has = facts.bitrate_bps.filter(|_| is_lossy).unwrap_or(u32::MAX);
        let has = (u64::from(has) * SAME_PERCENT / 100).min(u64::from(bitrate_bps_max)) as u32;
        let bitrate_bps = mp3_bitrate(sample_rate_hz, has);
        Self::encode(profile, facts, sample_rate_hz, Some(bitrate_bps))
    }

    fn encode(profile: &Profile, facts: &Facts, rate_hz: u32, bitrate_bps: Option<u32>) -> Self {
        let part = match (&profile.excerpt, facts.frames) {
            (None, _) => None,
            (Some(_), None) => return Self::Look,
            (Some(cut), Some(all)) => Some(excerpt::part(cut, all, facts.sample_rate_hz)),
        };
        Self::Encode { sample_rate_hz: rate_hz, bitrate_bps, part }
    }

    /// Whether what was made by this plan is what `other` asks for. Parts may differ by a second:
    /// some headers count a few frames wrong. A bitrate that was told only roughly stays.
    pub(crate) fn agrees(&self, other: &Self, sample_rate_hz: u32) -> bool {
        match (self, other) {
            (Self::Encode { part: Some(a), .. }, Self::Encode { part: Some(b), .. }) => {
                let second = u64::from(sample_rate_hz);
                a.start.abs_diff(b.start) <= second && a.end - a.start == b.end - b.start
            }
            // An MP3 that turns out to be small enough has been encoded by now.
            (Self::Encode { .. }, _) => true,
            _ => self == other,
        }
    }
}

/// The greatest sample rate of MP3 that is not above `rate_hz`.
fn mp3_rate(rate_hz: u32) -> u32 {
    let [.., least] = MP3_SAMPLE_RATES_HZ;
    MP3_SAMPLE_RATES_HZ.into_iter().find(|r| *r <= rate_hz).unwrap_or(least)
}

/// The greatest bitrate at that sample rate that is not above `bps`, or the least there is.
fn mp3_bitrate(sample_rate_hz: u32, bps: u32) -> u32 {
    let all = profile::bitrates(sample_rate_hz);
    all.iter().rev().find(|b| **b <= bps).or(all.first()).copied().unwrap_or(bps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CD: Facts = Facts {
        format: Format::Wav,
        sample_rate_hz: 44_100,
        frames: Some(44_100 * 200),
        bitrate_bps: Some(1_411_200),
    };

    fn encode(sample_rate_hz: u32, bitrate_bps: u32) -> Plan {
        Plan::Encode { sample_rate_hz, bitrate_bps: Some(bitrate_bps), part: None }
    }

    #[test]
    fn sample_rates_are_never_raised() {
        for (has, gets) in [
            (192_000, 44_100),
            (48_000, 44_100),
            (44_100, 44_100),
            (37_800, 32_000),
            (22_050, 22_050),
            (8000, 8000),
        ] {
            let plan = Plan::new(&Profile::standard(), &Facts { sample_rate_hz: has, ..CD });
            assert_eq!(plan, encode(gets, 64_000));
        }
    }

    #[test]
    fn bitrates_are_never_raised() {
        let standard = Profile::standard();
        let of =
            |format, bps| Plan::new(&standard, &Facts { format, bitrate_bps: Some(bps), ..CD });
        assert_eq!(of(Format::Mp3, 320_000), encode(44_100, 64_000));
        assert_eq!(of(Format::Mp3, 64_300), Plan::Copy);
        assert_eq!(of(Format::Mp3, 32_000), Plan::Copy);
        assert_eq!(of(Format::Ogg, 45_000), encode(44_100, 40_000));
        assert_eq!(of(Format::M4a, 9000), encode(44_100, 32_000));
        // Silence packs well without loss: that says nothing of what the song deserves.
        assert_eq!(of(Format::Flac, 9000), encode(44_100, 64_000));
    }

    #[test]
    fn what_is_not_known_is_looked_at() {
        let mp3 = Facts { format: Format::Mp3, bitrate_bps: None, frames: None, ..CD };
        assert_eq!(Plan::new(&Profile::standard(), &mp3), Plan::Look);
        let wav = Facts { frames: None, ..CD };
        assert_eq!(Plan::new(&Profile::preview(), &wav), Plan::Look);
        assert_eq!(Plan::new(&Profile::standard(), &wav), encode(44_100, 64_000));
    }

    #[test]
    fn a_part_that_moved_by_a_little_is_the_part() {
        let preview = Profile::preview();
        let plan = |frames| Plan::new(&preview, &Facts { frames: Some(frames), ..CD });
        assert!(plan(44_100 * 200).agrees(&plan(44_100 * 201), 44_100));
        assert!(!plan(44_100 * 200).agrees(&plan(44_100 * 300), 44_100));
        assert!(!plan(44_100 * 20).agrees(&plan(44_100 * 21), 44_100));
        assert!(!Plan::Look.agrees(&plan(44_100), 44_100));
        assert!(!Plan::Copy.agrees(&encode(44_100, 64_000), 44_100));
        assert!(encode(44_100, 64_000).agrees(&Plan::Copy, 44_100));
    }
}
