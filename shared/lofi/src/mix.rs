//! From the channels of a song to those of its small version.
//!
//! The weights are ITU-R BS.775's, as they stand: a mix may be louder than its parts. Whether it
//! would clip is found out by measuring it, not by making every mix quieter beforehand.

use crate::speakers;

/// A mix of interleaved samples.
#[derive(Debug)]
pub(crate) struct Mix {
    from: usize,
    /// For each channel that comes out, the weights of all that go in. `None`: all as they are.
    weights: Option<Vec<Vec<f32>>>,
}

impl Mix {
    /// From so many channels to at most `to`, which is 1 or 2. Never to more than there are.
    pub(crate) fn new(from: u8, to: u8) -> Self {
        let speakers = speakers::of(from);
        let side = |n: usize| speakers.iter().map(|s| s.in_stereo()[n]).collect::<Vec<_>>();
        let weights = match (from, to) {
            (1, _) | (2, 2) => None,
            (_, 1) => {
                let half = |(l, r): (&f32, &f32)| f32::midpoint(*l, *r);
                Some(vec![side(0).iter().zip(&side(1)).map(half).collect()])
            }
            _ => Some(vec![side(0), side(1)]),
        };
        Self { from: usize::from(from), weights }
    }

    /// Channels that come out.
    pub(crate) fn channels(&self) -> u8 {
        self.weights.as_ref().map_or(self.from, Vec::len) as u8
    }

    /// Puts the mix of `samples` into `out`, instead of what is in it.
    pub(crate) fn apply(&self, samples: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let Some(weights) = &self.weights else {
            out.extend_from_slice(samples);
            return;
        };
        for frame in samples.chunks_exact(self.from) {
            let sum = |w: &Vec<f32>| frame.iter().zip(w).map(|(s, w)| s * w).sum::<f32>();
            out.extend(weights.iter().map(sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(from: u8, to: u8, samples: &[f32]) -> (u8, Vec<f32>) {
        let (mix, mut out) = (Mix::new(from, to), vec![9.0]);
        mix.apply(samples, &mut out);
        (mix.channels(), out)
    }

    #[test]
    fn what_fits_stays() {
        assert_eq!(mixed(1, 2, &[0.1, 0.2]), (1, vec![0.1, 0.2]));
        assert_eq!(mixed(2, 2, &[0.1, 0.2]), (2, vec![0.1, 0.2]));
    }

    #[test]
    fn mono_is_the_mean() {
        assert_eq!(mixed(2, 1, &[1.0, 0.0, -0.5, -0.5]), (1, vec![0.5, -0.5]));
    }

    #[test]
    fn surround_folds_into_stereo_and_its_effects_channel_goes() {
        let (channels, out) = mixed(6, 2, &[0.5, 0.25, 0.1, 1.0, 0.2, 0.0]);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(channels, 2);
        assert!((out[0] - (0.5 + 0.1 * half + 0.2 * half)).abs() < 1e-6);
        assert!((out[1] - (0.25 + 0.1 * half)).abs() < 1e-6);
        let mono = mixed(6, 1, &[0.5, 0.25, 0.1, 1.0, 0.2, 0.0]).1;
        assert!((mono[0] - f32::midpoint(out[0], out[1])).abs() < 1e-6);
    }

    #[test]
    fn every_number_of_channels_mixes() {
        for from in 1..=8 {
            for to in 1..=2 {
                let (channels, out) = mixed(from, to, &vec![0.5; usize::from(from) * 3]);
                assert_eq!(channels, from.min(to));
                assert_eq!(out.len(), usize::from(channels) * 3);
                assert!(out.iter().all(|s| (0.5..2.0).contains(s)), "{from} {to} {out:?}");
            }
        }
    }
}
