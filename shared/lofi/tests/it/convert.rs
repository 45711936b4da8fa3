//! Small versions.

use crate::support::{file, fixture, sine, tone, wav};
use std::{fs::File, io::Seek, ops::ControlFlow};
use tourbus_lofi::{
    ConvertError, Converted, Encoding, Excerpt, Format, Inspection, Limits, Made, Profile, Tags,
    convert, inspect, verify,
};

pub fn go_on(_: f32) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The small version of `song`, checked, and what is in its file.
#[track_caller]
pub fn made(song: &[u8], profile: &Profile) -> (Converted, Vec<u8>, Inspection) {
    let mut output = tempfile::tempfile().unwrap();
    let limits = Limits::default();
    let converted = convert(file(song), &mut output, profile, &limits, &mut go_on).unwrap();
    assert_eq!(converted.bytes, output.metadata().unwrap().len());
    verify(rewound(&mut output), converted.frames, &limits).unwrap();
    let small = inspect(rewound(&mut output), &limits).unwrap();
    assert_eq!(small.format, converted.format);
    assert_eq!(small.sample_rate_hz, converted.sample_rate_hz);
    assert_eq!(small.channels, converted.channels);
    // The song was inspected meanwhile.
    assert_eq!(converted.song, inspect(file(song), &limits).unwrap());
    let peak = converted.true_peak_dbtp.unwrap_or(-99.0);
    let is_copy = converted.made == Made::Copied;
    assert!(is_copy || peak <= 0.0, "{peak}");
    // What is measured meanwhile has the encoder's own samples at both ends as well.
    let over = peak - small.true_peak_dbtp.unwrap_or(-99.0);
    assert!((-0.1..1.0).contains(&over), "{peak} {:?}", small.true_peak_dbtp);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut output, &mut bytes).unwrap();
    (converted, bytes, small)
}

fn rewound(file: &mut File) -> File {
    file.rewind().unwrap();
    file.try_clone().unwrap()
}

pub fn wav_profile(channels_max: u8, sample_rate_hz_max: u32) -> Profile {
    Profile {
        name: "wav".into(),
        encoding: Encoding::Wav {},
        channels_max,
        sample_rate_hz_max,
        excerpt: None,
    }
}

#[test]
fn classic_standard_preview() {
    let song = wav(48_000, 2, 48_000 * 3, |n, c| 0.4 * sine(n, 440.0 + f64::from(c), 48_000));
    for (profile, rate, channels, bps) in [
        (Profile::classic(), 22_050, 1, 32_000),
        (Profile::standard(), 44_100, 2, 64_000),
        (Profile::preview(), 44_100, 2, 128_000),
    ] {
        let (converted, bytes, small) = made(&song, &profile);
        assert_eq!((converted.made, converted.format), (Made::Encoded, Format::Mp3));
        assert_eq!((converted.sample_rate_hz, converted.channels), (rate, channels));
        assert_eq!(converted.bitrate_bps, bps);
        // To the sample: without what the encoder added at either end.
        assert_eq!(converted.frames, u64::from(rate) * 3);
        assert_eq!(small.duration_ms, 3000);
        assert!(small.bitrate_bps.abs_diff(bps) < bps / 50, "{}", small.bitrate_bps);
        assert!(bytes.len() < bps as usize / 8 * 34 / 10, "{}", bytes.len());
        assert!((converted.gain_db).abs() < 1e-9);
        let louder = small.loudness.unwrap() - converted.song.loudness.unwrap();
        // The mean of two channels that differ a little is a little quieter.
        let allowed = if channels == 1 { -10.0..0.5 } else { -0.7..0.5 };
        assert!(profile.excerpt.is_some() || allowed.contains(&louder), "{louder}");
    }
}

#[test]
fn every_length_comes_back_to_the_sample() {
    for frames in (4410..4410 + 1152 * 2).step_by(97).chain([44_100, 44_101]) {
        let song = wav(44_100, 1, frames, |n, _| 0.4 * sine(n, 440.0, 44_100));
        for profile in [Profile::standard(), Profile::classic()] {
            let (converted, ..) = made(&song, &profile);
            let rate = u64::from(converted.sample_rate_hz);
            assert_eq!(converted.frames, (frames * rate + 22_050) / 44_100, "{frames}");
        }
    }
}

