//! A small synthesiser: chords, a bass and a wandering melody, in one of a few voices.
//!
//! A note is a few decaying sine waves, each made by a recurrence of two multiplications per
//! sample, so that hundreds of songs take seconds.

use super::rng::Rng;
use std::{f32::consts::TAU, io::Cursor};

/// Samples a second.
pub(super) const SAMPLE_RATE: u32 = 22_050;
/// Loudest sample, of 1.0.
const PEAK: f32 = 0.8;
/// A note has rung out when it is this quiet.
const SILENCE: f32 = 0.002;

/// Semitones above the tonic.
const MAJOR: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
const MINOR: [i32; 7] = [0, 2, 3, 5, 7, 8, 10];
/// Steps of the scale that go with any of its chords.
const PENTATONIC: [i32; 5] = [0, 1, 2, 4, 5];
/// Roots of four chords, as steps of the scale.
const PROGRESSIONS: [[i32; 4]; 6] =
    [[0, 4, 5, 3], [0, 5, 3, 4], [5, 3, 0, 4], [0, 3, 5, 4], [0, 2, 3, 4], [1, 4, 0, 5]];

/// Overtone, loudness; and how long a note rings, in seconds.
struct Voice {
    partials: &'static [(f32, f32)],
    ring_s: f32,
}

const VOICES: [Voice; 4] = [
    Voice { partials: &[(1.0, 1.0), (2.0, 0.35), (3.0, 0.15)], ring_s: 1.3 },
    Voice { partials: &[(1.0, 1.0), (2.76, 0.2), (5.4, 0.06)], ring_s: 1.8 },
    Voice { partials: &[(1.0, 0.9), (3.0, 0.3), (5.0, 0.12)], ring_s: 0.9 },
    Voice { partials: &[(1.0, 1.0), (2.0, 0.6)], ring_s: 1.1 },
];

/// A whole WAV file: 16 bits, mono, [`SAMPLE_RATE`]. `tune` says what it sounds like.
pub(super) fn song(tune: u64, length_ms: u64) -> Result<Vec<u8>, hound::Error> {
    let count = (length_ms * u64::from(SAMPLE_RATE) / 1000) as usize;
    let mut mix = vec![0.0; count];
    compose(&mut Rng::seeded(tune), &mut mix);
    let loudest = mix.iter().fold(0.001_f32, |max, s| max.max(s.abs()));
    let gain = PEAK * f32::from(i16::MAX) / loudest;
    let fade = count / 8;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::with_capacity(64 + count * 2));
    let mut wav = hound::WavWriter::new(&mut file, spec)?;
    let mut samples = wav.get_i16_writer(count as u32);
    for (at, sample) in mix.iter().enumerate() {
        let end = ((count - at) as f32 / fade as f32).min(1.0);
        samples.write_sample((sample * gain * end) as i16);
    }
    samples.flush()?;
    wav.finalize()?;
    Ok(file.into_inner())
}

fn compose(rng: &mut Rng, mix: &mut [f32]) {
    let scale = if rng.one_in(3) { MINOR } else { MAJOR };
    let tonic = 48 + rng.below(10) as i32;
    let voice = &VOICES[rng.below(VOICES.len() as u64) as usize];
    let lead = &VOICES[rng.below(VOICES.len() as u64) as usize];
    let chords = PROGRESSIONS[rng.below(PROGRESSIONS.len() as u64) as usize];
    let beat = 60.0 / (84.0 + rng.below(44) as f32);
    let eighth = (beat / 2.0 * SAMPLE_RATE as f32) as usize;
    let pattern = rng.next();
    let mut step = 7;
    for (n, start) in (0..mix.len()).step_by(eighth.max(1)).enumerate() {
        let root = chords[(n / 8) % chords.len()];
        if n % 8 == 0 {
            note(mix, start, pitch(tonic - 12, &scale, root), 0.9, voice);
        }
        // The third, the fifth and the octave take turns.
        let broken = root + [0, 2, 4, 7, 4, 2, 4, 2][n % 8];
        note(mix, start, pitch(tonic, &scale, broken), 0.42, voice);
        if (pattern >> (n % 16)) & 1 == 1 || n % 16 == 0 {
            step = (step + rng.below(5) as i32 - 2).clamp(4, 12);
            let tone = step / 5 * 7 + PENTATONIC[step as usize % 5];
            note(mix, start, pitch(tonic + 12, &scale, tone - 7), 0.5, lead);
        }
    }
}

/// Frequency of a step of the scale, in hertz; steps go on over the octaves.
fn pitch(tonic: i32, scale: &[i32; 7], step: i32) -> f32 {
    let semitones = scale[step.rem_euclid(7) as usize] + 12 * step.div_euclid(7);
    440.0 * ((tonic + semitones - 69) as f32 / 12.0).exp2()
}

fn note(mix: &mut [f32], start: usize, hertz: f32, loudness: f32, voice: &Voice) {
    let length = (voice.ring_s * SAMPLE_RATE as f32) as usize;
    let end = (start + length).min(mix.len());
    let decay = SILENCE.powf(1.0 / length as f32);
    for (overtone, share) in voice.partials {
        let angle = TAU * hertz * overtone / SAMPLE_RATE as f32;
        if angle > 2.5 {
            continue;
        }
        // x[n] = 2 r cos(w) x[n-1] - r² x[n-2] is a sine that decays by r per sample.
        let (one, two) = (2.0 * decay * angle.cos(), decay * decay);
        let (mut before, mut now) = (0.0, loudness * share * angle.sin());
        for out in &mut mix[start..end] {
            *out += now;
            (before, now) = (now, one * now - two * before);
        }
    }
}
