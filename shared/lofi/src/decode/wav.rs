//! WAV. The chunks are walked here, the samples are read by hound behind a header that is right.

use super::{Decode, Spec, Told};
use crate::{
    error::{AudioError, Extent, Place},
    limits::{MISSING_MS_MAX, frames_as_ms},
    section::{Section, Spliced},
};
use hound::{SampleFormat, WavReader};
use std::io::BufReader;

/// Chunks that are walked over on the way to the samples.
const CHUNKS_MAX: usize = 10_000;
/// What writers that do not know the length yet put in its place.
const LENGTHS_UNKNOWN: [u32; 4] = [0, 0x7FFF_FFFF, 0xFFFF_FFF0, u32::MAX];
const BUFFER_BYTES: usize = 64 << 10;
const FRAMES_PER_BLOCK: usize = 4096;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// A WAV file.
pub(super) struct Wav {
    reader: WavReader<BufReader<Spliced>>,
    spec: Spec,
    /// What a sample is divided by; `None` for floats.
    full_scale: Option<f32>,
    bytes: u64,
    frames: u64,
    /// Left to read.
    frames_left: u64,
}

/// The `fmt ` chunk.
struct Form {
    tag: u16,
    channels: u16,
    sample_rate_hz: u32,
    block_bytes: u16,
    bits: u16,
}

impl Wav {
    pub(super) fn open(file: &Section) -> Result<Self, AudioError> {
        let (form, data) = walk(file)?;
        let spec = form.check()?;
        let frame_bytes = u64::from(form.block_bytes);
        let frames = data.len() / frame_bytes;
        // hound counts in 32 bits; `walk` has no more from the header.
        let bytes = frames * frame_bytes;
        let head = form.header(u32::try_from(bytes).unwrap_or(u32::MAX - 0xFF));
        let source = Spliced::new(head, data.part(0, bytes));
        let reader = WavReader::new(BufReader::with_capacity(BUFFER_BYTES, source))
            .map_err(|e| from_hound(e, Place::byte(data.start())))?;
        let is_float = reader.spec().sample_format == SampleFormat::Float;
        let full_scale =
            (!is_float).then(|| (2.0_f32).powi(i32::from(reader.spec().bits_per_sample) - 1));
        Ok(Self { reader, spec, full_scale, bytes, frames, frames_left: frames })
    }
}

fn from_hound(error: hound::Error, place: Place) -> AudioError {
    match error {
        hound::Error::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            AudioError::Unreadable(e)
        }
        hound::Error::Unsupported => AudioError::unsupported("a WAV file of a rare kind"),
        hound::Error::FormatError(what) => AudioError::corrupt(place, what),
        e => AudioError::corrupt(place, e.to_string()),
    }
}

/// Finds the `fmt ` chunk and the samples.
fn walk(file: &Section) -> Result<(Form, Section), AudioError> {
    let mut form = None;
    let mut at = 12;
    for _ in 0..CHUNKS_MAX {
        let Some(head) = file.array_at::<8>(at).map_err(AudioError::Unreadable)? else { break };
        let [a, b, c, d, l0, l1, l2, l3] = head;
        let said = u32::from_le_bytes([l0, l1, l2, l3]);
        let start = at + 8;
        match &[a, b, c, d] {
            b"fmt " => form = Some(Form::read(file, start, said)?),
            b"data" => {
                let place = Place::byte(file.start() + at);
                let form =
                    form.ok_or_else(|| AudioError::corrupt(place, "samples before their format"))?;
                let data = samples(file, &form, start, said)?;
                return Ok((form, data));
            }
            _ => {}
        }
        // Chunks begin at even bytes.
        at = start + u64::from(said) + u64::from(said % 2);
    }
    if at > file.len() {
        let (promised, found) = (Extent::Bytes(at), Extent::Bytes(file.len()));
        return Err(AudioError::Truncated { promised, found });
    }
    Err(AudioError::corrupt(Place::byte(file.start() + at.min(file.len())), "no samples are found"))
}

fn samples(file: &Section, form: &Form, start: u64, said: u32) -> Result<Section, AudioError> {
    form.check()?;
    let there = file.len().saturating_sub(start);
    let said = u64::from(said);
    if LENGTHS_UNKNOWN.iter().any(|l| u64::from(*l) == said) {
        if there > u64::from(u32::MAX - 0xFF) {
            return Err(AudioError::unsupported("a WAV file of more than 4 GB"));
        }
        return Ok(file.part(start, file.len()));
    }
    let ms =
        |bytes: u64| frames_as_ms(bytes / u64::from(form.block_bytes.max(1)), form.sample_rate_hz);
    if ms(said) > ms(there) + MISSING_MS_MAX {
        let (promised, found) = (Extent::Ms(ms(said)), Extent::Ms(ms(there)));
        return Err(AudioError::Truncated { promised, found });
    }
    Ok(file.part(start, start + said))
}

