//! A small synthesiser: chords, a bass and a wandering melody, in one of a few voices.
//!
//! A note is a few decaying sine waves, each made by a recurrence of two multiplications per
//! sample, and made once per song, so that hundreds of songs take seconds.

use super::rng::Rng;
use std::{collections::HashMap, f32::consts::TAU, io::Cursor};

/// Samples a second.
pub(super) const SAMPLE_RATE: u32 = 22_050;
/// Loudest sample, of 1.0.
const PEAK: f32 = 0.8;
/// A note has rung out when it is this quiet.
const SILENCE: f32 = 0.002;
/// Overtones above this (radians a sample; half the sample rate is π) are left out.
const ANGLE_MAX: f32 = 2.5;

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
    let mut band = Instrument::new(rng);
    let mut lead = Instrument::new(rng);
    let chords = PROGRESSIONS[rng.below(PROGRESSIONS.len() as u64) as usize];
    let beat_s = 60.0 / (84.0 + rng.below(44) as f32);
    let eighth = (beat_s / 2.0 * SAMPLE_RATE as f32) as usize;
    let pattern = rng.next();
    let mut step = 7;
    for (n, start) in (0..mix.len()).step_by(eighth.max(1)).enumerate() {
        let root = chords[(n / 8) % chords.len()];
        let rest = &mut mix[start..];
        if n % 8 == 0 {
            band.play(key(tonic - 12, &scale, root), 0.9, rest);
        }
        // The third, the fifth and the octave take turns.
        let broken = root + [0, 2, 4, 7, 4, 2, 4, 2][n % 8];
        band.play(key(tonic, &scale, broken), 0.42, rest);
        if (pattern >> (n % 16)) & 1 == 1 || n % 16 == 0 {
            step = (step + rng.below(5) as i32 - 2).clamp(4, 12);
            let tone = step / 5 * 7 + PENTATONIC[step as usize % 5];
            lead.play(key(tonic + 12, &scale, tone - 7), 0.5, rest);
        }
    }
}

/// The key (of a MIDI keyboard) of a step of the scale; steps go on over the octaves.
fn key(tonic: i32, scale: &[i32; 7], step: i32) -> i32 {
    tonic + scale[step.rem_euclid(7) as usize] + 12 * step.div_euclid(7)
}

/// A voice, and the notes it has played: a tune has few, and plays them often.
struct Instrument {
    voice: &'static Voice,
    notes: HashMap<i32, Vec<f32>>,
}

impl Instrument {
    fn new(rng: &mut Rng) -> Self {
        let voice = &VOICES[rng.below(VOICES.len() as u64) as usize];
        Self { voice, notes: HashMap::new() }
    }

    fn play(&mut self, key: i32, loudness: f32, onto: &mut [f32]) {
        let note = self.notes.entry(key).or_insert_with(|| note(key, self.voice));
        for (out, sample) in onto.iter_mut().zip(note) {
            *out += *sample * loudness;
        }
    }
}

fn note(key: i32, voice: &Voice) -> Vec<f32> {
    let length = (voice.ring_s * SAMPLE_RATE as f32) as usize;
    let decay = SILENCE.powf(1.0 / length as f32);
    let hertz = 440.0 * ((key - 69) as f32 / 12.0).exp2();
    let mut note = vec![0.0; length];
    for (overtone, share) in voice.partials {
        let angle = TAU * hertz * overtone / SAMPLE_RATE as f32;
        if angle > ANGLE_MAX {
            continue;
        }
        // x[n] = 2 r cos(w) x[n-1] - r² x[n-2] is a sine that decays by r per sample.
        let (one, two) = (2.0 * decay * angle.cos(), decay * decay);
        let (mut before, mut now) = (0.0, share * angle.sin());
        for out in &mut note {
            *out += now;
            (before, now) = (now, one * now - two * before);
        }
    }
    note
}
