//! Vorbis in Ogg, by symphonia.

use super::{
    Decode, Spec, Told,
    codebooks::{UNPACKED_BYTES_MAX, unpacked_bytes},
    xiph::{Step, Stream, from_open, spec},
};
use crate::{
    error::{AudioError, Extent, Place},
    limits::frames_as_ms,
    section::Section,
    song::bitrate_bps,
};
use symphonia::{
    core::{
        codecs::{
            CodecParameters,
            audio::{AudioDecoderOptions, well_known::CODEC_ID_VORBIS},
        },
        formats::{FormatOptions, FormatReader},
        io::{MediaSourceStream, MediaSourceStreamOptions},
    },
    default::{codecs::VorbisDecoder, formats::OggReader},
};

/// The length of Vorbis's identification header, which the setup header follows in symphonia's
/// extra data: Vorbis I specification, 4.2.2.
const IDENTIFICATION_BYTES: usize = 30;
/// The bytes of an Ogg page's header before its table of segments.
const PAGE_HEADER_BYTES: usize = 27;

/// An Ogg Vorbis file.
pub(super) struct Ogg {
    stream: Stream,
    bytes: u64,
    frames_promised: Option<u64>,
    ended: bool,
}

impl Ogg {
    pub(super) fn open(file: &Section) -> Result<Self, AudioError> {
        check_codec(file)?;
        let place = Place::byte(file.start());
        let meter = file.meter();
        let source = Box::new(file.part(0, file.len()));
        let source = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let reader =
            OggReader::try_new(source, FormatOptions::default()).map_err(|e| from_open(e, file))?;
        let vorbis = reader.tracks().iter().find_map(|t| match &t.codec_params {
            Some(CodecParameters::Audio(p)) if p.codec == CODEC_ID_VORBIS => Some((t, p)),
            _ => None,
        });
        let Some((track, params)) = vorbis else {
            return Err(AudioError::unsupported("an Ogg file without Vorbis in it"));
        };
        let setup = params.extra_data.as_deref().and_then(|d| d.get(IDENTIFICATION_BYTES..));
        let asked = setup.and_then(unpacked_bytes);
        if asked.is_none_or(|bytes| bytes > UNPACKED_BYTES_MAX) {
            return Err(AudioError::corrupt(place, "its codebooks make no sense"));
        }
        let spec = spec(params, place)?;
        let (id, frames_promised) = (track.id, track.num_frames);
        let decoder = VorbisDecoder::try_new(params, &AudioDecoderOptions::default())
            .map_err(|e| from_open(e, file))?;
        let stream = Stream::new(reader, decoder, id, spec, meter);
        Ok(Self { stream, bytes: file.len(), frames_promised, ended: false })
    }
}

/// Names what the first page carries, if that is not Vorbis.
fn check_codec(file: &Section) -> Result<(), AudioError> {
    let page = file.bytes_at(0, 512).map_err(AudioError::Unreadable)?;
    let segments = page.get(PAGE_HEADER_BYTES - 1).copied().unwrap_or(0);
    let packet = page.get(PAGE_HEADER_BYTES + usize::from(segments)..).unwrap_or_default();
    let known: [(&[u8], &str); 6] = [
        (b"OpusHead", "Opus audio in an Ogg file"),
        (b"\x7FFLAC", "FLAC audio in an Ogg file"),
        (b"Speex   ", "Speex audio in an Ogg file"),
        (b"\x80theora", "an Ogg video"),
        (b"BBCD", "an Ogg video"),
        (b"PCM     ", "PCM audio in an Ogg file"),
    ];
    match known.iter().find(|(mark, _)| packet.starts_with(mark)) {
        Some((_, what)) => Err(AudioError::unsupported(*what)),
        None => Ok(()),
    }
}

impl Decode for Ogg {
    fn spec(&self) -> Spec {
        self.stream.spec
    }

    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        if self.ended {
            return Ok(false);
        }
        let step = self.stream.step(out)?;
        if matches!(step, Step::Samples) {
            return Ok(true);
        }
        self.ended = true;
        let packets = self.stream.packets;
        self.stream.damage.judge(packets)?;
        if matches!(step, Step::Cut) {
            // The last page says that it is the last; it never came.
            let found = frames_as_ms(self.stream.frames, self.stream.spec.sample_rate_hz);
            let promised = self.frames_promised.unwrap_or(0);
            let promised = frames_as_ms(promised, self.stream.spec.sample_rate_hz);
            return Err(AudioError::Truncated {
                promised: if promised > found { Extent::Ms(promised) } else { Extent::More },
                found: Extent::Ms(found),
            });
        }
        Ok(false)
    }

    fn told(&self) -> Told {
        let rate_hz = self.stream.spec.sample_rate_hz;
        let bitrate_bps = self.frames_promised.map(|f| bitrate_bps(self.bytes, f, rate_hz));
        Told { frames: self.frames_promised, bitrate_bps }
    }

    fn coded(&self) -> (u64, Option<u64>) {
        (self.bytes, None)
    }
}
