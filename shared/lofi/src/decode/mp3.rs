//! MP3, frame by frame, by nanomp3.
//!
//! An MP3 file is frames in a row, with anything in between. The first may hold no sound but a
//! header (Xing or Info): how many frames follow, and how many samples at both ends are the
//! encoder's own. Those are taken off here: the song is as long as it was before it was encoded.

use super::{Decode, Spec, Told, damage::Damage};
use crate::{
    encode::frame_bytes_of,
    error::{AudioError, Place},
    limits::frames_as_ms,
    section::Section,
    song::bitrate_bps,
};
use nanomp3::{Channels, DecodeError, Decoder, FrameInfo, MAX_SAMPLES_PER_FRAME, VbrTag};
use std::collections::VecDeque;

/// What is read at once. A first frame must be found within it.
const WINDOW_BYTES: usize = 64 << 10;
/// What the decoder must see ahead of it: ten frames of the largest kind.
const AHEAD_BYTES: usize = 16 << 10;
/// The delay of every MP3 decoder, in samples: what LAME's header counts without.
const DECODER_DELAY: u64 = 529;
/// The largest frame: 320 kbit/s at 32 kHz, padded.
const FRAME_BYTES_MAX: u64 = 1441;
/// A frame of 128 kbit/s at 44.1 kHz, to measure junk by.
const FRAME_BYTES_TYPICAL: u64 = 417;
/// Frames at the start that may lack data of frames that were cut off before them.
const STARVED_MAX: u64 = 255;
/// Tags in a row, in the middle of a song, that are stepped over.
const TAGS_MAX: usize = 8;

/// An MP3 file.
pub(super) struct Mp3 {
    /// The song without tags at either end.
    song: Section,
    /// Read from it so far.
    offset: u64,
    window: Vec<u8>,
    /// Of the window, decoded so far.
    used: usize,
    decoder: Box<Decoder>,
    spec: Spec,
    frame_samples: u64,
    /// The bitrate of the first frame, if it is of none that is free.
    first_bps: Option<u32>,
    /// Where the first frame with sound is.
    first_at: u64,
    tag: Trim,
    /// Samples at the start that are still to be dropped, per channel.
    skip: u64,
    /// The last samples decoded: dropped at the end, if they are still here then.
    held: VecDeque<f32>,
    /// Samples per channel that were given out.
    given: u64,
    frames: u64,
    frame_bytes: u64,
    junk_bytes: u64,
    /// Whether any frame has been decoded.
    begun: bool,
    damage: Damage,
    ended: bool,
}

/// What the header says about the ends of the song.
#[derive(Debug, Clone, Copy, Default)]
struct Trim {
    frames: Option<u64>,
    start: u64,
    end: u64,
}

impl Trim {
    fn of(tag: &VbrTag) -> Self {
        let frames = tag.frames.map(u64::from);
        match tag.encoder_delay_padding {
            None => Self { frames, ..Self::default() },
            Some((delay, padding)) => Self {
                frames,
                start: u64::from(delay) + DECODER_DELAY,
                end: u64::from(padding).saturating_sub(DECODER_DELAY),
            },
        }
    }
}

impl Mp3 {
    pub(super) fn open(file: &Section) -> Result<Self, AudioError> {
        let song = without_tags(file).map_err(AudioError::Unreadable)?;
        let window = song.bytes_at(0, WINDOW_BYTES).map_err(AudioError::Unreadable)?;
        let nothing = AudioError::NotAudio { looks_like: "a file of no known kind" };
        let first = nanomp3::frames(&window).next().ok_or(nothing)?;
        if first.layer != 3 {
            return Err(AudioError::unsupported(format!("MPEG audio of layer {}", first.layer)));
        }
        let channels = if first.channels == Channels::Mono { 1 } else { 2 };
        let spec = Spec { sample_rate_hz: first.sample_rate, channels };
        let tag = VbrTag::parse(first.data);
        let used = first.offset + if tag.is_some() { first.data.len() } else { 0 };
        let first_bps = Some(first.bitrate_kbps * 1000).filter(|b| *b > 0);
        let (frame_samples, offset) = (first.samples as u64, window.len() as u64);
        let tag = tag.as_ref().map(Trim::of).unwrap_or_default();
        Ok(Self {
            song,
            offset,
            window,
            used,
            decoder: Box::new(Decoder::new()),
            spec,
            frame_samples,
            first_bps,
            first_at: used as u64,
            tag,
            skip: tag.start,
            held: VecDeque::new(),
            given: 0,
            frames: 0,
            frame_bytes: 0,
            junk_bytes: 0,
            begun: false,
            damage: Damage::default(),
            ended: false,
        })
    }

    /// Where the decoder stands.
    fn place(&self) -> Place {
        let byte = self.song.start() + self.offset - (self.window.len() - self.used) as u64;
        let at_ms = Some(frames_as_ms(self.given, self.spec.sample_rate_hz));
        Place { at_ms, byte: Some(byte) }
    }

