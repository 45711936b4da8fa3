//! The first frame of an MP3: no sound, but how many frames follow, and how many samples at both
//! ends are the encoder's own. Players need it to show the length, to seek, and to play without
//! gaps. LAME writes one only if it fits into a frame of the song's own bitrate, which at 32
//! kbit/s it does not.
//!
//! The layout is Xing's, with LAME's extension: gabriel.mp3-tech.org/mp3infotag.html.

use crate::{decode::Spec, profile};

/// From the start of Xing's part to the end of LAME's.
const TAG_BYTES: usize = 156;
/// Frames, bytes, table of contents, quality.
const FLAGS: u32 = 0x0F;
const ENCODER: &[u8; 9] = b"LAME3.100";
/// Method of bitrate: constant.
const METHOD_CBR: u8 = 1;

/// The bitrates that a header can name, in kilobits per second, by its four bits: MPEG-1 Layer III,
/// then MPEG-2 and 2.5.
const BITRATES_KBPS: [[u32; 14]; 2] = [
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// What MPEG makes of a sample rate.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// The two bits of the header.
    bits: u8,
    is_mpeg1: bool,
    rate_bits: u8,
}

impl Version {
    fn of(sample_rate_hz: u32) -> Self {
        let place = profile::MP3_SAMPLE_RATES_HZ.iter().position(|r| *r == sample_rate_hz);
        let place = place.unwrap_or(1);
        // Three rates of each version, the middle one first in MPEG's order.
        let rate_bits = [1, 0, 2][place % 3];
        let bits = [3, 2, 0][place / 3];
        Self { bits, is_mpeg1: place < 3, rate_bits }
    }
}

/// Samples per channel of a frame.
pub(super) fn frame_samples(sample_rate_hz: u32) -> u64 {
    if Version::of(sample_rate_hz).is_mpeg1 { 1152 } else { 576 }
}

/// The length of a frame without its padding.
fn frame_bytes(sample_rate_hz: u32, kbps: u32) -> usize {
    (frame_samples(sample_rate_hz) as u32 / 8 * kbps * 1000 / sample_rate_hz) as usize
}

/// What a header says about the length of its frame. `None` if it is no Layer III header.
pub(crate) fn frame_bytes_of(header: [u8; 4]) -> Option<usize> {
    let [sync, version, rates, _] = header;
    if sync != 0xFF || version & 0xE6 != 0xE2 {
        return None;
    }
    let place = match version >> 3 & 3 {
        3 => 0,
        2 => 3,
        0 => 6,
        _ => return None,
    };
    let row = usize::from(place > 0);
    let kbps = BITRATES_KBPS[row].get(usize::from(rates >> 4).checked_sub(1)?)?;
    let rate_place = [1, 0, 2].get(usize::from(rates >> 2 & 3))?;
    let rate = profile::MP3_SAMPLE_RATES_HZ[place + rate_place];
    Some(frame_bytes(rate, *kbps) + usize::from(rates >> 1 & 1))
}

/// The side information between a frame's header and its data: ISO 11172-3, 2.4.1.7.
pub(super) const fn side_bytes(is_mpeg1: bool, channels: u8) -> usize {
    match (is_mpeg1, channels) {
        (true, 1) => 17,
        (true, _) => 32,
        (false, 1) => 9,
        (false, _) => 17,
    }
}

/// What the frame tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// Frames after it.
    pub(super) frames: u64,
    /// Bytes of all frames, with this one.
    pub(super) bytes: u64,
    /// Samples per channel before the song.
    pub(super) delay: u64,
    /// Samples per channel after it.
    pub(super) padding: u64,
    /// The greatest sample, 1 being full scale.
    pub(super) peak: f32,
    /// The checksum of the frames after it.
    pub(super) music_crc: u16,
}

