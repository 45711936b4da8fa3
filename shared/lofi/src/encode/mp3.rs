//! MP3 by LAME, at a constant bitrate.

use super::{
    Encoded,
    info::{self, Facts},
    peak::Listener,
    quieter, tag,
};
use crate::{convert::ConvertError, decode::Spec, tags::Tags};
use mp3lame_encoder::{
    Bitrate, Builder, DualPcm, FlushGap, Mode, MonoPcm, Quality, max_required_buffer_size,
};
use std::{
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    num::NonZeroU32,
};

/// Samples per channel that LAME puts before a song: its ENCDELAY.
const DELAY_SAMPLES: u64 = 576;
/// Samples per channel that LAME is given at once: its output buffer is a little more.
const BATCH_FRAMES: usize = 8192;

/// An MP3 file in the making.
pub(crate) struct Mp3<W: Read + Write + Seek> {
    out: BufWriter<W>,
    lame: mp3lame_encoder::Encoder,
    spec: Spec,
    bitrate_bps: u32,
    tag_bytes: u64,
    listener: Listener,
    counter: Counter,
    /// Samples per channel taken in.
    samples: u64,
    peak: f32,
    left: Vec<f32>,
    right: Vec<f32>,
    coded: Vec<u8>,
}

/// Counts frames as they go by in pieces.
#[derive(Debug, Default)]
struct Counter {
    frames: u64,
    bytes: u64,
    crc: u16,
    header: Vec<u8>,
    /// Of the current frame, still to come.
    left: usize,
}

impl Counter {
    fn add(&mut self, bytes: &[u8]) -> Result<(), ConvertError> {
        self.bytes += bytes.len() as u64;
        self.crc = info::crc16(self.crc, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left == 0 {
                self.header.push(rest[0]);
                rest = &rest[1..];
                if let [a, b, c, d] = self.header[..] {
                    let length = info::frame_bytes_of([a, b, c, d]);
                    let length = length.ok_or_else(|| encoder("it wrote what is no frame"))?;
                    self.left = length - 4;
                    self.frames += 1;
                    self.header.clear();
                }
            } else {
                let pass = self.left.min(rest.len());
                self.left -= pass;
                rest = &rest[pass..];
            }
        }
        Ok(())
    }
}

fn encoder(what: impl std::fmt::Display) -> ConvertError {
    ConvertError::Encoder(format!("{what}"))
}

impl<W: Read + Write + Seek> Mp3<W> {
    pub(super) fn new(
        out: W,
        spec: Spec,
        bitrate_bps: u32,
        tags: &Tags,
    ) -> Result<Self, ConvertError> {
        let lame = lame(spec, bitrate_bps).map_err(encoder)?;
        let mut out = BufWriter::new(out);
        out.rewind().map_err(ConvertError::Write)?;
        let tag = tag::id3(tags);
        out.write_all(&tag).map_err(ConvertError::Write)?;
        // The first frame is written again at the end, when all is known.
        let first = info::frame(spec, bitrate_bps, &Facts::default());
        out.write_all(&first).map_err(ConvertError::Write)?;
        Ok(Self {
            out,
            lame,
            spec,
            bitrate_bps,
            tag_bytes: tag.len() as u64,
            listener: Listener::new(spec),
            counter: Counter::default(),
            samples: 0,
            peak: 0.0,
            left: Vec::with_capacity(BATCH_FRAMES),
            right: Vec::with_capacity(BATCH_FRAMES),
            coded: Vec::with_capacity(max_required_buffer_size(BATCH_FRAMES)),
        })
    }

