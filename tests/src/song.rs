//! Songs that tests make up.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

const RATE: u32 = 44_100;

/// 16-bit stereo WAV: a tone of this pitch (radians a frame), a little different each time.
pub fn wav(seconds: u32, pitch: f64) -> Vec<u8> {
    let frames = RATE * seconds;
    let bytes = frames * 4;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 4).to_le_bytes());
    wav.extend_from_slice(&4_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    for frame in 0..frames {
        let sample = (f64::from(frame) * pitch).sin() * 3000.0;
        let sample = (sample as i16).to_le_bytes();
        wav.extend_from_slice(&sample);
        wav.extend_from_slice(&sample);
    }
    wav
}
