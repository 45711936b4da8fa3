//! What FLAC and Vorbis have in common: symphonia's readers and decoders, watched over.

use super::{Spec, damage::Damage};
use crate::{
    error::{AudioError, Extent, Place},
    limits::frames_as_ms,
    section::{Meter, Section},
};
use std::io::ErrorKind;
use symphonia::core::{
    codecs::audio::{AudioCodecParameters, AudioDecoder},
    errors::Error,
    formats::FormatReader,
};

/// Errors of the container in a row after which it is given up.
const STUMBLES_MAX: u32 = 100;

/// A container and its codec.
pub(super) struct Stream {
    reader: Box<dyn FormatReader>,
    pub(super) decoder: Box<dyn AudioDecoder>,
    track: u32,
    pub(super) spec: Spec,
    meter: Meter,
    pub(super) frames: u64,
    pub(super) packets: u64,
    pub(super) damage: Damage,
}

/// What a step along the stream gave.
pub(super) enum Step {
    /// Samples, perhaps none.
    Samples,
    /// The stream is at its end, as it should be.
    End,
    /// The file is at its end, and the stream is not.
    Cut,
}

impl Stream {
    /// A stream at its beginning.
    pub(super) fn new(
        reader: impl FormatReader + 'static,
        decoder: impl AudioDecoder + 'static,
        track: u32,
        spec: Spec,
        meter: Meter,
    ) -> Self {
        Self {
            reader: Box::new(reader),
            decoder: Box::new(decoder),
            track,
            spec,
            meter,
            frames: 0,
            packets: 0,
            damage: Damage::default(),
        }
    }

    fn place(&self) -> Place {
        let at_ms = Some(frames_as_ms(self.frames, self.spec.sample_rate_hz));
        Place { at_ms, byte: Some(self.meter.byte()) }
    }

    /// Decodes the next packet into `out`.
    pub(super) fn step(&mut self, out: &mut Vec<f32>) -> Result<Step, AudioError> {
        out.clear();
        let mut stumbles = 0;
        let packet = loop {
            match self.reader.next_packet() {
                Ok(None) => return Ok(Step::End),
                Ok(Some(packet)) if packet.track_id == self.track => break packet,
                Ok(Some(_)) => {}
                Err(Error::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(Step::Cut);
                }
                Err(Error::IoError(e)) if e.kind() != ErrorKind::Other => {
                    return Err(AudioError::Unreadable(e));
                }
                Err(Error::ResetRequired) => {
                    return Err(AudioError::unsupported("several songs in one file"));
                }
                Err(e) => {
                    stumbles += 1;
                    let (place, what) = (self.place(), e.to_string());
                    if stumbles >= STUMBLES_MAX {
                        return Err(AudioError::corrupt(place, what));
                    }
                    self.damage.note(place, self.packets, what)?;
                }
            }
        };
        self.packets += 1;
        match self.decoder.decode(&packet) {
            Ok(samples) => {
                let planes = samples.num_planes();
                if planes != usize::from(self.spec.channels) {
                    return Err(AudioError::unsupported("audio whose channels change on the way"));
                }
                samples.copy_to_vec_interleaved(out);
                self.frames += (out.len() / planes.max(1)) as u64;
            }
            Err(e) => {
                let (place, frames) = (self.place(), packet.dur.get());
                self.damage.note(place, self.packets, e.to_string())?;
                // Silence in its place keeps what follows in time.
                let frames = frames.min(FRAMES_PER_PACKET_MAX);
                out.resize(frames as usize * usize::from(self.spec.channels), 0.0);
                self.frames += frames;
            }
        }
        Ok(Step::Samples)
    }
}

/// What a packet of FLAC or Vorbis holds at most.
const FRAMES_PER_PACKET_MAX: u64 = 1 << 16;

/// What symphonia says about a file that it cannot even open.
pub(super) fn from_open(error: Error, file: &Section) -> AudioError {
    let place = Place::byte(file.start());
    match error {
        Error::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            AudioError::Truncated { promised: Extent::More, found: Extent::Bytes(file.len()) }
        }
        Error::IoError(e) if e.kind() != ErrorKind::Other => AudioError::Unreadable(e),
        e => AudioError::corrupt(place, e.to_string()),
    }
}

/// Sample rate and channels, of a header that must have both.
pub(super) fn spec(params: &AudioCodecParameters, place: Place) -> Result<Spec, AudioError> {
    let sample_rate_hz = params.sample_rate;
    let channels = params.channels.as_ref().and_then(|c| u8::try_from(c.count()).ok());
    match (sample_rate_hz, channels) {
        (Some(sample_rate_hz), Some(channels)) => Ok(Spec { sample_rate_hz, channels }),
        _ => Err(AudioError::corrupt(place, "its header tells no sample rate or channels")),
    }
}
