//! The small version of a song.

use crate::{
    chain::{Chain, Level, Loud},
    decode::mp3_frames,
    encode::{Encoded, id3},
    error::AudioError,
    format::Format,
    inspect::Inspection,
    limits::Limits,
    mix::Mix,
    plan::{Facts, Plan},
    profile::{Encoding, Profile, ProfileError},
    section::Section,
    song::Song,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    ops::ControlFlow,
};

/// Passes over one song at most: more than one is rare. See [`convert`].
pub const PASSES_MAX: u32 = 5;
/// Room for a song that was far too loud for its encoder, in decibels.
const MARGIN_DB: f64 = 1.0;
/// Room below full scale for a WAV that was too loud, in decibels.
const SPARE_DB: f64 = 0.1;
/// The share of the whole that a first pass is taken to be, for progress.
const FIRST_SHARE: f32 = 0.95;
/// The same of one that only looks, so that another must encode.
const LOOK_SHARE: f32 = 0.2;
const COPY_BYTES: usize = 64 << 10;

/// Why there is no small version.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The song is none.
    #[error(transparent)]
    Song(#[from] AudioError),
    /// The profile cannot be made.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The small version cannot be written.
    #[error("the small version could not be written: {0}")]
    Write(#[source] io::Error),
    /// The encoder failed, which it should not.
    #[error("the small version could not be encoded: {0}")]
    Encoder(String),
    /// `progress` said so.
    #[error("it was stopped")]
    Stopped,
}

impl ConvertError {
    /// A stable name for programs; the song's own for what is wrong with it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Song(e) => e.code(),
            Self::Profile(_) => "profile",
            Self::Write(_) => "unwritable",
            Self::Encoder(_) => "encoder",
            Self::Stopped => "stopped",
        }
    }

    /// Whether trying again with the same song can help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Song(e) => e.is_transient(),
            Self::Write(_) => true,
            Self::Profile(_) | Self::Encoder(_) | Self::Stopped => false,
        }
    }
}

/// How a small version came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// The song was small enough: its frames as they are, behind a new tag.
    Copied,
    /// It was decoded and encoded.
    Encoded,
}

/// A small version, and the song it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Converted {
    /// How it came to be.
    pub made: Made,
    /// What it is.
    pub format: Format,
    /// How long its file is. What was in the output beyond that, still is.
    pub bytes: u64,
    /// Samples per channel.
    pub frames: u64,
    /// Frames per second.
    pub sample_rate_hz: u32,
    /// 1 or 2, or the song's own if it was copied.
    pub channels: u8,
    /// Bits per second: as encoded, or the song's average if it was copied.
    pub bitrate_bps: u32,
    /// What was done to its level, in decibels: 0, or less. See [`convert`].
    pub gain_db: f64,
    /// Its true peak when decoded, in dBTP. `None` for silence.
    pub true_peak_dbtp: Option<f64>,
    /// What the song is.
    pub song: Inspection,
}

/// Makes a song's small version, from the start of `output`, and inspects the song meanwhile.
///
/// `progress` is told how much is done, from 0 to 1, never less than before, every few thousand
/// samples; if it breaks, the work ends with [`ConvertError::Stopped`]. After an error, `output`
/// holds a part of something.
///
/// # Levels
///
/// Nothing that is encoded clips when it is played. What comes out is decoded and its true peak measured
/// while it is made; an MP3 whose true peak is above full scale is then made quieter where it lies, in
/// steps of 1.5 dB. So one pass over a song is enough, but for these, which go through again: a WAV that
/// would clip, and an MP3 of samples more than 6 dB above full scale, both quieter by as much; a song
/// whose header was wrong about what the profile asks for; and a song that is damaged. Damage may decode
/// to noise far above full scale: that is cut off, if it is short, and does not make the rest quieter.
///
/// No more than [`PASSES_MAX`] passes are made; what is left above full scale after the last is
/// told in [`Converted::true_peak_dbtp`].
pub fn convert(
    input: File,
    mut output: impl Read + Write + Seek,
    profile: &Profile,
    limits: &Limits,
    progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
) -> Result<Converted, ConvertError> {
    profile.validate()?;
    let input = Section::whole(input).map_err(AudioError::Unreadable)?;
    let work = Work { input, profile, limits, progress, told: 0.0 };
    work.run(&mut output)
}

struct Work<'a> {
    input: Section,
    profile: &'a Profile,
    limits: &'a Limits,
    progress: &'a mut dyn FnMut(f32) -> ControlFlow<()>,
    /// The progress told last.
    told: f32,
}

/// What a pass made.
struct Pass {
    /// Only a pass that looks has it.
    song: Option<Inspection>,
    /// What was encoded, and from how many frames; `None` if it was given up as too loud.
    encoded: Option<(Encoded, u64)>,
    /// How loud it was before it was encoded.
    loud: Loud,
}