#[test]
fn every_rate_bitrate_and_number_of_channels() {
    for rate in [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
        for channels in [1, 2, 6, 8] {
            let song = wav(rate, channels, u64::from(rate) / 2, |n, _| 0.3 * sine(n, 300.0, rate));
            for profile in [Profile::standard(), Profile::classic()] {
                let (converted, ..) = made(&song, &profile);
                assert!(converted.sample_rate_hz <= rate.min(profile.sample_rate_hz_max));
                assert!(converted.channels <= profile.channels_max.min(channels as u8));
                let ms = converted.frames * 1000 / u64::from(converted.sample_rate_hz);
                assert!((499..=500).contains(&ms), "{ms}");
            }
        }
    }
}

#[test]
fn the_song_is_where_it_was() {
    // A click in the middle of silence.
    let song = wav(44_100, 2, 44_100, |n, _| if (22_050..22_060).contains(&n) { 0.7 } else { 0.0 });
    for name in ["standard", "classic"] {
        let (_, bytes, _) = made(&song, &Profile::named(name).unwrap());
        let (converted, samples, _) = made(&bytes, &wav_profile(2, 44_100));
        let channels = usize::from(converted.channels);
        let samples: Vec<i32> = samples[44..]
            .chunks_exact(2 * channels)
            .map(|s| i32::from(i16::from_le_bytes([s[0], s[1]])).abs())
            .collect();
        let loudest = (0..samples.len()).max_by_key(|n| samples[*n]).unwrap() as f64;
        let at = loudest / f64::from(converted.sample_rate_hz);
        assert!((at - 0.5).abs() < 0.0005, "{name}: {at}");
    }
}

#[test]
fn tags_come_along_and_pictures_do_not() {
    let tags = Tags {
        title: Some("Harbour".into()),
        artist: Some("Tides".into()),
        album: Some("Quay".into()),
        track: Some(3),
        year: Some(2019),
    };
    for name in ["tone.flac", "tone.ogg", "tone.m4a"] {
        let (converted, bytes, small) = made(&fixture(name), &Profile::standard());
        assert_eq!(converted.song.tags, tags, "{name}");
        assert_eq!(small.tags, tags, "{name}");
        assert!(bytes.starts_with(b"ID3\x03\0"), "{name}");
    }
    // No tags, no tag.
    let (_, bytes, _) = made(&tone(), &Profile::standard());
    assert!(bytes.starts_with(&[0xFF, 0xFB]));
}

#[test]
fn a_small_mp3_is_copied() {
    let song = fixture("tone.mp3");
    let (converted, bytes, small) = made(&song, &Profile::standard());
    assert_eq!(converted.made, Made::Copied);
    assert_eq!((small.frames, &small.tags), (44_100, &converted.song.tags));
    assert_eq!(small.peaks, converted.song.peaks);
    // Its frames are the same bytes.
    let frames = crate::wrong::find(&song, &[0xFF, 0xFB]);
    let end = song.len() - 128;
    assert!(song[end..].starts_with(b"TAG"));
    assert!(bytes.ends_with(&song[frames..end]));
    assert!(bytes.starts_with(b"ID3\x03\0"));
    // A larger one is not, and an excerpt never is.
    let (converted, ..) = made(&song, &Profile::classic());
    assert_eq!((converted.made, converted.bitrate_bps), (Made::Encoded, 32_000));
    let (converted, ..) = made(&song, &Profile::preview());
    assert_eq!((converted.made, converted.bitrate_bps), (Made::Encoded, 64_000));
}

#[test]
fn a_lossy_song_gets_no_more_than_it_has() {
    // 57 kbit/s by its file.
    let (converted, ..) = made(&fixture("tone.ogg"), &Profile::standard());
    assert_eq!(converted.bitrate_bps, 48_000);
    let (converted, ..) = made(&fixture("mono-vbr.mp3"), &Profile::preview());
    assert!(converted.bitrate_bps <= 16_000, "{}", converted.bitrate_bps);
}

#[test]
fn what_is_too_loud_is_made_quieter_by_as_much() {
    // A square wave at full scale: filters and encoders overshoot.
    let square = |n: u64| if (n / 50).is_multiple_of(2) { 0.999 } else { -0.999 };
    let song = wav(48_000, 2, 48_000, |n, _| square(n));
    for profile in [Profile::classic(), Profile::standard(), wav_profile(2, 44_100)] {
        let (converted, ..) = made(&song, &profile);
        assert!((-6.0..-0.2).contains(&converted.gain_db), "{converted:?}");
        assert!(converted.true_peak_dbtp.unwrap() > -2.0, "{:?}", converted.true_peak_dbtp);
    }
    // Six channels at once.
    let song = wav(44_100, 6, 44_100, |n, _| 0.9 * sine(n, 440.0, 44_100));
    let (converted, ..) = made(&song, &Profile::standard());
    assert!((-9.0..-5.0).contains(&converted.gain_db), "{}", converted.gain_db);
}