    fn refill(&mut self) -> Result<(), AudioError> {
        if self.window.len() - self.used >= AHEAD_BYTES || self.offset >= self.song.len() {
            return Ok(());
        }
        self.window.drain(..self.used);
        self.used = 0;
        let more = self.song.bytes_at(self.offset, WINDOW_BYTES - self.window.len());
        let more = more.map_err(AudioError::Unreadable)?;
        self.offset += more.len() as u64;
        self.window.extend(more);
        Ok(())
    }

    /// Hands out `samples` of `channels`, but for what belongs to the encoder at either end.
    fn give(&mut self, samples: &[f32], channels: usize, out: &mut Vec<f32>) {
        let frames = samples.len() / channels;
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(frames);
        self.skip -= skip as u64;
        for frame in samples[skip * channels..].chunks_exact(channels) {
            match (channels, self.spec.channels) {
                (1, 2) => self.held.extend([frame[0]; 2]),
                (2, 1) => self.held.push_back(f32::midpoint(frame[0], frame[1])),
                _ => self.held.extend(frame),
            }
        }
        let channels = usize::from(self.spec.channels);
        let hold = self.tag.end as usize * channels;
        let ready = self.held.len().saturating_sub(hold);
        out.extend(self.held.drain(..ready));
        self.given += (ready / channels) as u64;
    }

    /// A frame that gives no sound: silence in its place.
    fn damaged(&mut self, what: &str, out: &mut Vec<f32>) -> Result<(), AudioError> {
        self.frames += 1;
        self.damage.note(self.place(), self.frames, what)?;
        self.silence(out);
        Ok(())
    }

    fn silence(&mut self, out: &mut Vec<f32>) {
        let channels = usize::from(self.spec.channels);
        let silence = [0.0; MAX_SAMPLES_PER_FRAME];
        self.give(&silence[..self.frame_samples as usize * channels], channels, out);
    }

    /// A frame that needs data of frames before it. A song that was cut out of another begins with
    /// some of these; later they are damage.
    fn starved(&mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        if self.begun || self.frames >= STARVED_MAX {
            return self.damaged("a frame without its data", out);
        }
        self.frames += 1;
        self.silence(out);
        Ok(())
    }

    /// Bytes between frames that are neither frame nor tag.
    fn junk(&mut self, bytes: u64, place: Place) -> Result<(), AudioError> {
        self.junk_bytes += bytes;
        let frame = (self.frame_bytes / self.frames.max(1)).max(FRAME_BYTES_TYPICAL);
        let what = "bytes that are no MP3";
        self.damage.note_many(bytes.div_ceil(frame), place, self.frames, what)
    }

    /// Steps over a tag in the middle of the song, as left by programs that join files.
    fn pass_tags(&mut self) -> Result<(), AudioError> {
        for _ in 0..TAGS_MAX {
            self.refill()?;
            let tag = tag_bytes(&self.window[self.used..]);
            let ahead = (self.window.len() - self.used) as u64;
            if tag == 0 || tag > ahead + self.song.len() - self.offset {
                break;
            }
            self.used += tag.min(ahead) as usize;
            self.offset += tag.saturating_sub(ahead);
        }
        self.refill()
    }

    /// The end of the bytes: whether they were a song.
    fn finish(&mut self) -> Result<(), AudioError> {
        self.ended = true;
        if self.junk_bytes > self.frame_bytes {
            return Err(AudioError::NotAudio { looks_like: "a file of no known kind" });
        }
        self.damage.judge(self.frames)
    }

    fn decoded(
        &mut self,
        pcm: &[f32],
        info: &FrameInfo,
        out: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        if info.sample_rate != self.spec.sample_rate_hz {
            return self.damaged("a frame of another sample rate", out);
        }
        self.frames += 1;
        self.begun = true;
        let channels = usize::from(info.channels.num());
        self.give(&pcm[..info.samples_produced * channels], channels, out);
        Ok(())
    }
}

/// Whether a frame begins right here.
fn begins_with_frame(bytes: &[u8]) -> bool {
    bytes.len() > 1 && bytes[0] == 0xFF && bytes[1] & 0xE0 == 0xE0
}

/// The frame that begins right here, if it is the last one and something else follows. The decoder
/// believes a frame only when another follows, or nothing.
fn last_frame(bytes: &[u8]) -> Option<&[u8]> {
    let length = frame_bytes_of(*bytes.first_chunk()?)?;
    let behind = bytes.get(length..)?;
    let another =
        behind.windows(4).any(|w| w.first_chunk().is_some_and(|h| frame_bytes_of(*h).is_some()));
    (!another).then(|| &bytes[..length])
}

