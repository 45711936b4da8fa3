//! The kinds of files that songs come in.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a song is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// MPEG-1, 2 or 2.5 Layer III.
    Mp3,
    /// Uncompressed samples in RIFF.
    Wav,
    /// FLAC in its own container.
    Flac,
    /// Vorbis in Ogg.
    Ogg,
    /// AAC-LC in MPEG-4.
    M4a,
}

impl Format {
    /// The media type to serve it as.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::Ogg => "audio/ogg",
            Self::M4a => "audio/mp4",
        }
    }

    /// The ending of its file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::M4a => "m4a",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mp3 => "MP3",
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg Vorbis",
            Self::M4a => "M4A",
        })
    }
}
