//! What damage in a song sounds like: for an instant, far louder than anything can be.
//!
//! A decoder makes numbers of any size out of bytes that are none of the song's. A whole song must not
//! become inaudible because a hundredth of it is noise: [`Damage`](crate::decode) lets that much pass.

use crate::decode::Spec;

/// The song is looked at in windows of so many milliseconds.
const WINDOW_MS: u32 = 50;
/// Windows that may be bursts in a short song.
const WINDOWS_FREE: usize = 6;
/// One window in so many may be a burst.
const WINDOWS_PER_BURST: usize = 100;
/// Though in a song of few windows, no more than one in so many.
const WINDOWS_PER_BURST_MIN: usize = 10;
/// How much louder than all the rest a burst is: 6 dB.
pub(crate) const LOUDER: f32 = 2.0;
/// Above full scale peaks are counted by the decibel, up to the most that a sample can be.
const DB_MAX: usize = 37;

/// Tells bursts from the rest of a song.
#[derive(Debug)]
pub(crate) struct Bursts {
    window_samples: usize,
    /// Samples until the window is full.
    left: usize,
    peak: f32,
    top: f32,
    /// Windows by their peak: those within full scale, then by the decibel above it.
    windows: [usize; DB_MAX + 1],
}

impl Bursts {
    pub(crate) const fn new(spec: Spec) -> Self {
        let frames = (spec.sample_rate_hz * WINDOW_MS / 1000) as usize;
        let window_samples = frames * spec.channels as usize;
        Self { window_samples, left: window_samples, peak: 0.0, top: 0.0, windows: [0; DB_MAX + 1] }
    }

    pub(crate) fn add(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.left));
            self.peak = now.iter().fold(self.peak, |peak, s| peak.max(s.abs()));
            self.left -= now.len();
            if self.left == 0 {
                self.close();
            }
            samples = later;
        }
    }

    fn close(&mut self) {
        let above_db = (20.0 * self.peak.log10()).ceil().max(0.0);
        self.windows[(above_db as usize).min(DB_MAX)] += 1;
        self.top = self.top.max(self.peak);
        (self.peak, self.left) = (0.0, self.window_samples);
    }

    /// The greatest sample of a song without its bursts, if it has any: full scale or more.
    pub(crate) fn ceiling(mut self) -> Option<f32> {
        self.close();
        let all: usize = self.windows.iter().sum();
        let free = (all / WINDOWS_PER_BURST).max(WINDOWS_FREE).min(all / WINDOWS_PER_BURST_MIN);
        let mut above = 0;
        let mut db = DB_MAX;
        while db > 0 && above + self.windows[db] <= free {
            above += self.windows[db];
            db -= 1;
        }
        let rest = 10_f32.powf(db as f32 / 20.0);
        (self.top > rest * LOUDER).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ceiling of ten seconds at a level, with so many windows at another.
    fn ceiling(level: f32, loud: f32, windows: usize) -> Option<f32> {
        let mut bursts = Bursts::new(Spec { sample_rate_hz: 8000, channels: 1 });
        for n in 0..200 {
            bursts.add(&[if n < windows { -loud } else { level }; 400]);
        }
        bursts.ceiling()
    }

    #[test]
    fn a_burst_is_short_and_far_above_full_scale() {
        assert_eq!(ceiling(0.5, 60.0, 6), Some(1.0));
        assert_eq!(ceiling(0.5, 60.0, 7), None, "music, as loud as it is");
        assert_eq!(ceiling(0.5, 1.9, 1), None, "the encoder gets less of it");
        assert_eq!(ceiling(0.01, 1.0, 1), None, "within full scale nothing is a burst");
        assert_eq!(ceiling(4.0, 4.0, 0), None);
        assert!(ceiling(3.9, 60.0, 6).is_some_and(|c| (3.9..4.5).contains(&c)));
    }

    #[test]
    fn a_song_of_few_windows_has_no_bursts() {
        let mut bursts = Bursts::new(Spec { sample_rate_hz: 8000, channels: 2 });
        bursts.add(&[0.5; 800]);
        bursts.add(&[60.0; 10]);
        assert_eq!(bursts.ceiling(), None);
    }
}
