//! The level of a small version as a listener gets it.

use crate::{decode::Spec, measure::tame, true_peak::TruePeak};
use nanomp3::{Decoder, MAX_SAMPLES_PER_FRAME};

/// What the decoder is shown at once, to know frames by those after them.
const AHEAD_BYTES: usize = 16 << 10;

/// Plays an MP3 while it is being made.
pub(super) struct Listener {
    decoder: Box<Decoder>,
    ahead: Vec<u8>,
    peak: TruePeak,
    channels: u8,
}

impl Listener {
    pub(super) fn new(spec: Spec) -> Self {
        let (decoder, peak) = (Box::new(Decoder::new()), TruePeak::new(spec));
        Self { decoder, ahead: Vec::new(), peak, channels: spec.channels }
    }

    /// Takes in whole and broken frames as they come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.ahead.extend_from_slice(bytes);
        self.play(AHEAD_BYTES);
    }

    fn play(&mut self, ahead_bytes: usize) {
        let mut pcm = [0.0_f32; MAX_SAMPLES_PER_FRAME];
        let mut used = 0;
        while self.ahead.len() - used > ahead_bytes {
            let (bytes, result) = self.decoder.decode(&self.ahead[used..], &mut pcm);
            used += bytes.max(1);
            if let Ok(info) = result
                && info.channels.num() == self.channels
            {
                let heard = &mut pcm[..info.samples_produced * usize::from(self.channels)];
                tame(heard);
                self.peak.add(heard);
            }
        }
        self.ahead.drain(..used);
    }

    /// The greatest level of all, 1 being full scale.
    pub(super) fn finish(&mut self) -> f64 {
        self.play(0);
        self.peak.level()
    }
}
