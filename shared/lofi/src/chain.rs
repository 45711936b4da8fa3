//! What samples go through on their way into a small version.

use crate::{
    bursts::{Bursts, LOUDER},
    convert::ConvertError,
    decode::Spec,
    encode::{Encoded, Encoder},
    error::AudioError,
    excerpt::Cutter,
    mix::Mix,
    profile::Excerpt,
    resample::Resample,
    tags::Tags,
};
use std::{
    io::{Read, Seek, Write},
    ops::Range,
};

/// An MP3 can be made quieter once it is encoded, so that samples may go in above full scale: by up to
/// 6 dB, as far as encoders are made for it.
const MP3_SAMPLE_MAX: f32 = 2.0;

/// How loud a song is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    /// What its samples are multiplied by.
    pub(crate) gain: f64,
    /// Before that, what they are cut off at: there are bursts in it.
    pub(crate) ceiling: Option<f32>,
}

/// How loud a song turned out to be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loud {
    /// Its greatest sample as it went into the encoder, but for bursts.
    pub(crate) sample_peak: f32,
    /// What its bursts are to be cut off at, if it has any.
    pub(crate) ceiling: Option<f32>,
}

/// Cut, mixed, resampled, and brought to their level.
pub(crate) struct Chain {
    cutter: Option<Cutter>,
    mix: Mix,
    resample: Resample,
    level: Level,
    bursts: Bursts,
    /// What comes out.
    spec: Spec,
    frames: u64,
    sample_peak: f32,
    cut: Vec<f32>,
    mixed: Vec<f32>,
    ready: Vec<f32>,
}

impl Chain {
    pub(crate) fn new(
        from: Spec,
        mix: Mix,
        sample_rate_hz: u32,
        cut: Option<(Excerpt, Range<u64>)>,
        level: Level,
    ) -> Result<Self, AudioError> {
        let spec = Spec { sample_rate_hz, channels: mix.channels() };
        let cutter = cut.map(|(e, part)| Cutter::new(&e, part, from.sample_rate_hz, from.channels));
        Ok(Self {
            cutter,
            resample: Resample::new(from.sample_rate_hz, sample_rate_hz, spec.channels)?,
            mix,
            level,
            bursts: Bursts::new(spec),
            spec,
            frames: 0,
            sample_peak: 0.0,
            cut: Vec::new(),
            mixed: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// With an encoder at its end: of MP3 at a bitrate, or of WAV.
    pub(crate) fn into_encoder<W: Read + Write + Seek>(
        self,
        output: W,
        bitrate_bps: Option<u32>,
        tags: &Tags,
    ) -> Result<Encoding<W>, ConvertError> {
        let (encoder, sample_max) = match bitrate_bps {
            Some(bps) => (Encoder::mp3(output, self.spec, bps, tags)?, MP3_SAMPLE_MAX),
            None => (Encoder::wav(output, self.spec)?, 1.0),
        };
        Ok(Encoding { chain: self, encoder: Some(encoder), sample_max })
    }

    /// Puts into `ready` what comes of `samples`.
    fn add(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.ready.clear();
        let samples = match &mut self.cutter {
            None => samples,
            Some(cutter) => {
                self.cut.clear();
                cutter.add(samples, &mut self.cut);
                &self.cut
            }
        };
        self.mix.apply(samples, &mut self.mixed);
        self.resample.add(&self.mixed, &mut self.ready)?;
        self.bring_to_level();
        Ok(())
    }

    /// Puts into `ready` what is still to come.
    fn finish(&mut self) -> Result<(), AudioError> {
        self.ready.clear();
        self.resample.finish(&mut self.ready)?;
        self.bring_to_level();
        Ok(())
    }

    fn bring_to_level(&mut self) {
        if let Some(ceiling) = self.level.ceiling {
            for sample in &mut self.ready {
                *sample = cut_off(*sample, ceiling);
            }
        }
        self.bursts.add(&self.ready);
        let gain = self.level.gain as f32;
        for sample in &mut self.ready {
            *sample *= gain;
            self.sample_peak = self.sample_peak.max(sample.abs());
        }
        self.frames += (self.ready.len() / usize::from(self.spec.channels)) as u64;
    }
}

/// What is far above the ceiling is noise, and silence in its place sounds better.
fn cut_off(sample: f32, ceiling: f32) -> f32 {
    if sample.abs() > ceiling * LOUDER { 0.0 } else { sample.clamp(-ceiling, ceiling) }
}

/// A chain with an encoder at its end, until what comes is too loud for it: from then on samples
/// are only measured.
pub(crate) struct Encoding<W: Read + Write + Seek> {
    chain: Chain,
    encoder: Option<Encoder<W>>,
    /// What the encoder takes.
    sample_max: f32,
}

impl<W: Read + Write + Seek> Encoding<W> {
    pub(crate) fn add(&mut self, samples: &[f32]) -> Result<(), ConvertError> {
        self.chain.add(samples)?;
        self.encode()
    }

    fn encode(&mut self) -> Result<(), ConvertError> {
        if self.chain.sample_peak > self.sample_max {
            self.encoder = None;
        }
        match &mut self.encoder {
            Some(encoder) => encoder.add(&self.chain.ready),
            None => Ok(()),
        }
    }

    /// Whether what is still to come of the song is no part of the small version.
    pub(crate) fn is_done(&self) -> bool {
        self.chain.cutter.as_ref().is_some_and(Cutter::is_done)
    }

    /// How loud it was, and what was encoded from how many frames, if it was not too loud.
    pub(crate) fn finish(mut self) -> Result<(Loud, Option<(Encoded, u64)>), ConvertError> {
        self.chain.finish()?;
        self.encode()?;
        let encoded = self.encoder.map(Encoder::finish).transpose()?;
        let Chain { bursts, sample_peak, level, frames, .. } = self.chain;
        let ceiling = bursts.ceiling();
        let most = ceiling.map_or(f32::INFINITY, |c| c * level.gain as f32);
        let loud = Loud { sample_peak: sample_peak.min(most), ceiling };
        Ok((loud, encoded.map(|e| (e, frames))))
    }
}
