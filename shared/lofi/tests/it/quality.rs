//! Whether it is good to hear: nothing folds back, nothing is cut off, an album has no gaps.

use crate::{
    convert::{go_on, made, wav_profile},
    support::{file, wav},
};
use std::{f64::consts::TAU, io::Seek};
use tourbus_lofi::{Limits, Profile, convert};

const RATE_HZ: u32 = 44_100;

/// A song of one channel, of 16 bits.
fn song_of(samples: &[f64]) -> Vec<u8> {
    wav(RATE_HZ, 1, samples.len() as u64, |n, _| samples[n as usize])
}

/// What a song sounds like: its samples, at a sample rate of at most `rate_hz`.
fn heard(song: &[u8], rate_hz: u32) -> Vec<f64> {
    let mut output = tempfile::tempfile().unwrap();
    let profile = wav_profile(1, rate_hz);
    convert(file(song), &mut output, &profile, &Limits::default(), &mut go_on).unwrap();
    output.rewind().unwrap();
    let mut reader = hound::WavReader::new(output).unwrap();
    reader.samples::<i16>().map(|s| f64::from(s.unwrap()) / 32_768.0).collect()
}

fn rms(samples: &[f64]) -> f64 {
    (samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64).sqrt()
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// So many seconds of a tone whose pitch goes from one to the other, half of full scale. It fades in
/// and out: a sudden end would hold every pitch.
fn sweep(seconds: f64, from_hz: f64, to_hz: f64) -> Vec<f64> {
    let frames = (seconds * f64::from(RATE_HZ)) as usize;
    let mut phase = 0.0_f64;
    let tone = |n: usize| {
        let pitch = from_hz + (to_hz - from_hz) * n as f64 / frames as f64;
        phase += TAU * pitch / f64::from(RATE_HZ);
        let edge = (n.min(frames - n) as f64 / (0.2 * f64::from(RATE_HZ))).min(1.0);
        phase.sin() / 2.0 * (0.5 - 0.5 * (edge * TAU / 2.0).cos())
    };
    (0..frames).map(tone).collect()
}

#[test]
fn what_is_too_high_for_the_new_rate_is_gone_and_does_not_fold_back() {
    for rate_hz in [22_050, 32_000, 16_000] {
        let top = f64::from(rate_hz) / 2.0;
        let song = sweep(4.0, top * 1.1, 22_000.0);
        let left = heard(&song_of(&song), rate_hz);
        let level = db(rms(&left) / rms(&song));
        assert!(level < -80.0, "{rate_hz} Hz: {level:.1} dB are left");
    }
}

#[test]
fn what_the_new_rate_can_hold_stays_as_loud_as_it_was() {
    for rate_hz in [22_050, 32_000, 16_000] {
        let top = f64::from(rate_hz) / 2.0;
        let song = sweep(4.0, 100.0, top * 0.9);
        let left = heard(&song_of(&song), rate_hz);
        let level = db(rms(&left) / rms(&song));
        assert!(level.abs() < 0.1, "{rate_hz} Hz: {level:.2} dB");
    }
}

/// How alike two sounds are: 1 for the same.
fn alike(a: &[f64], b: &[f64]) -> f64 {
    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    product / (rms(a) * rms(b) * a.len() as f64)
}

/// One piece of music, cut in two songs at an odd place, each converted for itself, played one after
/// the other.
#[test]
fn an_album_plays_through_without_a_gap() {
    let whole: Vec<f64> = (0..4 * RATE_HZ)
        .map(|n| {
            let t = f64::from(n) / f64::from(RATE_HZ);
            ((TAU * 220.0 * t).sin() + (TAU * 331.0 * t).sin() * 0.5) / 3.0
        })
        .collect();
    let cut = 87_654;
    for profile in [Profile::standard(), Profile::classic()] {
        let rate_hz = profile.sample_rate_hz_max;
        let small = |part: &[f64]| heard(&made(&song_of(part), &profile).1, rate_hz);
        let (first, second) = (small(&whole[..cut]), small(&whole[cut..]));
        let played: Vec<f64> = first.iter().chain(&second).copied().collect();
        let step = RATE_HZ / rate_hz;
        let ideal: Vec<f64> = whole.iter().step_by(step as usize).copied().collect();
        assert!(played.len().abs_diff(ideal.len()) <= 1, "{} {}", played.len(), ideal.len());
        let seam = first.len();
        // A tenth of a second around the seam, and the moments next to it.
        let (window, moment) = (rate_hz as usize / 20, rate_hz as usize / 200);
        let (from, to) = (seam - window, seam + window);
        let same = alike(&played[from..to], &ideal[from..to]);
        assert!(same > 0.99, "{}: {same:.4}", profile.name);
        for at in [seam - moment, seam] {
            let level = db(rms(&played[at..at + moment]) / rms(&ideal[at..at + moment]));
            assert!(level.abs() < 3.0, "{}: {level:.1} dB at the seam", profile.name);
        }
        // An encoder errs a little where a song begins in the middle of a sound; a gap would be a jump
        // of up to 1.
        let apart = played[from..to].iter().zip(&ideal[from..to]).map(|(a, b)| (a - b).abs());
        let click = apart.fold(0.0, f64::max);
        assert!(click < 0.15, "{}: a click of {click:.3}", profile.name);
    }
}
