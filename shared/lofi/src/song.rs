//! A song that goes by once: decoded, bounded, measured.

use crate::{
    decode::{self, Decode, Spec, Told},
    error::{AudioError, Extent, Place},
    format::Format,
    inspect::Inspection,
    limits::{Limits, MISSING_MS_MAX, frames_as_ms},
    measure::{Meters, tame},
    section::Section,
    tags::{self, Tags},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Blocks without a sample in a row, after which a decoder is believed to be stuck.
const EMPTY_BLOCKS_MAX: u32 = 1_000_000;

/// An open song.
pub(crate) struct Song {
    file: Section,
    format: Format,
    tags: Tags,
    decoder: Box<dyn Decode>,
    meters: Option<Meters>,
    block: Vec<f32>,
    frames: u64,
    frames_max: u64,
    limits: Limits,
}

impl Song {
    /// Opens a song to find all out about it.
    pub(crate) fn open(file: &Section, limits: &Limits) -> Result<Self, AudioError> {
        let mut song = Self::unmeasured(file, limits)?;
        song.meters = Some(Meters::new(song.spec())?);
        Ok(song)
    }

    /// Opens a song that has been measured before.
    pub(crate) fn unmeasured(file: &Section, limits: &Limits) -> Result<Self, AudioError> {
        let (format, decoder) = guarded(Place::default(), || decode::open(file))?;
        let tags = tags::read(file, format, limits);
        // Tags are at either end; nothing of the song has gone by.
        file.meter().set(file.start());
        Ok(Self {
            tags,
            meters: None,
            frames_max: limits.frames_max(decoder.spec().sample_rate_hz),
            limits: limits.clone(),
            block: Vec::new(),
            frames: 0,
            file: file.clone(),
            format,
            decoder,
        })
    }

    /// The next samples, interleaved; `None` at the end. There is at least one frame.
    pub(crate) fn next(&mut self) -> Result<Option<&[f32]>, AudioError> {
        for _ in 0..EMPTY_BLOCKS_MAX {
            let at = Place::ms(frames_as_ms(self.frames, self.spec().sample_rate_hz));
            if !guarded(at, || self.decoder.next(&mut self.block))? {
                return Ok(None);
            }
            if self.block.is_empty() {
                continue;
            }
            tame(&mut self.block);
            self.frames += (self.block.len() / usize::from(self.spec().channels)) as u64;
            if self.frames > self.frames_max {
                let duration_ms_max = self.limits.duration_ms_max;
                return Err(AudioError::TooLong { duration_ms_max });
            }
            if let Some(meters) = &mut self.meters {
                meters.add(&self.block)?;
            }
            return Ok(Some(&self.block));
        }
        Err(AudioError::NotAudio { looks_like: "a file of no known kind" })
    }

    /// What has been found out, once all has gone by.
    pub(crate) fn finish(self) -> Result<Inspection, AudioError> {
        let Spec { sample_rate_hz, channels } = self.spec();
        let duration_ms = frames_as_ms(self.frames, sample_rate_hz);
        let promised = self.decoder.told().frames.unwrap_or(0);
        let promised_ms = frames_as_ms(promised, sample_rate_hz);
        if promised_ms > duration_ms + MISSING_MS_MAX {
            let (promised, found) = (Extent::Ms(promised_ms), Extent::Ms(duration_ms));
            return Err(AudioError::Truncated { promised, found });
        }
        if duration_ms < self.limits.duration_ms_min {
            let duration_ms_min = self.limits.duration_ms_min;
            return Err(AudioError::TooShort { duration_ms, duration_ms_min });
        }
        let measured = match self.meters {
            Some(meters) => meters.finish(),
            None => Meters::new(self.decoder.spec())?.finish(),
        };
        let (bytes, frames) = self.decoder.coded();
        Ok(Inspection {
            format: self.format,
            duration_ms,
            frames: self.frames,
            sample_rate_hz,
            channels,
            bitrate_bps: bitrate_bps(bytes, frames.unwrap_or(self.frames), sample_rate_hz),
            tags: self.tags,
            loudness: measured.loudness,
            true_peak_dbtp: measured.true_peak_dbtp,
            peaks: measured.peaks,
        })
    }

    pub(crate) const fn is_measured(&self) -> bool {
        self.meters.is_some()
    }

    pub(crate) fn spec(&self) -> Spec {
        self.decoder.spec()
    }

    pub(crate) fn told(&self) -> Told {
        self.decoder.told()
    }

    /// Samples per channel that have gone by.
    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    pub(crate) const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// How much of the file has been read: 0 to 1.
    pub(crate) fn progress(&self) -> f32 {
        let bytes = self.file.len().max(1);
        (self.file.meter().byte() as f32 / bytes as f32).clamp(0.0, 1.0)
    }
}

/// Bytes of so many frames as bits per second.
pub(crate) fn bitrate_bps(bytes: u64, frames: u64, sample_rate_hz: u32) -> u32 {
    let bits = u128::from(bytes) * 8 * u128::from(sample_rate_hz);
    u32::try_from(bits / u128::from(frames.max(1))).unwrap_or(u32::MAX)
}

/// Runs a decoder over bytes that anybody may have made. They are memory-safe, and have been tried
/// on broken files; one that stops with a panic nevertheless has met a broken file.
fn guarded<T>(at: Place, decode: impl FnOnce() -> Result<T, AudioError>) -> Result<T, AudioError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(AudioError::corrupt(at, "the decoder gave up on it")))
}