#[test]
fn every_kind_of_mp3_can_be_made_quieter() {
    let square = |n: u64| if (n / 20).is_multiple_of(2) { 0.999 } else { -0.999 };
    for rate in [44_100, 22_050, 8000] {
        for channels in [1, 2] {
            // Channels that differ, and a tone that does not fall into both alike.
            let song = wav(rate, channels, u64::from(rate), |n, c| square(n + 7 * u64::from(c)));
            let encoding = Encoding::Mp3 { bitrate_bps_max: 64_000 };
            let profile = Profile { encoding, sample_rate_hz_max: rate, ..Profile::standard() };
            // What was told is compared with what the file decodes to.
            let (converted, ..) = made(&song, &profile);
            let steps = -converted.gain_db / (20.0 * 2_f64.powf(0.25).log10());
            assert!(steps > 0.5 && (steps - steps.round()).abs() < 1e-9, "{rate} {channels}");
        }
    }
}

#[test]
fn noise_from_damage_makes_no_song_inaudible() {
    const LOUD_DBTP: f64 = 12.0;
    let mut random = 1_u64;
    let mut byte = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 56) as u8
    };
    let noise: Vec<f64> = (0..44_100).map(|_| f64::from(byte()) / 1024.0 - 0.125).collect();
    let song = wav(44_100, 2, 44_100 * 4, |n, _| noise[n as usize % noise.len()]);
    let encoding = Encoding::Mp3 { bitrate_bps_max: 192_000 };
    let (_, whole, small) = made(&song, &Profile { encoding, ..Profile::standard() });
    let was = small.loudness.unwrap();
    let damaged = (0..1000).map(|n| {
        let mut mp3 = whole.clone();
        mp3[1000 + n * 17..][..400].fill_with(&mut byte);
        mp3
    });
    let is_loud = |mp3: &Vec<u8>| {
        inspect(file(mp3), &Limits::default())
            .is_ok_and(|song| song.true_peak_dbtp.is_some_and(|peak| peak > LOUD_DBTP))
    };
    let loud: Vec<_> = damaged.filter(is_loud).take(2).collect();
    assert!(!loud.is_empty(), "no damage decodes to anything far above full scale");
    for mp3 in loud {
        let (converted, _, small) = made(&mp3, &Profile::standard());
        let now = small.loudness.unwrap();
        assert!((now - was).abs() < 6.0, "{now} of {was} LUFS: {} dB", converted.gain_db);
    }
}

#[test]
fn an_excerpt_is_the_middle_and_fades() {
    // Silence, a tone of four seconds, silence.
    let song = wav(44_100, 1, 44_100 * 10, |n, _| {
        if (3 * 44_100..7 * 44_100).contains(&n) { 0.5 * sine(n, 440.0, 44_100) } else { 0.0 }
    });
    let excerpt = Some(Excerpt { duration_ms: 4000, fade_ms: 1000 });
    let profile = Profile { name: "cut".into(), excerpt, ..Profile::standard() };
    let (converted, _, small) = made(&song, &profile);
    assert_eq!(converted.frames, 44_100 * 4);
    assert_eq!(converted.song.duration_ms, 10_000);
    let heights: Vec<i8> = small.peaks.overview(8).iter().map(|c| c.1).collect();
    assert!(heights[0] < 40 && heights[7] < 40, "{heights:?}");
    assert!(heights[2..6].iter().all(|h| (58..70).contains(h)), "{heights:?}");
}

#[test]
fn an_excerpt_of_a_song_of_unknown_length() {
    // An MP3 without a header: its length is known when it has been decoded.
    let bytes = fixture("mono-vbr.mp3");
    let (converted, first, _) = made(&bytes, &Profile::preview());
    assert_eq!(converted.frames, 22_050);
    // Without the info frame, which is of 64 kbit/s: 208 bytes.
    let plain = &first[crate::wrong::find(&first, b"Info") - 13 + 208..];
    let excerpt = Some(Excerpt { duration_ms: 1000, fade_ms: 0 });
    let profile = Profile { name: "cut".into(), excerpt, ..Profile::classic() };
    let (converted, ..) = made(plain, &profile);
    assert_eq!(converted.frames, 22_050);
    assert!(converted.song.frames > 22_050);
}