/// An info frame for such samples at such a bitrate. It is always as long, whatever it tells.
pub(super) fn frame(spec: Spec, bitrate_bps: u32, facts: &Facts) -> Vec<u8> {
    let version = Version::of(spec.sample_rate_hz);
    let tag_at = 4 + side_bytes(version.is_mpeg1, spec.channels);
    let rates = BITRATES_KBPS[usize::from(!version.is_mpeg1)];
    let fits = |kbps: &u32| frame_bytes(spec.sample_rate_hz, *kbps) >= tag_at + TAG_BYTES;
    // The bitrate of the song, or the first one above that has room.
    let index = rates.iter().position(|k| *k * 1000 >= bitrate_bps && fits(k)).unwrap_or(13);
    let mut frame = vec![0; frame_bytes(spec.sample_rate_hz, rates[index])];
    // Layer III, no checksum; original; joint stereo or mono.
    let mode = if spec.channels == 1 { 3 } else { 1 };
    let rate_bits = (index as u8 + 1) << 4 | version.rate_bits << 2;
    frame[..4].copy_from_slice(&[0xFF, 0xE3 | version.bits << 3, rate_bits, mode << 6 | 4]);
    let tag = tag(bitrate_bps, facts);
    frame[tag_at..tag_at + tag.len()].copy_from_slice(&tag);
    // The last field is a checksum of all before it.
    let crc_at = tag_at + TAG_BYTES - 2;
    let crc = crc16(0, &frame[..crc_at]).to_be_bytes();
    frame[crc_at..crc_at + 2].copy_from_slice(&crc);
    frame
}

fn tag(bitrate_bps: u32, facts: &Facts) -> Vec<u8> {
    let bytes = u32::try_from(facts.bytes).unwrap_or(u32::MAX);
    let mut tag = Vec::with_capacity(TAG_BYTES);
    tag.extend(b"Info");
    tag.extend(FLAGS.to_be_bytes());
    tag.extend(u32::try_from(facts.frames).unwrap_or(u32::MAX).to_be_bytes());
    tag.extend(bytes.to_be_bytes());
    // At a constant bitrate, n hundredths of the song are n hundredths of the file.
    tag.extend((0..100_u32).map(|n| (n * 256 / 100) as u8));
    tag.extend([0; 4]);
    tag.extend(ENCODER);
    // Revision of the tag, and lowpass: not told.
    tag.extend([METHOD_CBR, 0]);
    tag.extend(facts.peak.to_be_bytes());
    // Replay gain: not told; the inspection has the song's loudness.
    tag.extend([0; 4]);
    tag.push(0);
    tag.push(u8::try_from(bitrate_bps / 1000).unwrap_or(u8::MAX));
    let (delay, padding) = (facts.delay.min(0xFFF) as u32, facts.padding.min(0xFFF) as u32);
    tag.extend(&(delay << 12 | padding).to_be_bytes()[1..]);
    // Noise shaping, gain, preset: not told.
    tag.extend([0; 4]);
    tag.extend(bytes.to_be_bytes());
    tag.extend(facts.music_crc.to_be_bytes());
    tag
}

/// CRC-16/ARC, going on from `crc`.
pub(super) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(crc, |crc, byte| CRC16[usize::from((crc ^ u16::from(*byte)) & 0xFF)] ^ crc >> 8)
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = (n as u16, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_arc() {
        assert_eq!(crc16(0, b"123456789"), 0xBB3D);
        assert_eq!(crc16(crc16(0, b"1234"), b"56789"), 0xBB3D);
    }

    #[test]
    fn a_frame_is_as_long_as_its_header_says_and_is_read_as_it_was_meant() {
        let facts =
            Facts { frames: 77, bytes: 9999, delay: 576, padding: 1234, ..Facts::default() };
        for sample_rate_hz in profile::MP3_SAMPLE_RATES_HZ {
            for channels in [1, 2] {
                for bitrate_bps in profile::bitrates(sample_rate_hz) {
                    let spec = Spec { sample_rate_hz, channels };
                    let frame = frame(spec, *bitrate_bps, &facts);
                    let header = frame[..4].try_into().unwrap();
                    assert_eq!(frame_bytes_of(header), Some(frame.len()), "{spec:?}");
                    let read = nanomp3::VbrTag::parse(&frame).unwrap();
                    assert_eq!(read.frames, Some(77), "{spec:?} {bitrate_bps}");
                    assert_eq!(read.encoder_delay_padding, Some((576, 1234)), "{spec:?}");
                }
            }
        }
    }
}
