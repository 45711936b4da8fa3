//! Songs as they should be.

use crate::{
    support::{fixture, good, sine, tone, wav},
    wrong::find,
};
use tourbus_lofi::{COLUMNS_MAX, Format, Inspection, Tags};

fn tags() -> Tags {
    Tags {
        title: Some("Harbour".into()),
        artist: Some("Tides".into()),
        album: Some("Quay".into()),
        track: Some(3),
        year: Some(2019),
    }
}

/// One second of stereo at 44.1 kHz: the fixtures' tones.
#[track_caller]
fn is_the_tone(found: &Inspection, format: Format) {
    assert_eq!(found.format, format);
    assert_eq!((found.sample_rate_hz, found.channels), (44_100, 2));
    assert_eq!(found.frames, 44_100, "{format}");
    assert_eq!(found.duration_ms, 1000);
    let loudness = found.loudness.unwrap();
    // 0.4 and 0.1 in one channel, 0.4 in the other; lossy formats lose a little.
    assert!((-9.0..-7.4).contains(&loudness), "{format}: {loudness}");
    let peak = found.true_peak_dbtp.unwrap();
    assert!((-6.8..-3.0).contains(&peak), "{format}: {peak}");
    let columns = found.peaks.columns();
    assert_eq!(columns.len(), 44_100_usize.div_ceil(64));
    assert!(columns.iter().all(|(low, high)| low <= high && *low >= -80 && *high <= 80));
}

#[test]
fn flac() {
    let found = good(&fixture("tone.flac"));
    is_the_tone(&found, Format::Flac);
    assert_eq!(found.tags, tags());
}

#[test]
fn ogg_vorbis() {
    let found = good(&fixture("tone.ogg"));
    is_the_tone(&found, Format::Ogg);
    assert_eq!(found.tags, tags());
}

#[test]
fn m4a_with_its_table_at_either_end() {
    for name in ["tone.m4a", "faststart.m4a"] {
        let found = good(&fixture(name));
        is_the_tone(&found, Format::M4a);
        assert_eq!(found.tags, tags());
        assert!((50_000..80_000).contains(&found.bitrate_bps), "{}", found.bitrate_bps);
    }
}

#[test]
fn m4a_as_itunes_notes_its_ends() {
    let mut bytes = fixture("tone.m4a");
    // Without its edit list, the encoder's samples are part of the song.
    let edits = find(&bytes, b"edts");
    bytes[edits..edits + 4].copy_from_slice(b"free");
    let found = good(&bytes).frames;
    assert!((45_000..46_000).contains(&found), "{found}");
    // With a note of iTunes's in the tags, at the end of the file, they are not.
    let text = b"\0\0\0\x01\0\0\0\0 00000000 00000400 000003BC 000000000000AC44 00000000";
    let boxed =
        |kind: &[u8], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes(), kind, body].concat();
    let name = boxed(b"name", b"\0\0\0\0iTunSMPB");
    let mean = boxed(b"mean", b"\0\0\0\0com.apple.iTunes");
    let note = boxed(b"----", &[mean, name, boxed(b"data", text)].concat());
    for kind in [b"moov", b"udta", b"meta", b"ilst"] {
        let at = find(&bytes, kind) - 4;
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&(size + note.len() as u32).to_be_bytes());
    }
    bytes.extend(note);
    is_the_tone(&good(&bytes), Format::M4a);
}

#[test]
fn mp3() {
    let found = good(&fixture("tone.mp3"));
    is_the_tone(&found, Format::Mp3);
    assert_eq!(found.tags, tags());
    assert!((63_000..68_000).contains(&found.bitrate_bps), "{}", found.bitrate_bps);
}

#[test]
fn mp3_of_changing_bitrate_at_half_the_rate() {
    let found = good(&fixture("mono-vbr.mp3"));
    assert_eq!((found.sample_rate_hz, found.channels, found.frames), (22_050, 1, 22_050));
    assert!(found.tags.is_empty());
}

#[test]
fn mp3_of_free_format() {
    let found = good(&fixture("freeformat.mp3"));
    assert_eq!((found.sample_rate_hz, found.channels), (24_000, 2));
    assert!((480..=640).contains(&found.duration_ms), "{}", found.duration_ms);
}

#[test]
fn six_channels() {
    for (name, frames) in [("surround.flac", 7200), ("surround.ogg", 24_000)] {
        let found = good(&fixture(name));
        assert_eq!((found.sample_rate_hz, found.channels), (48_000, 6), "{name}");
        assert_eq!(found.frames, frames, "{name}");
    }
}

