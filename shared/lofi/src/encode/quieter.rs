//! Makes an MP3 quieter where it lies, without encoding it again.
//!
//! Each granule's side information holds a gain for all of its samples, in steps of a fourth root of
//! two, 1.5 dB: ISO 11172-3, 2.4.1.7 and 2.4.3.4.7.1. A step less in every one of them makes the whole
//! song quieter by exactly that.

use super::info::{crc16, frame_bytes_of, side_bytes};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// What is read and written at once; the largest frame is a fraction of it.
const WINDOW_BYTES: u64 = 64 << 10;
/// From the start of a granule to its gain, in bits: the length of its data, and its big values.
const BEFORE_GAIN_BITS: usize = 12 + 9;
const GAIN_BITS: usize = 8;
/// A granule's side information of one channel, in bits.
const GRANULE_BITS: [usize; 2] = [59, 63];

/// How many steps make a level, 1 being full scale, no more than full scale.
pub(super) fn steps(level: f64) -> u8 {
    (4.0 * level.log2()).ceil().clamp(0.0, f64::from(u8::MAX)) as u8
}

/// What so many steps multiply a level by.
pub(super) fn factor(steps: u8) -> f64 {
    2_f64.powf(-f64::from(steps) / 4.0)
}

/// Lowers all frames of an MP3 that lie between two bytes. Their new checksum.
pub(super) fn lower(
    file: &mut (impl Read + Write + Seek),
    from: u64,
    to: u64,
    steps: u8,
) -> io::Result<u16> {
    let (mut at, mut crc) = (from, 0);
    let mut window = Vec::new();
    while at < to {
        window.clear();
        file.seek(SeekFrom::Start(at))?;
        Read::by_ref(file).take(WINDOW_BYTES.min(to - at)).read_to_end(&mut window)?;
        let whole = lower_frames(&mut window, steps)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&window[..whole])?;
        crc = crc16(crc, &window[..whole]);
        at += whole as u64;
    }
    Ok(crc)
}

/// Lowers the frames that are all there. How many bytes these are.
fn lower_frames(bytes: &mut [u8], steps: u8) -> io::Result<usize> {
    let mut whole = 0;
    while let Some([a, b, c, d]) = bytes.get(whole..whole + 4) {
        let header = [*a, *b, *c, *d];
        let length = frame_bytes_of(header).ok_or_else(no_frame)?;
        let Some(frame) = bytes.get_mut(whole..whole + length) else { break };
        lower_frame(frame, header, steps)?;
        whole += length;
    }
    if whole == 0 { Err(no_frame()) } else { Ok(whole) }
}

fn lower_frame(frame: &mut [u8], [_, version, _, mode]: [u8; 4], steps: u8) -> io::Result<()> {
    let is_mpeg1 = version >> 3 & 3 == 3;
    let has_checksum = version & 1 == 0;
    let channels = if mode >> 6 == 3 { 1 } else { 2 };
    let side = frame.get_mut(4..4 + side_bytes(is_mpeg1, channels));
    let side = side.filter(|_| !has_checksum).ok_or_else(no_frame)?;
    // Where the data begins, private bits, and in MPEG-1 which scale factors the second granule takes
    // over from the first.
    let (head, granules) = match (is_mpeg1, channels) {
        (true, 1) => (9 + 5 + 4, 2),
        (true, _) => (9 + 3 + 8, 2),
        (false, 1) => (8 + 1, 1),
        (false, _) => (8 + 2, 1),
    };
    for granule in 0..granules * usize::from(channels) {
        let at = head + granule * GRANULE_BITS[usize::from(!is_mpeg1)] + BEFORE_GAIN_BITS;
        let (byte, shift) = (at / 8, 16 - GAIN_BITS - at % 8);
        let pair = u16::from_be_bytes([side[byte], side[byte + 1]]);
        let gain = (pair >> shift) as u8;
        let pair = pair & !(0xFF << shift) | u16::from(gain.saturating_sub(steps)) << shift;
        side[byte..byte + 2].copy_from_slice(&pair.to_be_bytes());
    }
    Ok(())
}

fn no_frame() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what was encoded cannot be made quieter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_reach_full_scale_and_no_further_than_they_must() {
        assert_eq!(steps(0.0), 0);
        assert_eq!(steps(1.0), 0);
        for level in [1.0001, 1.1, 1.19, 1.5, 2.0, 7.9] {
            let n = steps(level);
            assert!(level * factor(n) <= 1.0 && level * factor(n - 1) > 1.0, "{level}: {n}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert!(lower(&mut io::Cursor::new(vec![7; 1000]), 0, 1000, 1).is_err());
        // A frame that is cut off.
        let mut cut = vec![0; 100];
        cut[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x44]);
        assert!(lower(&mut io::Cursor::new(cut), 0, 100, 1).is_err());
    }
}
