//! What is wrong with a file, in sentences for whoever uploaded it.

use std::{fmt, io};

/// Why a file is no song for us. Each says what is wrong, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file holds something else.
    #[error(
        "This is {looks_like}, not a song. Choose an MP3, WAV, FLAC, Ogg Vorbis or M4A (AAC) file."
    )]
    NotAudio {
        /// With its article: `a PNG image`, `a file of no known kind`.
        looks_like: &'static str,
    },
    /// It is audio, of a kind that we or browsers cannot play.
    #[error("This is {what}, which cannot be played here. Save the song as FLAC or MP3 instead.")]
    Unsupported {
        /// With its article: `Opus audio in an Ogg file`.
        what: String,
    },
    /// The file ends before its header says.
    #[error(
        "The file ends too early: it promises {promised}, but only {found} are there. \
         Copy or upload it again; if that does not help, save the song anew."
    )]
    Truncated {
        /// What the header says.
        promised: Extent,
        /// What is there.
        found: Extent,
    },
    /// Something in it cannot be decoded.
    #[error(
        "The file is damaged at {place}: {what}. \
         Copy or upload it again; if that does not help, save the song anew."
    )]
    Corrupt {
        /// Where.
        place: Place,
        /// What is found there.
        what: String,
    },
    /// There is too little audio, or none.
    #[error(
        "The file holds {duration_ms} ms of audio; a song has at least {duration_ms_min} ms. \
         Check that you picked the right file, and save the song anew."
    )]
    TooShort {
        /// What is there, in milliseconds.
        duration_ms: u64,
        /// What it takes, in milliseconds.
        duration_ms_min: u64,
    },
    /// There is more audio than we take.
    #[error(
        "The song is longer than {}, the most that is taken here. Cut it into parts.",
        Clock(*duration_ms_max)
    )]
    TooLong {
        /// The most, in milliseconds.
        duration_ms_max: u64,
    },
    /// The disk failed us, not the artist.
    #[error(
        "The file could not be read: {0}. Try again; if it stays so, tell the server's keeper."
    )]
    Unreadable(#[source] io::Error),
}

impl AudioError {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAudio { .. } => "not_audio",
            Self::Unsupported { .. } => "unsupported",
            Self::Truncated { .. } => "truncated",
            Self::Corrupt { .. } => "corrupt",
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Whether trying again with the same file can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn corrupt(place: Place, what: impl Into<String>) -> Self {
        Self::Corrupt { place, what: what.into() }
    }
}

/// How much of a song there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Milliseconds of audio.
    Ms(u64),
    /// Bytes of file.
    Bytes(u64),
    /// More, without saying how much.
    More,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ms(ms) => Clock(*ms).fmt(f),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::More => f.write_str("more"),
        }
    }
}

/// Where in a song something is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Milliseconds of audio before it.
    pub at_ms: Option<u64>,
    /// Bytes of file before it.
    pub byte: Option<u64>,
}

impl Place {
    /// A place known by its byte.
    pub const fn byte(byte: u64) -> Self {
        Self { at_ms: None, byte: Some(byte) }
    }

    /// A place known by its time.
    pub const fn ms(at_ms: u64) -> Self {
        Self { at_ms: Some(at_ms), byte: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_ms, self.byte) {
            (Some(ms), Some(byte)) => write!(f, "{} (byte {byte})", Clock(ms)),
            (Some(ms), None) => Clock(ms).fmt(f),
            (None, Some(byte)) => write!(f, "byte {byte}"),
            (None, None) => f.write_str("an unknown place"),
        }
    }
}

/// Milliseconds as a player shows them: `1:02.345`, `2:00:00.000`.
struct Clock(u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, ms) = (self.0 / 1000, self.0 % 1000);
        let (hours, minutes, seconds) = (s / 3600, s / 60 % 60, s % 60);
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}.{ms:03}")
        } else {
            write!(f, "{minutes}:{seconds:02}.{ms:03}")
        }
    }
}
