//! Checksums that fit again after a change: without them, nearly all that is changed in an Ogg or a
//! FLAC file ends at the first page or frame.

/// Puts right the checksums of an Ogg or a FLAC file, as far as its parts can be told apart.
pub fn mend(bytes: &mut [u8]) {
    let head = &bytes[..bytes.len().min(4096)];
    if find(head, b"OggS").is_some() {
        ogg(bytes);
    } else if find(head, b"fLaC").is_some() {
        flac(bytes);
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|w| w == mark)
}

/// Every page: RFC 3533, 6.
fn ogg(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = find(&bytes[at..], b"OggS") {
        at += next;
        let Some(&segments) = bytes.get(at + 26) else { return };
        let Some(table) = bytes.get(at + 27..at + 27 + usize::from(segments)) else { return };
        let body: usize = table.iter().map(|&n| usize::from(n)).sum();
        let Some(page) = bytes.get_mut(at..at + 27 + table.len() + body) else { return };
        page[22..26].fill(0);
        let sum = crc(page, 32, 0x04C1_1DB7).to_le_bytes();
        page[22..26].copy_from_slice(&sum);
        at += page.len();
    }
}

/// Every frame, from one mark of a frame to the next: RFC 9639, 9.1 and 9.3.
fn flac(bytes: &mut [u8]) {
    let marks = bytes.windows(2).enumerate();
    let mut marks: Vec<usize> =
        marks.filter(|(_, w)| w[0] == 0xFF && w[1] & 0xFE == 0xF8).map(|(at, _)| at).collect();
    // What looks like a mark inside of a frame has no header behind it, mostly.
    marks.retain(|&at| header_bytes(&bytes[at..]).is_some());
    for (n, &at) in marks.iter().enumerate() {
        let end = marks.get(n + 1).copied().unwrap_or(bytes.len());
        let frame = &mut bytes[at..end];
        let Some(header) = header_bytes(frame).filter(|h| h + 3 < frame.len()) else { continue };
        frame[header] = crc(&frame[..header], 8, 0x07) as u8;
        let footer = frame.len() - 2;
        let sum = (crc(&frame[..footer], 16, 0x8005) as u16).to_be_bytes();
        frame[footer..].copy_from_slice(&sum);
    }
}

/// The bytes of a frame's header before its checksum; `None` if it cannot be one.
fn header_bytes(frame: &[u8]) -> Option<usize> {
    let (sizes, kind, number) = (*frame.get(2)?, *frame.get(3)?, *frame.get(4)?);
    if sizes >> 4 == 0 || sizes & 0xF == 0xF || kind >> 4 > 10 || kind & 1 != 0 {
        return None;
    }
    let number = match number.leading_ones() {
        0 => 1,
        n @ 2..=7 => n as usize,
        _ => return None,
    };
    let block = match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match sizes & 0xF {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    Some(4 + number + block + rate)
}

/// A checksum of so many bits, the highest first, from zero.
fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let (mut sum, polynomial) = (0_u32, polynomial << (32 - bits));
    for &byte in bytes {
        sum ^= u32::from(byte) << 24;
        for _ in 0..8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ polynomial } else { sum << 1 };
        }
    }
    sum >> (32 - bits)
}

#[cfg(test)]
mod tests {
    use super::mend;

    /// What is right stays, and what was broken becomes it.
    #[track_caller]
    fn is_mended(song: &[u8], breaks: &[usize]) {
        let mut mended = song.to_vec();
        mend(&mut mended);
        assert!(mended == song, "it was right");
        for &at in breaks {
            mended[at] ^= 0x55;
        }
        mend(&mut mended);
        assert!(mended == song, "it is not mended");
    }

    #[test]
    fn ogg() {
        is_mended(include_bytes!("../../shared/lofi/tests/fixtures/tone.ogg"), &[22, 25]);
    }

    #[test]
    fn flac() {
        let song = include_bytes!("../../shared/lofi/tests/fixtures/tone.flac");
        is_mended(song, &[song.len() - 1, song.len() - 2]);
    }
}