#[test]
fn tags_and_junk_around_an_mp3_change_nothing_of_the_song() {
    let plain = fixture("mono-vbr.mp3");
    let before = good(&plain);
    let id3 = [&b"ID3\x04\0\0\0\0\x07\x68"[..], &[0; 1000]].concat();
    let mut ape = vec![b'x'; 100];
    ape.extend(b"APETAGEX\xD0\x07\0\0\x84\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let id3v1 = [&b"TAG"[..], &[b'a'; 125]].concat();
    let twice = [&id3[..], &id3, &plain, &ape, &id3v1].concat();
    let found = good(&twice);
    assert_eq!((found.frames, &found.peaks), (before.frames, &before.peaks));
    // Padding that the tag does not own up to.
    let padded = [&id3[..], &vec![0; 100_000], &plain].concat();
    assert_eq!(good(&padded).frames, before.frames);
    // Junk before the first frame.
    let junk = [&vec![b'?'; 5000][..], &plain];
    assert_eq!(good(&[&b"\x01\x02"[..], &junk.concat()].concat()).frames, before.frames);
}

#[test]
fn an_id3_tag_before_a_flac_is_stepped_over() {
    let id3 = [&b"ID3\x04\0\0\0\0\x07\x68"[..], &[0; 1000]].concat();
    let found = good(&[&id3[..], &fixture("tone.flac")].concat());
    is_the_tone(&found, Format::Flac);
    assert_eq!(found.tags, tags());
}

#[test]
fn a_few_bytes_behind_the_last_frame_take_nothing_of_it() {
    for name in ["tone.mp3", "mono-vbr.mp3"] {
        let clean = fixture(name);
        let whole = good(&clean).frames;
        for behind in [&b"\n"[..], b"garbage\n", &[0; 500], b"\xff", b"\xff\xfb\x90"] {
            let found = good(&[&clean, behind].concat());
            assert_eq!(found.frames, whole, "{name} and {behind:?}");
        }
    }
}

#[test]
fn joined_mp3s_are_one_song() {
    let one = fixture("tone.mp3");
    let found = good(&[&one[..], &one].concat());
    // The second's header is a frame of silence, and its ends are no longer known.
    assert!((1990..=2120).contains(&found.duration_ms), "{}", found.duration_ms);
}

#[test]
fn pictures_are_not_loaded() {
    // A picture of 8 MB in front of the song, in a block of its own.
    let flac = fixture("tone.flac");
    let mut large = flac[..42].to_vec();
    large.extend([&[6, 0x80, 0, 0][..], &vec![0xAB; 0x80_0000], &flac[42..]].concat());
    let found = good(&large);
    is_the_tone(&found, Format::Flac);
    assert!(found.bitrate_bps < 400_000);
}

#[test]
fn silence_is_a_song() {
    let found = good(&wav(44_100, 2, 44_100, |_, _| 0.0));
    assert_eq!((found.loudness, found.true_peak_dbtp), (None, None));
    assert!(found.peaks.columns().iter().all(|c| *c == (0, 0)));
}

#[test]
fn loudness_is_what_the_standard_says() {
    // EBU Tech 3341, case 1: 997 Hz at -23 dBFS in both channels is -23.0 LUFS.
    let level = 10_f64.powf(-23.0 / 20.0);
    let found = good(&wav(48_000, 2, 48_000 * 20, |n, _| level * sine(n, 997.0, 48_000)));
    assert!((found.loudness.unwrap() + 23.0).abs() <= 0.1, "{:?}", found.loudness);
    assert!((found.true_peak_dbtp.unwrap() + 23.0).abs() <= 0.3, "{:?}", found.true_peak_dbtp);
}

#[test]
fn true_peak_sees_between_the_samples() {
    // Fs/4 with a phase of 45 degrees: samples at -3 dB of the true peak. EBU Tech 3341, case 16.
    let found = good(&wav(48_000, 2, 48_000, |n, _| {
        0.5 * (std::f64::consts::FRAC_PI_2 * n as f64 + std::f64::consts::FRAC_PI_4).sin()
    }));
    assert!((found.true_peak_dbtp.unwrap() + 6.0).abs() <= 0.4, "{:?}", found.true_peak_dbtp);
}

#[test]
fn an_inspection_can_be_kept() {
    let found = good(&tone());
    assert!(found.peaks.columns().len() <= COLUMNS_MAX);
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Inspection>(&json).unwrap(), found);
    assert!(json.starts_with(r#"{"format":"wav","duration_ms":1000,"#), "{json}");
}
