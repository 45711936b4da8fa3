//! Files that are no songs, or not ours.

use crate::support::{fixture, refused};

#[test]
fn other_things_are_named() {
    let png = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0; 100]].concat();
    assert!(refused(&png, "not_audio").starts_with("This is a PNG image, not a song."));
    let named = [
        (&b"\xFF\xD8\xFF\xE0\0\x10JFIF"[..], "a JPEG image"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"\n  <HTML>\n<head>", "an HTML page"),
        (b"<?xml version=\"1.0\"?><rss/>", "an XML document"),
        (b"{\"error\": \"not found\"}", "a JSON document"),
        (b"#EXTM3U\nsong.mp3\n", "a playlist"),
        ("Lyrics: la la lä".as_bytes(), "a text"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP image"),
        (b"RIFF\x10\0\0\0AVI LIST", "an AVI video"),
        (b"\x1A\x45\xDF\xA3\x01\0\0\0", "a Matroska or WebM file"),
        (b"", "an empty file"),
    ];
    for (bytes, name) in named {
        let said = refused(bytes, "not_audio");
        assert!(said.contains(name), "{said}");
    }
    // Noise.
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..300_000).map(|_| byte()).collect();
    assert!(refused(&noise, "not_audio").contains("a file of no known kind"));
}

#[test]
fn audio_that_is_not_taken_is_named() {
    for (name, what) in [
        ("alac.m4a", "Apple Lossless (ALAC) in an M4A file"),
        ("opus.ogg", "Opus audio in an Ogg file"),
        ("adpcm.wav", "IMA ADPCM"),
        ("fragmented.m4a", "in fragments"),
    ] {
        let said = refused(&fixture(name), "unsupported");
        assert!(said.contains(what), "{said}");
        assert!(said.contains("Save the song as FLAC or MP3"), "{said}");
    }
    for (bytes, what) in [
        (&b"FORM\0\0\0\x10AIFFCOMM"[..], "an AIFF file"),
        (b"wvpk\0\0\0\0", "a WavPack file"),
        (b"\xFF\xF1\x50\x80\0\x1F\xFC\x21", "bare AAC"),
        (b"MThd\0\0\0\x06\0\0\0\x01", "a MIDI file"),
        (b"RF64\xFF\xFF\xFF\xFFWAVE", "more than 4 GB"),
    ] {
        let said = refused(bytes, "unsupported");
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn he_aac_is_named() {
    // The object type in the decoder's configuration: 2 (LC) becomes 5 (SBR).
    let mut bytes = fixture("tone.m4a");
    let config = find(&bytes, &[0x12, 0x10]);
    bytes[config] = 0x2A;
    assert!(refused(&bytes, "unsupported").contains("HE-AAC in an M4A file"));
    // Or it is not named, but the track goes at twice the rate: 88.2 kHz.
    let mut bytes = fixture("tone.m4a");
    let scale = find(&bytes, b"mdhd") + 16;
    bytes[scale..scale + 4].copy_from_slice(&88_200_u32.to_be_bytes());
    assert!(refused(&bytes, "unsupported").contains("HE-AAC in an M4A file"));
}

pub fn find(within: &[u8], what: &[u8]) -> usize {
    within.windows(what.len()).position(|w| w == what).unwrap()
}

#[test]
fn half_a_song_is_truncated() {
    for name in ["tone.flac", "tone.ogg", "tone.m4a", "faststart.m4a", "tone.mp3", "mono-vbr.mp3"] {
        let bytes = fixture(name);
        let said = refused(&bytes[..bytes.len() * 6 / 10], "truncated");
        assert!(said.starts_with("The file ends too early: it promises"), "{said}");
        assert!(said.contains("upload it again"), "{said}");
    }
}

#[test]
fn a_flac_that_sounds_otherwise_than_it_was_made_is_corrupt() {
    let mut bytes = fixture("tone.flac");
    // In the checksum that the encoder took: the header's last 16 bytes.
    bytes[30] ^= 1;
    assert!(refused(&bytes, "corrupt").contains("checksum"));
    // No checksum is no fault.
    bytes[26..42].fill(0);
    assert_eq!(crate::support::good(&bytes).frames, 44_100);
}

#[test]
fn damage_is_found_and_placed() {
    // A hole of a third of the song in its middle.
    for name in ["tone.flac", "tone.ogg", "tone.m4a", "tone.mp3"] {
        let mut bytes = fixture(name);
        let third = bytes.len() / 3;
        bytes[third..2 * third].fill(0x55);
        let e = crate::support::look(&bytes).unwrap_err();
        assert!(["corrupt", "truncated"].contains(&e.code()), "{name}: {} {e}", e.code());
        if e.code() == "corrupt" {
            assert!(e.to_string().contains("damaged at"), "{e}");
        }
    }
    let mut bytes = fixture("tone.mp3");
    let third = bytes.len() / 3;
    bytes[third..2 * third].fill(0x55);
    let said = refused(&bytes, "corrupt");
    assert!(said.contains("damaged at 0:00.268 (byte 2816)"), "{said}");
}
