//! WAV of 16 bits, by hound.

use super::Encoded;
use crate::{convert::ConvertError, decode::Spec, true_peak::TruePeak};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::io::{BufWriter, Seek, Write};

/// The header that hound writes for samples of 16 bits in one or two channels.
const HEADER_BYTES: u64 = 44;
const SAMPLE_BYTES: u64 = 2;

/// A WAV file in the making.
pub(crate) struct Wav<W: Write + Seek> {
    writer: WavWriter<BufWriter<W>>,
    peak: TruePeak,
    samples: u64,
}

fn failed(error: hound::Error) -> ConvertError {
    match error {
        hound::Error::IoError(e) => ConvertError::Write(e),
        e => ConvertError::Encoder(e.to_string()),
    }
}

impl<W: Write + Seek> Wav<W> {
    pub(super) fn new(mut out: W, spec: Spec) -> Result<Self, ConvertError> {
        out.rewind().map_err(ConvertError::Write)?;
        let form = WavSpec {
            channels: u16::from(spec.channels),
            sample_rate: spec.sample_rate_hz,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let writer = WavWriter::new(BufWriter::new(out), form).map_err(failed)?;
        Ok(Self { writer, peak: TruePeak::new(spec), samples: 0 })
    }

    pub(super) fn add(&mut self, samples: &[f32]) -> Result<(), ConvertError> {
        self.samples += samples.len() as u64;
        if self.samples * SAMPLE_BYTES > u64::from(u32::MAX) - HEADER_BYTES {
            return Err(ConvertError::Encoder("a WAV file holds 4 GB at most".to_owned()));
        }
        self.peak.add(samples);
        for sample in samples {
            let sample = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
            self.writer.write_sample(sample).map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Encoded, ConvertError> {
        let (true_peak, bytes) = (self.peak.level(), HEADER_BYTES + self.samples * SAMPLE_BYTES);
        self.writer.finalize().map_err(failed)?;
        Ok(Encoded { bytes, true_peak, gain: 1.0 })
    }
}
