//! AAC-LC in MPEG-4. The boxes are read here, so that tables stay on disk and pictures are never
//! loaded; the frames are decoded by symphonia.

mod boxes;
mod movie;
mod samples;
mod smpb;

use super::{Decode, Spec, Told, damage::Damage, xiph};
use crate::{
    error::{AudioError, Place},
    limits::frames_as_ms,
    section::Section,
    song::bitrate_bps,
};
use movie::Movie;
use samples::Samples;
use symphonia::{
    core::{
        codecs::audio::{
            AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_AAC,
        },
        packet::Packet,
        units::{Duration, Timestamp},
    },
    default::codecs::AacDecoder,
};

/// What a frame of AAC-LC decodes to, in samples per channel.
const FRAME_SAMPLES: u64 = 1024;

/// An M4A file.
pub(super) struct M4a {
    samples: Samples,
    decoder: AacDecoder,
    spec: Spec,
    /// Frames at the start that are the encoder's own, still to be dropped.
    skip: u64,
    /// Frames of the song that are still to come, by its edit list or its duration.
    left: u64,
    promised: u64,
    given: u64,
    packets: u64,
    bytes: u64,
    file_bytes: u64,
    damage: Damage,
    ended: bool,
}

impl M4a {
    pub(super) fn open(file: &Section) -> Result<Self, AudioError> {
        let movie = Movie::read(file)?;
        let place = Place::byte(file.start());
        let mut params = AudioCodecParameters::new();
        params.for_codec(CODEC_ID_AAC).with_extra_data(movie.config.clone().into_boxed_slice());
        let decoder = AacDecoder::try_new(&params, &AudioDecoderOptions::default())
            .map_err(|e| unsupported_or_corrupt(e, file))?;
        let spec = xiph::spec(decoder.codec_params(), place)?;
        // Half the bandwidth, as players that do not know SBR hear it, is not the song.
        if movie.timescale == spec.sample_rate_hz * 2 {
            return Err(AudioError::unsupported("HE-AAC in an M4A file"));
        }
        let scale = |ticks: u64| {
            let frames = u128::from(ticks) * u128::from(spec.sample_rate_hz);
            u64::try_from(frames / u128::from(movie.timescale)).unwrap_or(u64::MAX)
        };
        let all = movie.sample_count.saturating_mul(FRAME_SAMPLES);
        // What iTunes notes is in samples already.
        let (start, end) = match &movie.noted {
            Some(song) => (song.start, song.end),
            None => (scale(movie.start), scale(movie.end)),
        };
        let start = start.min(all);
        let promised = end.min(all).saturating_sub(start);
        // A duration of zero, or of far less than there is, is a writer's slip: all is played.
        let second = u64::from(spec.sample_rate_hz);
        let is_whole = movie.end == movie.duration && movie.noted.is_none();
        let slip = is_whole && scale(movie.end).saturating_add(second) < all;
        let left = if slip { u64::MAX } else { promised };
        Ok(Self {
            samples: Samples::new(file, &movie),
            decoder,
            spec,
            skip: start,
            left,
            promised,
            given: 0,
            packets: 0,
            bytes: 0,
            file_bytes: file.len(),
            damage: Damage::default(),
            ended: false,
        })
    }

    fn give(&mut self, out: &mut Vec<f32>) {
        let channels = usize::from(self.spec.channels);
        let frames = (out.len() / channels) as u64;
        let skip = self.skip.min(frames);
        let keep = self.left.min(frames - skip);
        out.truncate((skip + keep) as usize * channels);
        out.drain(..skip as usize * channels);
        self.skip -= skip;
        self.left -= keep;
        self.given += keep;
    }
}

/// What symphonia's AAC decoder cannot do, and what nobody can.
fn unsupported_or_corrupt(error: symphonia::core::errors::Error, file: &Section) -> AudioError {
    match error {
        symphonia::core::errors::Error::Unsupported(_) => {
            AudioError::unsupported("AAC that is not plain AAC-LC in mono or stereo")
        }
        e => xiph::from_open(e, file),
    }
}

impl Decode for M4a {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        let frame = if self.ended || self.left == 0 { None } else { self.samples.next()? };
        let Some(frame) = frame else {
            self.ended = true;
            self.damage.judge(self.packets)?;
            return Ok(false);
        };
        self.packets += 1;
        self.bytes += frame.len() as u64;
        let at_ms = Some(frames_as_ms(self.given, self.spec.sample_rate_hz));
        let place = Place { at_ms, byte: Some(self.samples.at()) };
        let packet = Packet::new(0, Timestamp::new(0), Duration::new(FRAME_SAMPLES), frame);
        match self.decoder.decode(&packet) {
            Ok(samples) => samples.copy_to_vec_interleaved(out),
            Err(e) => {
                self.damage.note(place, self.packets, e.to_string())?;
                // Silence in its place keeps what follows in time.
                out.resize(FRAME_SAMPLES as usize * usize::from(self.spec.channels), 0.0);
            }
        }
        self.give(out);
        Ok(true)
    }

    fn told(&self) -> Told {
        let rate_hz = self.spec.sample_rate_hz;
        let bitrate_bps = Some(bitrate_bps(self.file_bytes, self.promised, rate_hz));
        Told { frames: Some(self.promised), bitrate_bps }
    }

    fn coded(&self) -> (u64, Option<u64>) {
        (self.bytes, Some(self.packets * FRAME_SAMPLES))
    }
}
