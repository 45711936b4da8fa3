//! What a file is, by its first bytes. Its name is not asked.

use crate::{error::AudioError, section::Section};
use std::io;

/// Bytes looked at.
const HEAD_BYTES: usize = 4096;
/// ID3 tags in a row that are stepped over.
const ID3_TAGS_MAX: usize = 8;
/// Zero bytes after a tag that are stepped over: tags are padded, and some say too little of it.
const ZEROS_MAX: u64 = 4 << 20;

/// What the first bytes promise. MP3 has no mark of its own: it is what remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    Wav,
    Flac,
    Ogg,
    Mp4,
    /// Unmarked: perhaps MP3.
    Unmarked,
}

/// The file without the tags before its song, and what that looks like.
pub(crate) fn sniff(file: &Section) -> Result<(Section, Looks), AudioError> {
    let song = without_id3(file).map_err(AudioError::Unreadable)?;
    let head = song.bytes_at(0, HEAD_BYTES).map_err(AudioError::Unreadable)?;
    if head.is_empty() {
        let looks_like = if file.len() == 0 { "an empty file" } else { "a tag without a song" };
        return Err(AudioError::NotAudio { looks_like });
    }
    Ok((song, looks(&head)?))
}

/// The length of the ID3 tag at the start of `head`, with header and footer; 0 if there is none.
fn id3_bytes(head: &[u8]) -> u64 {
    nanomp3::id3v2_len(head) as u64
}

fn without_id3(file: &Section) -> io::Result<Section> {
    let mut at = 0;
    for _ in 0..ID3_TAGS_MAX {
        let tag = id3_bytes(&file.bytes_at(at, 10)?);
        // A tag that says it is longer than the file lies: the song is searched for behind its
        // header.
        let tag = if at + tag >= file.len() { tag.min(10) } else { tag };
        if tag == 0 {
            break;
        }
        at += tag;
    }
    if at > 0 {
        at = after_zeros(file, at)?;
    }
    Ok(file.part(at, file.len()))
}

fn after_zeros(file: &Section, start: u64) -> io::Result<u64> {
    let mut at = start;
    while at - start < ZEROS_MAX {
        let bytes = file.bytes_at(at, HEAD_BYTES)?;
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        at += zeros as u64;
        if zeros < bytes.len() || bytes.is_empty() {
            break;
        }
    }
    Ok(at)
}

fn looks(head: &[u8]) -> Result<Looks, AudioError> {
    if head.starts_with(b"RIFF") {
        return riff(head.get(8..12).unwrap_or_default());
    }
    if head.starts_with(b"fLaC") {
        return Ok(Looks::Flac);
    }
    if head.starts_with(b"OggS") {
        return Ok(Looks::Ogg);
    }
    if head.get(4..8) == Some(b"ftyp") {
        return Ok(Looks::Mp4);
    }
    if let Some((_, what)) = UNPLAYABLE.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Err(AudioError::unsupported(*what));
    }
    if head.starts_with(b"FORM") {
        return Err(AudioError::unsupported("an AIFF file"));
    }
    // ADTS: the sync word of MPEG audio, with the layer that MPEG audio does not have.
    if head.len() > 2 && head[0] == 0xFF && head[1] & 0xF6 == 0xF0 {
        return Err(AudioError::unsupported("bare AAC without an M4A file around it"));
    }
    if let Some(looks_like) = not_audio(head) {
        return Err(AudioError::NotAudio { looks_like });
    }
    Ok(Looks::Unmarked)
}

fn riff(kind: &[u8]) -> Result<Looks, AudioError> {
    match kind {
        b"WAVE" => Ok(Looks::Wav),
        b"AVI " => Err(AudioError::NotAudio { looks_like: "an AVI video" }),
        b"WEBP" => Err(AudioError::NotAudio { looks_like: "a WebP image" }),
        _ => Err(AudioError::NotAudio { looks_like: "a RIFF file of another kind than WAV" }),
    }
}

/// Audio that is known by its first bytes and not taken.
const UNPLAYABLE: &[(&[u8], &str)] = &[
    (b"RF64", "a WAV file of more than 4 GB (RF64)"),
    (b"BW64", "a WAV file of more than 4 GB (BW64)"),
    (b"RIFX", "a big-endian WAV file"),
    (b"riff\x2E\x91\xCF\x11", "a Wave64 file"),
    (b"caff", "an Apple CAF file"),
    (b".snd", "a Sun AU file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"wvpk", "a WavPack file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"TTA1", "a True Audio file"),
    (b"DSD ", "a DSD file"),
    (b"FRM8", "a DSD file"),
    (b"#!AMR", "an AMR recording"),
    (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "a Windows Media file"),
    (b".RMF", "a RealMedia file"),
    (b".ra\xFD", "a RealAudio file"),
    (b"MThd", "a MIDI file: it holds notes and no sound,"),
    (b"Extended Module:", "a tracker module"),
    (b"IMPM", "a tracker module"),
];

/// Other things, by their first bytes.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\x89PNG", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS", "a Photoshop image"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xD0\xCF\x11\xE0", "an Office document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xFD7zXZ", "an xz archive"),
    (b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
    (b"\x1A\x45\xDF\xA3", "a Matroska or WebM file"),
    (b"FLV", "a Flash video"),
    (b"\0\0\x01\xBA", "an MPEG video"),
    (b"\0\0\x01\xB3", "an MPEG video"),
    (b"\x7FELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a database"),
    (b"bplist", "a property list"),
];

fn not_audio(head: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = OTHERS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Some(what);
    }
    text(head)
}

/// What kind of text it is, if it is text: no control characters but white space.
fn text(head: &[u8]) -> Option<&'static str> {
    let bytes = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    // The last character may be cut off.
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&bytes[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if whole.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let start = whole.trim_start().get(..32).unwrap_or(whole).trim_start().to_ascii_lowercase();
    Some(if start.starts_with("<!doctype html") || start.starts_with("<html") {
        "an HTML page"
    } else if start.starts_with("<svg") {
        "an SVG image"
    } else if start.starts_with("<?xml") {
        "an XML document"
    } else if start.starts_with("#extm3u") || start.starts_with("[playlist]") {
        "a playlist"
    } else if start.starts_with(['{', '[']) {
        "a JSON document"
    } else {
        "a text"
    })
}
