//! The greatest level between samples: ITU-R BS.1770-4, annex 2.
//!
//! Samples are interpolated four times below 96 kHz, twice below 192 kHz, and not above, by the same
//! filter as the `ebur128` crate, so that both find the same. Most of a song cannot hold a new peak:
//! a filter makes of samples no more than its gain times the greatest of them. Only the rest is
//! interpolated.

use crate::decode::Spec;
use std::f64::consts::PI;

/// Coefficients of the filter, over all its phases.
const TAPS: usize = 48;
/// Samples that are looked at together.
const BLOCK: usize = 32;
/// More than what rounding adds to a sum of so many products.
const ROUNDING: f32 = 1.0001;

/// The greatest level so far.
pub(crate) struct TruePeak {
    channels: usize,
    interpolation: Interpolation,
    /// Of each channel, what went by last, and what is to be looked at.
    lines: Vec<Vec<f32>>,
    peak: f32,
}

/// By how much samples are interpolated.
enum Interpolation {
    None,
    Twice(Filter<24, 2>),
    FourTimes(Filter<12, 4>),
}

impl TruePeak {
    pub(crate) fn new(spec: Spec) -> Self {
        let interpolation = match spec.sample_rate_hz {
            192_000.. => Interpolation::None,
            96_000.. => Interpolation::Twice(Filter::new()),
            _ => Interpolation::FourTimes(Filter::new()),
        };
        let channels = usize::from(spec.channels);
        let before = vec![0.0; interpolation.before()];
        Self { channels, interpolation, lines: vec![before; channels], peak: 0.0 }
    }

    /// Takes in interleaved samples, every one of them a number.
    pub(crate) fn add(&mut self, samples: &[f32]) {
        let Self { channels, interpolation, lines, peak } = self;
        for (n, line) in lines.iter_mut().enumerate() {
            line.extend(samples.iter().skip(n).step_by(*channels));
            *peak = match interpolation {
                Interpolation::None => peak.max(greatest(line)),
                Interpolation::Twice(filter) => filter.greatest(line, *peak),
                Interpolation::FourTimes(filter) => filter.greatest(line, *peak),
            };
            line.drain(..line.len() - interpolation.before());
        }
    }

    /// The greatest level so far, 1 being full scale.
    pub(crate) fn level(&self) -> f64 {
        self.peak.into()
    }
}

impl Interpolation {
    /// How many samples before one its interpolation takes.
    const fn before(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Twice(_) => 23,
            Self::FourTimes(_) => 11,
        }
    }
}

/// A sinc under a Hann window, `LENGTH` coefficients for each of its phases.
struct Filter<const LENGTH: usize, const PHASES: usize> {
    /// The oldest sample's coefficient first.
    phases: [[f32; LENGTH]; PHASES],
    /// The most that a phase can make of samples up to 1.
    gain: f32,
}

impl<const LENGTH: usize, const PHASES: usize> Filter<LENGTH, PHASES> {
    fn new() -> Self {
        let mut phases = [[0.0; LENGTH]; PHASES];
        for n in 0..TAPS {
            let (at, taps) = (n as f64, TAPS as f64);
            let window = 0.5 * (1.0 - (2.0 * PI * at / taps).cos());
            let x = (at - taps / 2.0) * PI / PHASES as f64;
            let sinc = if x.abs() > 1e-9 { x.sin() / x } else { 1.0 };
            phases[n % PHASES][LENGTH - 1 - n / PHASES] = (window * sinc) as f32;
        }
        let gains = phases.iter().map(|p| p.iter().map(|c| c.abs()).sum());
        Self { phases, gain: gains.fold(0.0, f32::max) * ROUNDING }
    }

