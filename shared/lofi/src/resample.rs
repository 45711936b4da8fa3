//! From the sample rate of a song to a lower one, by rubato's FFT.

use crate::error::AudioError;
use rubato::{
    Fft, FixedSync, Indexing, ResampleError, Resampler,
    audioadapter_buffers::direct::InterleavedSlice,
};

/// Frames that go in at once, at least.
const CHUNK_FRAMES: u32 = 2048;

/// Frames that go in at once: what becomes a whole and even number of frames. An odd one would be
/// delayed by half a frame, which cannot be taken off again.
fn chunk_frames(from_hz: u32, to_hz: u32) -> usize {
    let (mut a, mut b) = (from_hz, to_hz);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let least = from_hz / a;
    (least * CHUNK_FRAMES.div_ceil(least).next_multiple_of(2)) as usize
}

/// A change of sample rate: interleaved samples in, interleaved samples out. What comes out begins
/// with what goes in, and is as long, within half a sample.
pub(crate) struct Resample {
    from_hz: u32,
    to_hz: u32,
    channels: usize,
    /// `None`: the rate stays.
    fft: Option<Fft<f32>>,
    /// Waiting for a chunk to be full.
    pending: Vec<f32>,
    chunk: Vec<f32>,
    /// Frames at the start that are the filter's own, still to be dropped.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Resample {
    pub(crate) fn new(from_hz: u32, to_hz: u32, channels: u8) -> Result<Self, AudioError> {
        let channels = usize::from(channels);
        let fft = if from_hz == to_hz {
            None
        } else {
            let (from, to) = (from_hz as usize, to_hz as usize);
            let fft = Fft::new(from, to, chunk_frames(from_hz, to_hz), channels, FixedSync::Both);
            Some(fft.map_err(|e| refused(from_hz, to_hz, &e))?)
        };
        let skip = fft.as_ref().map_or(0, Resampler::output_delay);
        let chunk = vec![0.0; fft.as_ref().map_or(0, |f| f.output_frames_max() * channels)];
        let pending = Vec::new();
        Ok(Self { from_hz, to_hz, channels, fft, pending, chunk, skip, taken: 0, given: 0 })
    }

    /// Takes `samples` in, and appends to `out` what is ready.
    pub(crate) fn add(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioError> {
        let frames = (samples.len() / self.channels) as u64;
        self.taken += frames;
        let Some(need) = self.fft.as_ref().map(|f| f.input_frames_next() * self.channels) else {
            self.given += frames;
            out.extend_from_slice(samples);
            return Ok(());
        };
        self.pending.extend_from_slice(samples);
        let mut used = 0;
        while self.pending.len() - used >= need {
            self.convert(used, None, out)?;
            used += need;
        }
        self.pending.drain(..used);
        Ok(())
    }

    /// Appends to `out` what is still to come.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        if self.fft.is_none() {
            return Ok(());
        }
        let (from, to) = (u128::from(self.from_hz), u128::from(self.to_hz));
        let due = ((u128::from(self.taken) * to + from / 2) / from) as u64;
        // The filter holds less than two chunks back: silence pushes them out.
        let mut frames = self.pending.len() / self.channels;
        while self.given < due {
            self.convert(0, Some(frames), out)?;
            self.pending.clear();
            frames = 0;
        }
        let surplus = (self.given - due) as usize * self.channels;
        out.truncate(out.len().saturating_sub(surplus));
        self.given = due;
        Ok(())
    }

    /// One chunk of `pending`, from sample `at` on: `frames` of it, or as many as it takes.
    fn convert(
        &mut self,
        at: usize,
        frames: Option<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        let Some(fft) = &mut self.fft else { return Ok(()) };
        let have = frames.unwrap_or_else(|| fft.input_frames_next());
        let room = self.chunk.len() / self.channels;
        let input = InterleavedSlice::new(&self.pending[at..], self.channels, have);
        let output = InterleavedSlice::new_mut(&mut self.chunk, self.channels, room);
        let (Ok(input), Ok(mut output)) = (input, output) else {
            let e = ResampleError::InsufficientInputBufferSize { expected: have, actual: 0 };
            return Err(refused(self.from_hz, self.to_hz, &e));
        };
        let indexing = Indexing { partial_len: frames, ..Indexing::default() };
        let (_, made) = fft
            .process_into_buffer(&input, &mut output, Some(&indexing))
            .map_err(|e| refused(self.from_hz, self.to_hz, &e))?;
        let skip = self.skip.min(made);
        self.skip -= skip;
        out.extend_from_slice(&self.chunk[skip * self.channels..made * self.channels]);
        self.given += (made - skip) as u64;
        Ok(())
    }
}

fn refused(from_hz: u32, to_hz: u32, why: &dyn std::error::Error) -> AudioError {
    AudioError::unsupported(format!("audio at {from_hz} Hz that cannot be made {to_hz} Hz ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn tone(hz: f64, rate: u32, frames: usize, channels: usize) -> Vec<f32> {
        (0..frames * channels)
            .map(|n| ((n / channels) as f64 * hz * TAU / f64::from(rate)).sin() as f32 * 0.5)
            .collect()
    }

    fn resampled(samples: &[f32], from: u32, to: u32, channels: u8, block: usize) -> Vec<f32> {
        let (mut resample, mut out) = (Resample::new(from, to, channels).unwrap(), Vec::new());
        for part in samples.chunks(block * usize::from(channels)) {
            resample.add(part, &mut out).unwrap();
        }
        resample.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn a_tone_stays_the_tone_and_where_it_is() {
        let rates = [
            (48_000, 44_100),
            (96_000, 44_100),
            (44_100, 22_050),
            (192_000, 32_000),
            (44_099, 44_098),
        ];
        for (from, to) in rates {
            for channels in [1, 2] {
                let frames = from as usize;
                let samples = tone(1000.0, from, frames, usize::from(channels));
                let out = resampled(&samples, from, to, channels, 1000);
                let expected = tone(1000.0, to, to as usize, usize::from(channels));
                assert_eq!(out.len(), expected.len(), "{from} {to} {channels}");
                let middle = out.len() / 10..out.len() * 9 / 10;
                let off = out[middle.clone()].iter().zip(&expected[middle]);
                let worst = off.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-4, "{from} {to} {channels}: {worst}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let out = resampled(&tone(15_000.0, 44_100, 44_100, 1), 44_100, 22_050, 1, 4096);
        let worst = out[1000..21_000].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn lengths_are_kept_whatever_the_blocks() {
        for frames in [0, 1, 2, 100, 4095, 4096, 4097, 30_000] {
            for block in [1, 577, 10_000] {
                let samples = vec![0.25; frames];
                let out = resampled(&samples, 48_000, 44_100, 1, block);
                let due = (frames as f64 * 44_100.0 / 48_000.0).round() as usize;
                assert_eq!(out.len(), due, "{frames} {block}");
                assert_eq!(resampled(&samples, 8000, 8000, 1, block).len(), frames);
            }
        }
    }
}