    pub(super) fn add(&mut self, samples: &[f32]) -> Result<(), ConvertError> {
        let channels = usize::from(self.spec.channels);
        for batch in samples.chunks(BATCH_FRAMES * channels) {
            self.left.clear();
            self.right.clear();
            self.left.extend(batch.iter().step_by(channels));
            self.right.extend(batch.iter().skip(channels - 1).step_by(channels));
            self.samples += self.left.len() as u64;
            self.peak = batch.iter().fold(self.peak, |peak, s| peak.max(s.abs()));
            self.coded.clear();
            let (left, right) = (&self.left[..], &self.right[..]);
            if channels == 1 {
                self.lame.encode_to_vec(MonoPcm(left), &mut self.coded).map_err(encoder)?;
            } else {
                let pair = DualPcm { left, right };
                self.lame.encode_to_vec(pair, &mut self.coded).map_err(encoder)?;
            }
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), ConvertError> {
        self.counter.add(&self.coded)?;
        self.listener.add(&self.coded);
        self.out.write_all(&self.coded).map_err(ConvertError::Write)
    }

    /// Writes what is still to be written, and makes it quieter if it clips when it is played.
    pub(super) fn finish(mut self) -> Result<Encoded, ConvertError> {
        self.coded.clear();
        self.lame.flush_to_vec::<FlushGap>(&mut self.coded).map_err(encoder)?;
        self.write()?;
        self.out.flush().map_err(ConvertError::Write)?;
        let first_bytes = self.first(&Facts::default()).len() as u64;
        let bytes = first_bytes + self.counter.bytes;
        let end = self.tag_bytes + bytes;
        let (true_peak, mut music_crc) = (self.listener.finish(), self.counter.crc);
        let steps = quieter::steps(true_peak);
        if steps > 0 {
            let begin = self.tag_bytes + first_bytes;
            music_crc = quieter::lower(self.out.get_mut(), begin, end, steps)
                .map_err(ConvertError::Write)?;
        }
        let gain = quieter::factor(steps);
        let frames = self.counter.frames;
        let coded_samples = frames * info::frame_samples(self.spec.sample_rate_hz);
        let first = self.first(&Facts {
            frames,
            delay: DELAY_SAMPLES,
            padding: coded_samples.saturating_sub(DELAY_SAMPLES + self.samples),
            peak: self.peak * gain as f32,
            music_crc,
            bytes,
        });
        self.out.seek(SeekFrom::Start(self.tag_bytes)).map_err(ConvertError::Write)?;
        self.out.write_all(&first).map_err(ConvertError::Write)?;
        self.out.seek(SeekFrom::Start(end)).map_err(ConvertError::Write)?;
        self.out.flush().map_err(ConvertError::Write)?;
        Ok(Encoded { bytes: end, true_peak: true_peak * gain, gain })
    }

    /// The frame before the song. It is always as long.
    fn first(&self, facts: &Facts) -> Vec<u8> {
        info::frame(self.spec, self.bitrate_bps, facts)
    }
}

fn lame(
    spec: Spec,
    bitrate_bps: u32,
) -> Result<mp3lame_encoder::Encoder, mp3lame_encoder::BuildError> {
    use mp3lame_encoder::BuildError;
    let bitrate = bitrate(bitrate_bps).ok_or(BuildError::BadBRate)?;
    let mode = if spec.channels == 1 { Mode::Mono } else { Mode::JointStereo };
    Builder::new()
        .ok_or(BuildError::NoMem)?
        .with_num_channels(spec.channels)?
        .with_sample_rate(spec.sample_rate_hz)?
        .with_output_sample_rate(NonZeroU32::new(spec.sample_rate_hz))?
        .with_brate(bitrate)?
        .with_mode(mode)?
        .with_quality(Quality::NearBest)?
        // Ours is written instead: see `info`.
        .with_to_write_vbr_tag(false)?
        .build()
}

const fn bitrate(bps: u32) -> Option<Bitrate> {
    Some(match bps / 1000 {
        8 => Bitrate::Kbps8,
        16 => Bitrate::Kbps16,
        24 => Bitrate::Kbps24,
        32 => Bitrate::Kbps32,
        40 => Bitrate::Kbps40,
        48 => Bitrate::Kbps48,
        64 => Bitrate::Kbps64,
        80 => Bitrate::Kbps80,
        96 => Bitrate::Kbps96,
        112 => Bitrate::Kbps112,
        128 => Bitrate::Kbps128,
        160 => Bitrate::Kbps160,
        192 => Bitrate::Kbps192,
        224 => Bitrate::Kbps224,
        256 => Bitrate::Kbps256,
        320 => Bitrate::Kbps320,
        _ => return None,
    })
}