    /// The greatest of `peak` and of what is in `line` behind its first `LENGTH - 1` samples, which
    /// went by before.
    fn greatest(&self, line: &[f32], mut peak: f32) -> f32 {
        let mut at = 0;
        while at + LENGTH <= line.len() {
            let until = line.len().min(at + BLOCK + LENGTH - 1);
            let block = &line[at..until];
            let loudest = greatest(block);
            if loudest * self.gain > peak {
                peak = peak.max(greatest(&block[LENGTH - 1..]));
                for phase in &self.phases {
                    peak = peak.max(greatest(&interpolate(phase, block)));
                }
            }
            at += BLOCK;
        }
        peak
    }
}

/// What comes of a block; nothing but zeros behind its end.
fn interpolate<const LENGTH: usize>(filter: &[f32; LENGTH], block: &[f32]) -> [f32; BLOCK] {
    let mut out = [0.0; BLOCK];
    let due = block.len() + 1 - LENGTH;
    for (n, coefficient) in filter.iter().enumerate() {
        for (out, sample) in out[..due].iter_mut().zip(&block[n..n + due]) {
            *out += coefficient * sample;
        }
    }
    out
}

/// The greatest absolute value. Eight at a time, which the compiler makes one instruction of.
fn greatest(samples: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (eights, rest) = samples.as_chunks::<8>();
    for eight in eights {
        for (lane, sample) in lanes.iter_mut().zip(eight) {
            let level = sample.abs();
            *lane = if level > *lane { level } else { *lane };
        }
    }
    rest.iter().chain(&lanes).fold(0.0, |most, s| most.max(s.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebur128::{EbuR128, Mode};
    use proptest::prelude::*;

    fn by_ebur128(spec: Spec, blocks: &[Vec<f32>]) -> f64 {
        let channels = u32::from(spec.channels);
        let mut meter = EbuR128::new(channels, spec.sample_rate_hz, Mode::TRUE_PEAK).unwrap();
        for block in blocks {
            meter.add_frames_f32(block).unwrap();
        }
        (0..channels).map(|c| meter.true_peak(c).unwrap()).fold(0.0, f64::max)
    }

    fn ours(spec: Spec, blocks: &[Vec<f32>]) -> f64 {
        let mut meter = TruePeak::new(spec);
        for block in blocks {
            meter.add(block);
        }
        meter.level()
    }

    /// Whole frames in blocks of any length, loud and quiet.
    fn blocks(channels: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
        let block = (0..150_usize, 0.0..1.5_f32).prop_flat_map(move |(frames, loud)| {
            proptest::collection::vec(-loud..=loud, frames * channels)
        });
        proptest::collection::vec(block, 0..12)
    }

    proptest! {
        #[test]
        fn it_finds_what_ebur128_finds(
            (spec, blocks) in (
                prop_oneof![Just(8000), Just(44_100), Just(95_999), Just(96_000), Just(191_999), Just(192_000)],
                1..=8_u8,
            ).prop_flat_map(|(sample_rate_hz, channels)| {
                (Just(Spec { sample_rate_hz, channels }), blocks(channels.into()))
            }),
        ) {
            let (ours, theirs) = (ours(spec, &blocks), by_ebur128(spec, &blocks));
            prop_assert!((ours - theirs).abs() <= 4e-6, "{ours} {theirs}");
        }
    }

    #[test]
    fn a_peak_between_samples_is_found() {
        // A quarter of the sample rate, sampled where it is 0.707. That it begins at once adds a little.
        let tone: Vec<f32> =
            (0..4410).map(|n| ((f64::from(n) * 0.5 + 0.25) * PI).sin() as f32).collect();
        let spec = Spec { sample_rate_hz: 44_100, channels: 1 };
        let level = ours(spec, std::slice::from_ref(&tone));
        assert!((0.7..0.72).contains(&greatest(&tone)));
        assert!((0.99..1.02).contains(&level), "{level}");
    }

    #[test]
    fn silence_and_nothing_have_no_level() {
        let spec = Spec { sample_rate_hz: 48_000, channels: 2 };
        assert_eq!(ours(spec, &[]).to_bits(), 0);
        assert_eq!(ours(spec, &[vec![0.0; 1000]]).to_bits(), 0);
    }
}
