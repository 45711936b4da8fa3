//! WAV in all the ways it is written.

use crate::support::{file, good, refused, sine, tone, wav};
use hound::{SampleFormat, WavSpec, WavWriter};
use tourbus_lofi::{Format, Limits, inspect};

fn written(bits: u16, format: SampleFormat, channels: u16, rate: u32) -> Vec<u8> {
    let spec =
        WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..u64::from(rate / 4) {
        for _ in 0..channels {
            let sample = 0.5 * sine(n, 500.0, rate);
            match format {
                SampleFormat::Float => writer.write_sample(sample as f32).unwrap(),
                SampleFormat::Int => {
                    let scale = f64::from(1_u32 << (bits - 1)) - 1.0;
                    writer.write_sample((sample * scale).round() as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn every_width_rate_and_number_of_channels() {
    let widths = [(8, SampleFormat::Int), (16, SampleFormat::Int), (24, SampleFormat::Int)];
    let wide = [(32, SampleFormat::Int), (32, SampleFormat::Float)];
    for (bits, format) in widths.into_iter().chain(wide) {
        for (channels, rate) in [(1, 8000), (2, 44_100), (6, 48_000), (8, 192_000)] {
            let found = good(&written(bits, format, channels, rate));
            let what = format!("{bits} {format:?} {channels} {rate}");
            assert_eq!(found.format, Format::Wav, "{what}");
            assert_eq!(u16::from(found.channels), channels, "{what}");
            assert_eq!((found.sample_rate_hz, found.frames), (rate, u64::from(rate / 4)), "{what}");
            assert_eq!(found.bitrate_bps, u32::from(bits) * u32::from(channels) * rate, "{what}");
            let peak = found.true_peak_dbtp.unwrap();
            assert!((peak + 6.02).abs() < 0.3, "{what}: {peak}");
            assert!(found.peaks.columns().iter().any(|c| c.1 >= 62), "{what}");
        }
    }
}

#[test]
fn floats_that_are_no_numbers_are_silence() {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 44_100,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..44_100_usize {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE];
        writer.write_sample(odd[n % odd.len()]).unwrap();
    }
    writer.finalize().unwrap();
    let found = good(&bytes.into_inner());
    assert!(found.true_peak_dbtp.unwrap().is_finite());
    assert!(found.loudness.is_none_or(f64::is_finite));
}

#[test]
fn a_length_that_is_not_known_yet_is_the_rest_of_the_file() {
    for unknown in [0, u32::MAX] {
        let mut bytes = tone();
        bytes[4..8].copy_from_slice(&unknown.to_le_bytes());
        bytes[40..44].copy_from_slice(&unknown.to_le_bytes());
        assert_eq!(good(&bytes).frames, 44_100);
    }
}

#[test]
fn a_length_beyond_the_file_is_truncation() {
    let mut bytes = tone();
    bytes.truncate(44 + 44_100 * 2);
    let said = refused(&bytes, "truncated");
    assert!(said.contains("promises 0:01.000") && said.contains("only 0:00.500"), "{said}");
    // A little may be missing.
    let mut bytes = tone();
    bytes.truncate(bytes.len() - 1000);
    assert_eq!(good(&bytes).frames, 44_100 - 250);
}

#[test]
fn chunks_before_the_samples_are_stepped_over() {
    let bytes = tone();
    let odd = [&b"LIST\x05\0\0\0abcde\0"[..], b"junk\0\0\0\0"].concat();
    let with = [&bytes[..12], &odd, &bytes[12..]].concat();
    assert_eq!(good(&with).frames, 44_100);
    // A chunk that is longer than the file.
    let lie = [&bytes[..12], b"LIST\xF0\xFF\xFF\xFF", &bytes[12..]].concat();
    refused(&lie, "truncated");
}

#[test]
fn what_is_said_of_a_wav() {
    let codec = |tag: u16, bits: u16| {
        let mut bytes = tone();
        bytes[20..22].copy_from_slice(&tag.to_le_bytes());
        bytes[34..36].copy_from_slice(&bits.to_le_bytes());
        refused(&bytes, "unsupported")
    };
    assert!(codec(2, 4).contains("Microsoft ADPCM"));
    assert!(codec(0x55, 0).contains("MP3"));
    assert!(codec(3, 64).contains("samples of 64 bits"));
    assert!(codec(1, 12).contains("samples of 12 bits"));
    assert!(
        refused(&wav(96_000, 2, 96_000, |_, _| 0.0)[..60], "truncated").contains("only 0:00.000")
    );
    assert!(refused(&wav(384_000, 1, 384_000, |_, _| 0.0), "unsupported").contains("384000 Hz"));
    assert!(refused(&wav(44_100, 9, 44_100, |_, _| 0.0), "unsupported").contains("9 channels"));
    let mut bytes = tone();
    bytes[22..24].copy_from_slice(&[0, 0]);
    refused(&bytes, "corrupt");
}

#[test]
fn too_short_and_too_long() {
    assert!(refused(&wav(44_100, 1, 4400, |_, _| 0.1), "too_short").contains("99 ms"));
    assert_eq!(good(&wav(44_100, 1, 4410, |_, _| 0.1)).duration_ms, 100);
    refused(&wav(44_100, 1, 0, |_, _| 0.1), "too_short");
    let limits = Limits { duration_ms_max: 999, ..Limits::default() };
    let e = inspect(file(&tone()), &limits).unwrap_err();
    assert_eq!(e.code(), "too_long");
    assert!(e.to_string().contains("longer than 0:00.999"), "{e}");
    let limits = Limits { decoded_frames_max: 44_099, ..Limits::default() };
    assert_eq!(inspect(file(&tone()), &limits).unwrap_err().code(), "too_long");
}
