//! A part of a song, faded in and out.

use crate::profile::Excerpt;
use std::ops::Range;

/// Cuts a part out of a song that goes by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cutter {
    /// Frames of the song.
    part: Range<u64>,
    fade_frames: u64,
    channels: usize,
    at: u64,
}

/// The frames of an excerpt in a song of `frames`: its middle, or all of a song that is not longer.
pub(crate) fn part(excerpt: &Excerpt, frames: u64, sample_rate_hz: u32) -> Range<u64> {
    let length = frames_of(excerpt.duration_ms, sample_rate_hz).min(frames);
    let start = (frames - length) / 2;
    start..start + length
}

fn frames_of(ms: u64, sample_rate_hz: u32) -> u64 {
    (u128::from(ms) * u128::from(sample_rate_hz) / 1000) as u64
}

impl Cutter {
    pub(crate) fn new(excerpt: &Excerpt, part: Range<u64>, rate_hz: u32, channels: u8) -> Self {
        let length = part.end - part.start;
        // Half of what there is at most: the fades of a very short song meet in its middle.
        let fade_frames = frames_of(excerpt.fade_ms, rate_hz).min(length / 2);
        Self { part, fade_frames, channels: usize::from(channels), at: 0 }
    }

    /// Whether nothing of the part is still to come.
    pub(crate) const fn is_done(&self) -> bool {
        self.at >= self.part.end
    }

    /// Appends to `out` what of `samples` is in the part.
    pub(crate) fn add(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        for frame in samples.chunks_exact(self.channels) {
            if self.part.contains(&self.at) {
                let level = self.level();
                out.extend(frame.iter().map(|s| s * level));
            }
            self.at += 1;
        }
    }

    /// A raised cosine at either end.
    fn level(&self) -> f32 {
        let from_end = (self.at - self.part.start).min(self.part.end - 1 - self.at);
        if from_end >= self.fade_frames {
            return 1.0;
        }
        let along = (from_end as f64 + 0.5) / self.fade_frames as f64;
        (0.5 - 0.5 * (along * std::f64::consts::PI).cos()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCERPT: Excerpt = Excerpt { duration_ms: 1000, fade_ms: 100 };

    #[test]
    fn it_is_the_middle() {
        assert_eq!(part(&EXCERPT, 3000, 1000), 1000..2000);
        assert_eq!(part(&EXCERPT, 900, 1000), 0..900);
        assert_eq!(part(&EXCERPT, 0, 1000), 0..0);
    }

    #[test]
    fn it_fades() {
        let mut cutter = Cutter::new(&EXCERPT, 1000..2000, 1000, 2);
        let mut out = Vec::new();
        for _ in 0..30 {
            cutter.add(&[1.0; 200], &mut out);
        }
        assert!(cutter.is_done());
        assert_eq!(out.len(), 2000);
        assert!(out[0] < 0.001 && out[1] < 0.001 && out[1999] < 0.001);
        assert!((out[100] - 0.5).abs() < 0.02 && (out[1899] - 0.5).abs() < 0.02);
        assert!(out[200..1800].iter().all(|s| (*s - 1.0).abs() < 1e-6));
        assert!(out[..200].chunks(2).is_sorted_by(|a, b| a[0] <= b[0]));
    }
}