#[test]
fn progress_is_told_and_can_stop() {
    let song = wav(44_100, 2, 44_100 * 20, |n, _| 0.5 * sine(n, 440.0, 44_100));
    let mut told = Vec::new();
    let mut output = tempfile::tempfile().unwrap();
    let limits = Limits::default();
    let mut tell = |done| {
        told.push(done);
        ControlFlow::Continue(())
    };
    convert(file(&song), &mut output, &Profile::standard(), &limits, &mut tell).unwrap();
    assert!(told.len() > 20 && told.is_sorted(), "{}", told.len());
    assert!(told[0] < 0.1 && told.last() == Some(&1.0), "{told:?}");
    // The reader of tags looks at a song's end as well, and some have their index there. The last is
    // long enough for its decoder to read on.
    let encoding = Encoding::Mp3 { bitrate_bps_max: 320_000 };
    let (_, mp3, _) = made(&song, &Profile { encoding, ..Profile::standard() });
    for (song, far) in [(mp3, 0.3), (fixture("tone.m4a"), 1.0)] {
        let mut told = Vec::new();
        let mut tell = |done| {
            told.push(done);
            ControlFlow::Continue(())
        };
        convert(file(&song), &mut output, &Profile::standard(), &limits, &mut tell).unwrap();
        let first = told[0];
        assert!(told.is_sorted() && first < far && told.last() == Some(&1.0), "{told:?}");
    }
    let mut stop =
        |done| if done > 0.3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let e = convert(file(&song), output, &Profile::standard(), &limits, &mut stop).unwrap_err();
    assert_eq!(e.code(), "stopped");
}

#[test]
fn what_is_wrong_is_said() {
    let limits = Limits::default();
    let output = || tempfile::tempfile().unwrap();
    let bad = Profile { channels_max: 7, ..Profile::standard() };
    let e = convert(file(&tone()), output(), &bad, &limits, &mut go_on).unwrap_err();
    assert_eq!((e.code(), matches!(e, ConvertError::Profile(_))), ("profile", true));
    let e = convert(file(b"PK\x03\x04"), output(), &Profile::standard(), &limits, &mut go_on);
    assert_eq!(e.unwrap_err().code(), "not_audio");
    let cut = &fixture("tone.flac")[..20_000];
    let e = convert(file(cut), output(), &Profile::standard(), &limits, &mut go_on);
    assert_eq!(e.unwrap_err().code(), "truncated");
    // A file that is open for reading only.
    let full = File::open("/dev/null").unwrap();
    let e = convert(file(&tone()), full, &Profile::standard(), &limits, &mut go_on).unwrap_err();
    assert_eq!(e.code(), "unwritable");
}

#[test]
fn a_small_version_that_is_not_whole_is_found_out() {
    let (converted, bytes, _) = made(&tone(), &Profile::standard());
    let limits = Limits::default();
    let e = verify(file(&bytes), converted.frames + 1, &limits).unwrap_err();
    assert!(e.to_string().contains("44100 frames, not 44101"), "{e}");
    let e = verify(file(&bytes[..bytes.len() / 2]), converted.frames, &limits).unwrap_err();
    assert!(e.to_string().contains("frames, not 44100"), "{e}");
}

#[test]
fn wav_can_be_made() {
    let (converted, bytes, small) = made(&fixture("surround.flac"), &wav_profile(2, 44_100));
    assert_eq!((converted.format, converted.channels), (Format::Wav, 2));
    assert_eq!(converted.bitrate_bps, 44_100 * 2 * 16);
    assert_eq!(small.bitrate_bps, 44_100 * 2 * 16);
    assert_eq!(bytes.len() as u64, 44 + converted.frames * 4);
    // The same rate and channels: the same samples.
    let song = tone();
    let (_, bytes, _) = made(&song, &wav_profile(2, 48_000));
    assert_eq!(bytes, song);
}

#[test]
fn a_conversion_can_be_kept() {
    let (converted, ..) = made(&tone(), &Profile::standard());
    let json = serde_json::to_string(&converted).unwrap();
    assert_eq!(serde_json::from_str::<Converted>(&json).unwrap(), converted);
    assert!(json.starts_with(r#"{"made":"encoded","format":"mp3","#), "{json}");
}