impl Work<'_> {
    fn run(mut self, output: &mut (impl Read + Write + Seek)) -> Result<Converted, ConvertError> {
        let first = Song::open(&self.input, self.limits)?;
        let (spec, facts) = (first.spec(), Facts::told(&first));
        let mut plan = Plan::new(self.profile, &facts);
        let mut level = Level { gain: 1.0, ceiling: None };
        let mut pass = self.pass(first, &plan, level, output)?;
        let Some(song) = pass.song.take() else {
            return Err(ConvertError::Encoder("the song was not measured".to_owned()));
        };
        let due = Plan::new(self.profile, &Facts::known(&song));
        for last in (1..=PASSES_MAX).map(|n| n == PASSES_MAX) {
            let is_due = plan.agrees(&due, spec.sample_rate_hz);
            if !is_due {
                plan = due.clone();
            }
            let Plan::Encode { sample_rate_hz, bitrate_bps, .. } = plan else { break };
            // A pass by another plan has heard another part.
            let next = if is_due { next_level(&pass, level) } else { None };
            match pass.encoded {
                Some(encoded) if is_due && (next.is_none() || last) => {
                    return self.encoded(encoded, song, sample_rate_hz, bitrate_bps, level.gain);
                }
                _ if last => break,
                _ => level = next.unwrap_or(level),
            }
            let again = Song::unmeasured(&self.input, self.limits)?;
            pass = self.pass(again, &plan, level, output)?;
        }
        if plan == Plan::Copy {
            return self.copy(song, output);
        }
        Err(ConvertError::Encoder("it found no level that does not clip".to_owned()))
    }

    /// Lets all of the song go by.
    fn pass(
        &mut self,
        mut song: Song,
        plan: &Plan,
        level: Level,
        output: &mut (impl Read + Write + Seek),
    ) -> Result<Pass, ConvertError> {
        let looks = song.is_measured();
        let mut chain = match plan {
            Plan::Look | Plan::Copy => None,
            Plan::Encode { sample_rate_hz, bitrate_bps, part } => {
                let cut = self.profile.excerpt.zip(part.clone());
                let mix = Mix::new(song.spec().channels, self.profile.channels_max);
                let chain = Chain::new(song.spec(), mix, *sample_rate_hz, cut, level)?;
                Some(chain.into_encoder(output, *bitrate_bps, song.tags())?)
            }
        };
        let [from, to] = match plan {
            _ if !looks => [self.told, 1.0],
            Plan::Look => [0.0, LOOK_SHARE],
            Plan::Copy | Plan::Encode { .. } => [0.0, FIRST_SHARE],
        };
        loop {
            self.tell(from + song.progress() * (to - from))?;
            let Some(block) = song.next()? else { break };
            if let Some(chain) = &mut chain {
                chain.add(block)?;
                if !looks && chain.is_done() {
                    break;
                }
            }
        }
        let (loud, encoded) = match chain {
            Some(chain) => chain.finish()?,
            None => (Loud::default(), None),
        };
        let song = if looks { Some(song.finish()?) } else { None };
        Ok(Pass { song, encoded, loud })
    }

    fn tell(&mut self, done: f32) -> Result<(), ConvertError> {
        self.told = self.told.max(done.min(1.0));
        match (self.progress)(self.told) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ConvertError::Stopped),
        }
    }

    fn encoded(
        mut self,
        (encoded, frames): (Encoded, u64),
        song: Inspection,
        sample_rate_hz: u32,
        bitrate_bps: Option<u32>,
        gain: f64,
    ) -> Result<Converted, ConvertError> {
        self.tell(1.0)?;
        let channels = Mix::new(song.channels, self.profile.channels_max).channels();
        let pcm_bps = sample_rate_hz * u32::from(channels) * 16;
        let is_mp3 = matches!(self.profile.encoding, Encoding::Mp3 { .. });
        Ok(Converted {
            made: Made::Encoded,
            format: if is_mp3 { Format::Mp3 } else { Format::Wav },
            bytes: encoded.bytes,
            frames,
            sample_rate_hz,
            channels,
            bitrate_bps: bitrate_bps.unwrap_or(pcm_bps),
            gain_db: 20.0 * (gain * encoded.gain).log10(),
            true_peak_dbtp: (encoded.true_peak > 0.0).then(|| 20.0 * encoded.true_peak.log10()),
            song,
        })
    }

    /// Copies the frames of an MP3 behind a tag without pictures.
    fn copy(
        mut self,
        song: Inspection,
        output: &mut (impl Read + Write + Seek),
    ) -> Result<Converted, ConvertError> {
        let mut frames = mp3_frames(&self.input)?;
        let tag = id3(&song.tags);
        let bytes = tag.len() as u64 + frames.len();
        output.rewind().map_err(ConvertError::Write)?;
        output.write_all(&tag).map_err(ConvertError::Write)?;
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let n = frames.read(&mut buffer).map_err(AudioError::Unreadable)?;
            if n == 0 {
                break;
            }
            output.write_all(&buffer[..n]).map_err(ConvertError::Write)?;
        }
        output.flush().map_err(ConvertError::Write)?;
        self.tell(1.0)?;
        Ok(Converted {
            made: Made::Copied,
            format: Format::Mp3,
            bytes,
            frames: song.frames,
            sample_rate_hz: song.sample_rate_hz,
            channels: song.channels,
            bitrate_bps: song.bitrate_bps,
            gain_db: 0.0,
            true_peak_dbtp: song.true_peak_dbtp,
            song,
        })
    }
}

/// How loud the next pass must be, if there must be one.
fn next_level(pass: &Pass, level: Level) -> Option<Level> {
    let below = |db: f64| 10_f64.powf(-db / 20.0);
    let ceiling = level.ceiling.or(pass.loud.ceiling);
    let by = match pass.encoded {
        // Its samples alone were too loud.
        None if pass.loud.sample_peak > 1.0 => below(MARGIN_DB) / f64::from(pass.loud.sample_peak),
        Some((made, _)) if made.true_peak > 1.0 => below(SPARE_DB) / made.true_peak,
        _ if level.ceiling != ceiling => 1.0,
        _ => return None,
    };
    Some(Level { gain: level.gain * by, ceiling })
}
