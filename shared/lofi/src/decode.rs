//! From a file to samples, whatever it is: one block after the other, never the whole song.

mod codebooks;
mod damage;
mod flac;
mod m4a;
mod mp3;
mod ogg;
mod wav;
mod xiph;

use crate::{
    error::AudioError,
    format::Format,
    limits::{CHANNELS_MAX, SAMPLE_RATE_HZ_MAX, SAMPLE_RATE_HZ_MIN},
    section::Section,
    sniff::{Looks, sniff},
};

/// How samples are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) sample_rate_hz: u32,
    pub(crate) channels: u8,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// Frames of the song, which it promises.
    pub(crate) frames: Option<u64>,
    /// Bits per second on average, roughly.
    pub(crate) bitrate_bps: Option<u32>,
}

/// What decodes one kind of file.
pub(crate) trait Decode {
    /// The same from the first block to the last.
    fn spec(&self) -> Spec;

    /// Puts the next samples into `out`, interleaved, instead of what is in it. `false` at the end.
    /// A block may be empty. It has at most 2^16 frames.
    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError>;

    /// What the header says. It may lie.
    fn told(&self) -> Told;

    /// Bytes of the file that are audio, and the frames they stand for, if not those given out.
    /// Right once all is decoded.
    fn coded(&self) -> (u64, Option<u64>);
}

/// The frames of an MP3 file, without the tags around them.
pub(crate) fn mp3_frames(file: &Section) -> Result<Section, AudioError> {
    mp3::without_tags(&sniff(file)?.0).map_err(AudioError::Unreadable)
}

/// Opens what `file` holds.
pub(crate) fn open(file: &Section) -> Result<(Format, Box<dyn Decode>), AudioError> {
    let (song, looks) = sniff(file)?;
    let (format, decoder): (_, Box<dyn Decode>) = match looks {
        Looks::Wav => (Format::Wav, Box::new(wav::Wav::open(&song)?)),
        Looks::Flac => (Format::Flac, Box::new(flac::Flac::open(&song)?)),
        Looks::Ogg => (Format::Ogg, Box::new(ogg::Ogg::open(&song)?)),
        Looks::Mp4 => (Format::M4a, Box::new(m4a::M4a::open(&song)?)),
        Looks::Unmarked => (Format::Mp3, Box::new(mp3::Mp3::open(&song)?)),
    };
    let Spec { sample_rate_hz, channels } = decoder.spec();
    if !(SAMPLE_RATE_HZ_MIN..=SAMPLE_RATE_HZ_MAX).contains(&sample_rate_hz) {
        return Err(AudioError::unsupported(format!("audio at {sample_rate_hz} Hz")));
    }
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(AudioError::unsupported(format!("audio of {channels} channels")));
    }
    Ok((format, decoder))
}
