//! What a song says about itself.

use crate::{format::Format, limits::Limits, section::Section};
use lofty::{
    config::{GlobalOptions, ParseOptions, ParsingMode, apply_global_options},
    file::{FileType, TaggedFileExt},
    probe::Probe,
    tag::{Accessor, Tag},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The longest text that is kept, in characters.
pub const TEXT_CHARS_MAX: usize = 200;
/// The largest item of a tag that is loaded, in bytes. Pictures are not.
const ITEM_BYTES_MAX: usize = 1 << 20;

/// What a song says about itself. Texts are trimmed, without control characters, and have 1 to
/// [`TEXT_CHARS_MAX`] characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    /// Its title.
    pub title: Option<String>,
    /// Who made it.
    pub artist: Option<String>,
    /// What it is part of.
    pub album: Option<String>,
    /// Its place there, from 1.
    pub track: Option<u32>,
    /// When it came out: 1 to 9999.
    pub year: Option<u16>,
}

impl Tags {
    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the tags of a song. A broken tag costs the tags, not the song.
pub(crate) fn read(file: &Section, format: Format, limits: &Limits) -> Tags {
    let file = file.part(0, file.len());
    let source = BufReader::new(Rationed { file, left: limits.tag_bytes_max });
    // The reader has been tried on much, but not on all that people upload.
    catch_unwind(AssertUnwindSafe(|| read_with_lofty(source, format))).unwrap_or_default()
}

fn read_with_lofty(source: impl Read + Seek, format: Format) -> Tags {
    // Of this thread only.
    apply_global_options(GlobalOptions::new().allocation_limit(ITEM_BYTES_MAX));
    let kind = match format {
        Format::Mp3 => FileType::Mpeg,
        Format::Wav => FileType::Wav,
        Format::Flac => FileType::Flac,
        Format::Ogg => FileType::Vorbis,
        Format::M4a => FileType::Mp4,
    };
    let options = ParseOptions::new()
        .read_properties(false)
        .read_cover_art(false)
        .parsing_mode(ParsingMode::Relaxed);
    let Ok(tagged) = Probe::with_file_type(source, kind).options(options).read() else {
        return Tags::default();
    };
    let mut tags = Tags::default();
    // The format's own tag first; what it lacks, others may have.
    let primary = tagged.primary_tag();
    for tag in primary.into_iter().chain(tagged.tags()) {
        fill(&mut tags, tag);
    }
    tags
}

fn fill(tags: &mut Tags, tag: &Tag) {
    tags.title = tags.title.take().or_else(|| clean(&tag.title()?));
    tags.artist = tags.artist.take().or_else(|| clean(&tag.artist()?));
    tags.album = tags.album.take().or_else(|| clean(&tag.album()?));
    tags.track = tags.track.or_else(|| tag.track().filter(|n| *n > 0));
    tags.year = tags.year.or_else(|| tag.date().map(|d| d.year).filter(|y| (1..=9999).contains(y)));
}

/// Text as it can be shown. `None` if nothing is left.
fn clean(text: &str) -> Option<String> {
    let shown = |c: char| if c.is_whitespace() { Some(' ') } else { (!is_hidden(c)).then_some(c) };
    let kept: String = text.chars().filter_map(shown).collect();
    let kept: String = kept.trim().chars().take(TEXT_CHARS_MAX).collect();
    let kept = kept.trim_end();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Control characters, and those that turn the direction of what follows them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        || c == '\u{FEFF}'
}

/// A file of which only so many bytes can be read. What is sought over is free.
struct Rationed {
    file: Section,
    left: u64,
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(n)
    }
}

impl Seek for Rationed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests;
