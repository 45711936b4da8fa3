//! Headers that lie.

use crate::{
    mend::mend,
    support::{fixture, good, look, refused, tone},
    wrong::find,
};

#[test]
fn a_flac_of_two_to_the_36_frames() {
    let mut bytes = fixture("tone.flac");
    // STREAMINFO's 36 bits of length.
    bytes[21] |= 0x0F;
    bytes[22..26].fill(0xFF);
    let said = refused(&bytes, "truncated");
    assert!(said.contains("only 0:01.000"), "{said}");
}

#[test]
fn an_id3_tag_larger_than_the_file_is_not_believed() {
    let lie = b"ID3\x04\0\0\x7F\x7F\x7F\x7F";
    let found = good(&[&lie[..], &fixture("mono-vbr.mp3")].concat());
    assert_eq!(found.frames, 22_050);
}

#[test]
fn a_xing_header_that_counts_too_much_or_too_little() {
    let mut bytes = fixture("mono-vbr.mp3");
    let xing = find(&bytes, b"Xing");
    bytes[xing + 8..xing + 12].copy_from_slice(&[0xFF; 4]);
    assert!(refused(&bytes, "truncated").contains("only 0:01.0"));
    // Fewer than there are: all are played.
    bytes[xing + 8..xing + 12].copy_from_slice(&[0, 0, 0, 3]);
    assert_eq!(good(&bytes).frames, 22_050);
}

#[test]
fn an_ogg_whose_last_page_promises_ages() {
    let mut bytes = fixture("tone.ogg");
    let last = bytes.windows(4).rposition(|w| w == b"OggS").unwrap();
    bytes[last + 6..last + 14].copy_from_slice(&(i64::MAX / 2).to_le_bytes());
    mend(&mut bytes);
    refused(&bytes, "truncated");
}

#[test]
fn vorbis_codebooks_of_gigabytes() {
    let bytes = fixture("tone.ogg");
    let setup = find(&bytes, b"\x05vorbis");
    // The first book's dimensions and entries, after the sync word.
    for (at, value) in [(setup + 11, [0xFF, 0xFF]), (setup + 13, [0xFF, 0xFF])] {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&value);
        assert!(look(&bytes).is_err());
    }
}

#[test]
fn m4a_tables_that_lie() {
    let bytes = fixture("faststart.m4a");
    let set = |kind: &[u8], offset: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        let at = find(&bytes, kind) + 4 + offset;
        bytes[at..at + value.len()].copy_from_slice(value);
        look(&bytes)
    };
    let all = &[0xFF; 4][..];
    // More frames than the table of sizes has.
    assert!((44_100..47_000).contains(&set(b"stsz", 8, all).unwrap().frames));
    // All of one size, without end, at one place.
    assert!(set(b"stsz", 4, &[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
    // A frame of gigabytes.
    assert_eq!(set(b"stsz", 12, all).unwrap_err().code(), "corrupt");
    // A first chunk beyond the file.
    assert_eq!(set(b"stco", 8, all).unwrap_err().code(), "truncated");
    // No frames per chunk, or very many.
    assert_eq!(set(b"stsc", 12, &[0; 4]).unwrap_err().code(), "truncated");
    assert_eq!(set(b"stsc", 12, all).unwrap().frames, 44_100);
    // A track of years, and one of no time.
    assert_eq!(set(b"mdhd", 16, all).unwrap().channels, 2);
    assert_eq!(set(b"mdhd", 12, &[0; 4]).unwrap_err().code(), "corrupt");
    // A box that is larger than the file.
    let mut cut = bytes.clone();
    let mdat = find(&cut, b"mdat");
    cut[mdat - 4..mdat].copy_from_slice(all);
    assert_eq!(look(&cut).unwrap().frames, 44_100);
    let mut cut = fixture("tone.m4a");
    let mdat = find(&cut, b"mdat");
    cut[mdat - 4..mdat].copy_from_slice(all);
    assert_eq!(look(&cut).unwrap_err().code(), "truncated");
}

#[test]
fn a_wav_of_four_gigabytes_in_a_small_file() {
    let mut bytes = tone();
    bytes[40..44].copy_from_slice(&0xFFFF_FF00_u32.to_le_bytes());
    assert!(refused(&bytes, "truncated").contains("only 0:01.000"));
}
