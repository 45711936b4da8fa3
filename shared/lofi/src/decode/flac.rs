//! FLAC. Its metadata is stepped over here, so that pictures are never loaded; the audio is read
//! by symphonia, behind the one block that it needs.

use super::{
    Decode, Spec, Told,
    xiph::{Step, Stream, from_open, spec},
};
use crate::{
    error::{AudioError, Extent, Place},
    section::{Section, Spliced},
};
use symphonia::{
    core::{
        codecs::{CodecParameters, audio::AudioDecoderOptions},
        formats::{FormatOptions, FormatReader},
        io::{MediaSourceStream, MediaSourceStreamOptions},
    },
    default::{codecs::FlacDecoder, formats::FlacReader},
};

/// Metadata blocks that are stepped over.
const BLOCKS_MAX: usize = 10_000;
/// The kind and length of a STREAMINFO block: RFC 9639, 8.2.
const STREAM_INFO: u8 = 0;
const STREAM_INFO_BYTES: u32 = 34;

/// A FLAC file.
pub(super) struct Flac {
    stream: Stream,
    bytes: u64,
    frames_promised: Option<u64>,
    ended: bool,
}

impl Flac {
    pub(super) fn open(file: &Section) -> Result<Self, AudioError> {
        let (info, audio_at) = walk(file)?;
        let place = Place::byte(file.start() + audio_at);
        // "fLaC", and STREAMINFO marked as the last block.
        let head = [&b"fLaC\x80\0\0\x22"[..], &info].concat();
        let audio = file.part(audio_at, file.len());
        let (meter, bytes) = (audio.meter(), audio.len());
        let source = Box::new(Spliced::new(head, audio));
        let source = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let reader = FlacReader::try_new(source, FormatOptions::default())
            .map_err(|e| from_open(e, file))?;
        let Some(track) = reader.tracks().first() else {
            return Err(AudioError::corrupt(place, "it holds no track"));
        };
        let (id, frames_promised) = (track.id, track.num_frames);
        let Some(CodecParameters::Audio(params)) = &track.codec_params else {
            return Err(AudioError::corrupt(place, "it holds no audio"));
        };
        let spec = spec(params, place)?;
        let decoder = FlacDecoder::try_new(params, &AudioDecoderOptions::default().verify(true))
            .map_err(|e| from_open(e, file))?;
        let stream = Stream::new(reader, decoder, id, spec, meter);
        Ok(Self { stream, bytes, frames_promised, ended: false })
    }

    /// The whole song is there: FLAC can tell whether it is the one that was encoded.
    fn finish(&mut self) -> Result<(), AudioError> {
        self.ended = true;
        let packets = self.stream.packets;
        self.stream.damage.judge(packets)?;
        let whole = self.frames_promised.is_none_or(|f| f == self.stream.frames);
        if whole && self.stream.decoder.finalize().verify_ok == Some(false) {
            let what = "the decoded sound is not what its checksum says";
            return Err(AudioError::corrupt(Place::default(), what));
        }
        Ok(())
    }
}

/// The STREAMINFO block, and where the audio begins.
fn walk(file: &Section) -> Result<(Vec<u8>, u64), AudioError> {
    let mut info = None;
    let mut at = 4;
    for _ in 0..BLOCKS_MAX {
        let Some([kind, a, b, c]) = file.array_at::<4>(at).map_err(AudioError::Unreadable)? else {
            let (promised, found) = (Extent::Bytes(at + 4), Extent::Bytes(file.len()));
            return Err(AudioError::Truncated { promised, found });
        };
        let bytes = u32::from_be_bytes([0, a, b, c]);
        if kind & 0x7F == STREAM_INFO && bytes == STREAM_INFO_BYTES && info.is_none() {
            let block = file.bytes_at(at + 4, STREAM_INFO_BYTES as usize);
            info = Some(block.map_err(AudioError::Unreadable)?);
        }
        at += 4 + u64::from(bytes);
        if kind & 0x80 != 0 {
            break;
        }
    }
    let place = Place::byte(file.start() + 4);
    match info {
        Some(info) if info.len() == STREAM_INFO_BYTES as usize => Ok((info, at)),
        _ => Err(AudioError::corrupt(place, "it does not begin with its stream info")),
    }
}

impl Decode for Flac {
    fn spec(&self) -> Spec {
        self.stream.spec
    }

    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        if self.ended {
            out.clear();
            return Ok(false);
        }
        match self.stream.step(out)? {
            Step::Samples => Ok(true),
            // The end of a FLAC file is the end of its bytes: what is missing, the count tells.
            Step::End | Step::Cut => self.finish().map(|()| false),
        }
    }

    fn told(&self) -> Told {
        Told { frames: self.frames_promised, bitrate_bps: None }
    }

    fn coded(&self) -> (u64, Option<u64>) {
        (self.bytes, None)
    }
}