/// The bytes of the tag that begins right here; 0 if none does.
fn tag_bytes(bytes: &[u8]) -> u64 {
    if bytes.starts_with(b"TAG") {
        return 128;
    }
    match bytes.get(..16) {
        Some(head) if head.starts_with(b"APETAGEX") => {
            32 + u64::from(u32::from_le_bytes([head[12], head[13], head[14], head[15]]))
        }
        _ => nanomp3::id3v2_len(bytes) as u64,
    }
}

impl Decode for Mp3 {
    fn spec(&self) -> Spec {
        self.spec
    }

    fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioError> {
        out.clear();
        if self.ended {
            return Ok(false);
        }
        self.pass_tags()?;
        let ahead = &self.window[self.used..];
        let (synced, place) = (begins_with_frame(ahead), self.place());
        let is_last = self.offset >= self.song.len();
        let shown = if is_last && synced { last_frame(ahead).unwrap_or(ahead) } else { ahead };
        let mut pcm = [0.0_f32; MAX_SAMPLES_PER_FRAME];
        let (used, result) = self.decoder.decode(shown, &mut pcm);
        let used = used.min(shown.len());
        if matches!(result, Err(DecodeError::NoFrame)) {
            // The decoder has passed over all that it was shown. The end of that may be the start
            // of a frame that it would know if it saw the next.
            let used = if is_last { used } else { used.saturating_sub(AHEAD_BYTES / 2).max(1) };
            self.used += used;
            // The last frame may be cut off: that is for whoever compares the lengths.
            let cut_frame = if is_last && synced { FRAME_BYTES_MAX } else { 0 };
            let junk = (used as u64).saturating_sub(cut_frame);
            if junk > 0 {
                self.junk(junk, place)?;
            }
            return if is_last { self.finish().map(|()| false) } else { Ok(true) };
        }
        self.used += used;
        let (layer, hz, kbps) = facts(&result);
        // Free format has no bitrate: then nothing is known of the frame's own length.
        let frame = if kbps == 0 { used as u64 } else { frame_bytes(layer, hz, kbps) };
        let junk = (used as u64).saturating_sub(frame + 1);
        if junk > 0 {
            self.junk(junk, place)?;
        }
        self.frame_bytes += used as u64 - junk;
        match result {
            Ok(info) => self.decoded(&pcm, &info, out)?,
            Err(DecodeError::ReservoirUnavailable(_)) => self.starved(out)?,
            Err(_) => self.damaged("a frame that cannot be decoded", out)?,
        }
        Ok(true)
    }

    fn told(&self) -> Told {
        let Some(coded) = self.tag.frames.map(|f| f.saturating_mul(self.frame_samples)) else {
            return Told { frames: None, bitrate_bps: self.first_bps };
        };
        let rate_hz = self.spec.sample_rate_hz;
        Told {
            frames: Some(coded.saturating_sub(self.tag.start + self.tag.end)),
            bitrate_bps: Some(bitrate_bps(self.song.len() - self.first_at, coded, rate_hz)),
        }
    }

    fn coded(&self) -> (u64, Option<u64>) {
        (self.frame_bytes, Some(self.frames * self.frame_samples))
    }
}

/// Layer, sample rate and kilobits per second of a frame, decoded or not.
fn facts(result: &Result<FrameInfo, DecodeError>) -> (u8, u32, u32) {
    let info = match result {
        Ok(info) => Some(info),
        Err(e) => e.frame_info(),
    };
    info.map_or((3, 0, 0), |i| (i.layer, i.sample_rate, i.bitrate))
}

/// The length of a Layer III frame without its padding: ISO 11172-3, 2.4.3.1, and 13818-3.
fn frame_bytes(layer: u8, hz: u32, kbps: u32) -> u64 {
    let samples_by_8 = if layer == 3 && hz < 32_000 { 72 } else { 144 };
    u64::from(samples_by_8 * kbps) * 1000 / u64::from(hz.max(1))
}

/// The song without ID3 and APE tags at its end.
pub(super) fn without_tags(file: &Section) -> std::io::Result<Section> {
    let mut end = file.len();
    let tail = |end: u64, bytes: u64| file.bytes_at(end.saturating_sub(bytes), bytes as usize);
    if end > 128 && tail(end, 128)?.starts_with(b"TAG") {
        end -= 128;
        if end > 227 && tail(end, 227)?.starts_with(b"TAG+") {
            end -= 227;
        }
    }
    // APEv2: a footer of 32 bytes, which counts itself and the items but not the header.
    if end > 32 {
        let footer = tail(end, 32)?;
        if footer.starts_with(b"APETAGEX") {
            let items =
                u64::from(u32::from_le_bytes([footer[12], footer[13], footer[14], footer[15]]));
            let header = if footer[23] & 0x80 == 0 { 0 } else { 32 };
            let tag = items.max(32) + header;
            end -= if tag < end { tag } else { 32 };
        }
    }
    Ok(file.part(0, end))
}
