//! From samples to the file of a small version.

mod info;
mod mp3;
mod peak;
mod quieter;
mod tag;
mod wav;

use crate::{convert::ConvertError, decode::Spec, tags::Tags};
use std::io::{Read, Seek, Write};

pub(crate) use info::frame_bytes_of;
pub(crate) use tag::id3;

/// What becomes of samples.
pub(crate) enum Encoder<W: Read + Write + Seek> {
    Mp3(Box<mp3::Mp3<W>>),
    Wav(Box<wav::Wav<W>>),
}

/// What has been made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) bytes: u64,
    /// The greatest level of what comes out when it is played, 1 being full scale.
    pub(crate) true_peak: f64,
    /// What its samples were multiplied by after they were encoded.
    pub(crate) gain: f64,
}

impl<W: Read + Write + Seek> Encoder<W> {
    /// An MP3 of a constant bitrate, from the start of `out`.
    pub(crate) fn mp3(out: W, spec: Spec, bps: u32, tags: &Tags) -> Result<Self, ConvertError> {
        Ok(Self::Mp3(Box::new(mp3::Mp3::new(out, spec, bps, tags)?)))
    }

    /// A WAV of 16 bits, from the start of `out`.
    pub(crate) fn wav(out: W, spec: Spec) -> Result<Self, ConvertError> {
        Ok(Self::Wav(Box::new(wav::Wav::new(out, spec)?)))
    }

    /// Takes in interleaved samples.
    pub(crate) fn add(&mut self, samples: &[f32]) -> Result<(), ConvertError> {
        match self {
            Self::Mp3(mp3) => mp3.add(samples),
            Self::Wav(wav) => wav.add(samples),
        }
    }

    /// Writes what is still to be written.
    pub(crate) fn finish(self) -> Result<Encoded, ConvertError> {
        match self {
            Self::Mp3(mp3) => mp3.finish(),
            Self::Wav(wav) => wav.finish(),
        }
    }
}
