//! What is measured while a song goes by: loudness, true peak, waveform.

use crate::{
    decode::Spec,
    error::AudioError,
    peaks::{Peaks, PeaksBuilder},
    speakers,
    true_peak::TruePeak,
};
use ebur128::{EbuR128, Mode};

/// What samples are cut to: 36 dB over full scale. Floats may hold anything.
const SAMPLE_MAX: f32 = 64.0;

/// What a song measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) loudness: Option<f64>,
    pub(crate) true_peak_dbtp: Option<f64>,
    pub(crate) peaks: Peaks,
}

/// The instruments.
pub(crate) struct Meters {
    loudness: EbuR128,
    true_peak: TruePeak,
    peaks: PeaksBuilder,
}

impl Meters {
    /// For a song of such samples.
    pub(crate) fn new(spec: Spec) -> Result<Self, AudioError> {
        // The histogram holds the loudness of any length in the same memory, to a tenth of a LU.
        let mode = Mode::I | Mode::HISTOGRAM;
        let refused = |e: ebur128::Error| {
            AudioError::unsupported(format!("audio whose loudness cannot be measured ({e})"))
        };
        let mut loudness =
            EbuR128::new(u32::from(spec.channels), spec.sample_rate_hz, mode).map_err(refused)?;
        let map: Vec<_> = speakers::of(spec.channels).iter().map(|s| s.loudness()).collect();
        loudness.set_channel_map(&map).map_err(refused)?;
        let (true_peak, peaks) = (TruePeak::new(spec), PeaksBuilder::new(spec));
        Ok(Self { loudness, true_peak, peaks })
    }

    /// Takes in interleaved samples that are [tame].
    pub(crate) fn add(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.peaks.add(samples);
        self.true_peak.add(samples);
        self.loudness
            .add_frames_f32(samples)
            .map_err(|e| AudioError::unsupported(format!("audio that cannot be measured ({e})")))
    }

    pub(crate) fn finish(self) -> Measured {
        let loudness = self.loudness.loudness_global().ok().filter(|l| l.is_finite());
        let peak = self.true_peak.level();
        let true_peak_dbtp = (peak > 0.0).then(|| 20.0 * peak.log10());
        Measured { loudness, true_peak_dbtp, peaks: self.peaks.finish() }
    }
}

/// Makes every sample a number that can be worked with.
pub(crate) fn tame(samples: &mut [f32]) {
    for sample in samples {
        *sample = if sample.is_nan() { 0.0 } else { sample.clamp(-SAMPLE_MAX, SAMPLE_MAX) };
    }
}
