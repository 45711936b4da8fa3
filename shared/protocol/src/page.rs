//! What an artist's page is made of: a file in the artist's own tree, so it moves with it.

use crate::TreePath;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ArtistId, LofiMade};
use uuid::Uuid;

/// `artist.json` at the root of the tree: what an artist says of themselves, and their songs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The name for people; empty means that only the public name is known.
    pub name: String,
    /// Plain text, in paragraphs.
    pub text: String,
    /// Whether listeners may download the originals.
    pub downloads: bool,
    /// Which picture stands for the artist; none for `cover.*` among the images, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<TreePath>,
    /// Counts changes, so that of two states the newer is known.
    pub revision: u64,
    /// Songs in the order of the page. Files of `songs/` that are not named here come after them;
    /// songs whose file is missing are passed over.
    pub songs: Vec<Song>,
}

/// A song of the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Song {
    /// Stays, whatever the song is called.
    pub id: Uuid,
    /// The original, in the artist's tree. Stays: links and plays hang on it.
    pub path: TreePath,
    /// For people.
    pub title: String,
    /// Length in milliseconds; 0 when it is not known.
    #[serde(default)]
    pub duration_ms: u64,
    /// Where its waveform is, in the format of audiowaveform; none when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waveform: Option<TreePath>,
    /// How its small rendition was made; none when it has none, or when somebody else made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lofi: Option<Rendition>,
    /// Listeners do not see it until it has a small rendition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_lofi: bool,
    /// Why its small rendition could not be made, when that was tried last; for the artist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lofi_fault: Option<LofiFault>,
}

/// Why a small rendition could not be made, as an artist is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LofiFault {
    /// Stable, for programs.
    pub code: String,
    /// What is wrong, and how to mend it, in sentences.
    pub message: String,
}

/// A small rendition, and what its original turned out to be when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// By which profile.
    pub profile: String,
    /// BLAKE3 of what the profile said, hex: a profile may be changed under its name.
    pub spec: String,
    /// How it came to be.
    pub made: LofiMade,
    /// Its size.
    pub bytes: u64,
    /// Samples per channel.
    pub frames: u64,
    /// Frames per second.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
    /// Bits per second.
    pub bitrate_bps: u32,
    /// What was done to its level so that nothing clips, in decibels: 0, or less.
    pub gain_db: f64,
    /// Integrated loudness of the original in LUFS, by EBU R 128; none for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f64>,
    /// True peak of the original in dBTP; none for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_peak_dbtp: Option<f64>,
    /// Size of the original that it was made of.
    pub of_bytes: u64,
    /// Modification time of that original, in nanoseconds since 1970.
    pub of_mtime_ns: i64,
    /// Which worker made it.
    pub by: String,
    /// When, on that worker's clock.
    pub at: DateTime<Utc>,
    /// How long making it took, in milliseconds.
    pub took_ms: u64,
    /// Time on the processor that it took, in milliseconds.
    pub cpu_ms: u64,
}

impl About {
    /// Its name in the tree.
    pub const FILE: &str = "artist.json";
}

/// Where songs are in the tree.
pub const SONGS_DIR: &str = "songs";
/// Where pictures are.
pub const IMAGES_DIR: &str = "images";
/// Where everything else is that listeners may fetch.
pub const VAULT_DIR: &str = "vault";
/// Where an artist, or whoever helps them, drops files to be imported. Never served.
pub const IMPORT_DIR: &str = "import";
/// Where everything is kept that was taken over from another system and has no other place. Never
/// served.
pub const ARCHIVE_DIR: &str = "archive";
/// Where the LOFI renditions are.
pub const LOFI_DIR: &str = "lofi";
/// Where waveforms are.
pub const WAVEFORMS_DIR: &str = "waveforms";

/// The id of a song that was not uploaded, and so has none yet: made from its place, it stays.
pub fn song_id(artist: ArtistId, path: &TreePath) -> Uuid {
    let hash = blake3::hash(&[artist.0.as_bytes(), path.as_bytes()].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// What ends the names of songs.
const SONG_EXTENSIONS: [&str; 9] =
    ["mp3", "wav", "flac", "ogg", "oga", "opus", "m4a", "m4b", "aac"];

/// Where the LOFI of an original is: `songs/a.wav` → `lofi/a.wav.mp3`. `None` for what is no song.
pub fn lofi_of(song: &TreePath) -> Option<TreePath> {
    let name = song.as_bytes().strip_prefix(b"songs/")?;
    if name.contains(&b'/') || !is_song(name) {
        return None;
    }
    TreePath::new([b"lofi/", name, LOFI_END].concat()).ok()
}

/// The original of a LOFI, wherever it is heard as a play of it.
pub fn song_of_lofi(lofi: &TreePath) -> Option<TreePath> {
    let name = lofi.as_bytes().strip_prefix(b"lofi/")?.strip_suffix(LOFI_END)?;
    let song = TreePath::new([b"songs/", name].concat()).ok()?;
    lofi_of(&song).is_some().then_some(song)
}

/// What the name of a LOFI has at its end.
const LOFI_END: &[u8] = b".mp3";

/// Whether a file of this name in the songs' directory is a song.
pub fn is_song(name: &[u8]) -> bool {
    let dot = name.iter().rposition(|b| *b == b'.');
    let end = dot.and_then(|at| std::str::from_utf8(&name[at + 1..]).ok()).unwrap_or_default();
    !name.starts_with(b".") && SONG_EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(end))
}

/// The title that a file's name suggests: `01-river-of-glass.wav` → `River of glass`.
pub fn title_of(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
    let words = match stem.split_once(['-', '_', ' ']) {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => stem,
    };
    let mut letters = words.trim().chars().map(|c| if matches!(c, '-' | '_') { ' ' } else { c });
    let first = letters.next().map(char::to_uppercase);
    let title: String = first.into_iter().flatten().chain(letters).collect();
    if title.is_empty() { stem.to_owned() } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_from_file_names() {
        for (name, want) in [
            ("01-river-of-glass.wav", "River of glass"),
            ("river.mp3", "River"),
            ("1999.mp3", "1999"),
            ("02-.mp3", "02-"),
            ("99 red.mp3", "Red"),
            ("été_noir.mp3", "Été noir"),
        ] {
            assert_eq!(title_of(name.as_bytes()), want);
        }
    }

    #[test]
    fn songs_are_known_by_their_ends() {
        for (name, want) in
            [("a.mp3", true), ("A.FLAC", true), (".a.mp3", false), ("a.txt", false), ("mp3", false)]
        {
            assert_eq!(is_song(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn a_lofi_and_its_original_name_each_other() {
        let path = |text: &str| TreePath::new(text.as_bytes()).unwrap();
        assert_eq!(lofi_of(&path("songs/a.wav")), Some(path("lofi/a.wav.mp3")));
        assert_eq!(song_of_lofi(&path("lofi/a.wav.mp3")), Some(path("songs/a.wav")));
        for none in ["songs/a.txt", "songs/x/a.wav", "images/a.wav", "songs"] {
            assert_eq!(lofi_of(&path(none)), None, "{none}");
        }
        for none in ["lofi/a.wav", "lofi/a.txt.mp3", "songs/a.wav.mp3"] {
            assert_eq!(song_of_lofi(&path(none)), None, "{none}");
        }
    }

    #[test]
    fn what_older_versions_wrote_is_understood() {
        let old: About = serde_json::from_str(r#"{"name":"A","text":"b"}"#).unwrap();
        assert_eq!((old.revision, old.songs.len(), old.downloads), (0, 0, false));
    }
}