impl Form {
    fn read(file: &Section, start: u64, said: u32) -> Result<Self, AudioError> {
        let bytes = file.bytes_at(start, said.min(40) as usize).map_err(AudioError::Unreadable)?;
        let word = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let read = || {
            let sample_rate_hz = u32::from(word(4)?) | u32::from(word(6)?) << 16;
            // An extensible format has its true tag in the first bytes of a GUID.
            let tag = match word(0)? {
                EXTENSIBLE => word(24)?,
                tag => tag,
            };
            let (channels, block_bytes, bits) = (word(2)?, word(12)?, word(14)?);
            Some(Self { tag, channels, sample_rate_hz, block_bytes, bits })
        };
        let place = Place::byte(file.start() + start);
        read().ok_or_else(|| AudioError::corrupt(place, "its format is cut off"))
    }

    /// Whether we can read it.
    fn check(&self) -> Result<Spec, AudioError> {
        let supported = match self.tag {
            PCM => matches!(self.bits, 8 | 16 | 24 | 32),
            FLOAT => self.bits == 32,
            _ => false,
        };
        if !supported {
            let what = codec_name(self.tag, self.bits);
            return Err(AudioError::unsupported(format!("a WAV file with {what}")));
        }
        let channels = u8::try_from(self.channels).unwrap_or(u8::MAX);
        let least = u32::from(self.channels) * u32::from(self.bits / 8);
        let aligned = self.channels > 0 && self.block_bytes.is_multiple_of(self.channels);
        if !aligned
            || u32::from(self.block_bytes) < least
            || u32::from(self.block_bytes) > 2 * least
        {
            let what = "its header contradicts itself about the size of a sample";
            return Err(AudioError::corrupt(Place::byte(12), what));
        }
        Ok(Spec { sample_rate_hz: self.sample_rate_hz, channels })
    }

    /// The least header for such samples.
    fn header(&self, data_bytes: u32) -> Vec<u8> {
        let mut head = Vec::with_capacity(44);
        head.extend(b"RIFF");
        head.extend((data_bytes.saturating_add(36)).to_le_bytes());
        head.extend(b"WAVEfmt \x10\0\0\0");
        head.extend(self.tag.to_le_bytes());
        head.extend(self.channels.to_le_bytes());
        head.extend(self.sample_rate_hz.to_le_bytes());
        let rate = self.sample_rate_hz.wrapping_mul(u32::from(self.block_bytes));
        head.extend(rate.to_le_bytes());
        head.extend(self.block_bytes.to_le_bytes());
        head.extend(self.bits.to_le_bytes());
        head.extend(b"data");
        head.extend(data_bytes.to_le_bytes());
        head
    }
}

/// What the tag means: RFC 2361, and what programs write.
fn codec_name(tag: u16, bits: u16) -> String {
    match tag {
        PCM | FLOAT => return format!("samples of {bits} bits"),
        0x0002 => "Microsoft ADPCM",
        0x0006 => "A-law samples",
        0x0007 => "µ-law samples",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10 audio",
        0x0050 | 0x0055 => "MP3 or MPEG audio inside",
        0x00FF | 0x1600 | 0x1610 => "AAC inside",
        0x0160..=0x0163 => "Windows Media Audio inside",
        0x2000 => "Dolby Digital inside",
        0x674F..=0x6771 => "Ogg Vorbis inside",
        0xF1AC => "FLAC inside",
        other => return format!("an unknown codec ({other:#06x})"),
    }
    .to_owned()
}

impl Decode for Wav {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        let frames = self.frames_left.min(FRAMES_PER_BLOCK as u64);
        let samples = frames as usize * usize::from(self.spec.channels);
        let place = Place { at_ms: None, byte: None };
        match self.full_scale {
            None => {
                for sample in self.reader.samples::<f32>().take(samples) {
                    out.push(sample.map_err(|e| from_hound(e, place))?);
                }
            }
            Some(full_scale) => {
                for sample in self.reader.samples::<i32>().take(samples) {
                    let sample = sample.map_err(|e| from_hound(e, place))?;
                    out.push(sample as f32 / full_scale);
                }
            }
        }
        self.frames_left -= frames;
        Ok(frames > 0)
    }

    fn told(&self) -> Told {
        // What the header says was compared with the file when it was opened.
        Told { frames: Some(self.frames), bitrate_bps: None }
    }

    fn coded(&self) -> (u64, Option<u64>) {
        (self.bytes, None)
    }
}
