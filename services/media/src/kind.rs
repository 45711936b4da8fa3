//! What a file is called in HTTP, and whether a browser may show it in place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::fmt::Write as _;

/// What may stand in an `ext-value` of RFC 8187.
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Of an unknown file.
const UNKNOWN: &str = "application/octet-stream";

/// The media type, from the name's extension.
pub(crate) fn media_type(name: &[u8]) -> &'static str {
    let dot = name.iter().rposition(|b| *b == b'.');
    let ext = dot.and_then(|at| std::str::from_utf8(&name[at + 1..]).ok()).unwrap_or_default();
    match ext.to_ascii_lowercase().as_str() {
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "m4a" | "m4b" => "audio/mp4",
        "txt" => "text/plain; charset=utf-8",
        ext => mime_guess::from_ext(ext).first_raw().unwrap_or(UNKNOWN),
    }
}

/// Whether it is sound: a song.
pub(crate) fn is_audio(media_type: &str) -> bool {
    media_type.starts_with("audio/")
}

/// Whether it only plays or shows: sound, film, pictures made of pixels. Nothing in it can run.
pub(crate) fn is_passive(media_type: &str) -> bool {
    media_type.starts_with("audio/")
        || media_type.starts_with("video/")
        || (media_type.starts_with("image/") && !media_type.starts_with("image/svg"))
}

/// Whether a browser may show it in place. What can carry a script is downloaded instead
/// (`<img>` takes an SVG all the same); so is what nobody knows.
pub(crate) fn is_inline(media_type: &str) -> bool {
    is_passive(media_type)
        || media_type.starts_with("text/plain")
        || media_type == "application/json"
}

/// `Content-Disposition` of a download. A name that is not UTF-8 is left to the URL.
pub(crate) fn attachment(name: &[u8]) -> String {
    let mut value = String::from("attachment");
    if std::str::from_utf8(name).is_ok() {
        // Writing to a String cannot fail.
        write!(value, "; filename*=UTF-8''{}", percent_encode(name, FILE_NAME)).unwrap_or_default();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn songs_play_and_scripts_do_not_run() {
        for (name, kind, inline) in [
            ("a.mp3", "audio/mpeg", true),
            ("A.WAV", "audio/wav", true),
            ("a.flac", "audio/flac", true),
            ("a.ogg", "audio/ogg", true),
            ("a.m4a", "audio/mp4", true),
            ("cover.jpg", "image/jpeg", true),
            ("cover.svg", "image/svg+xml", false),
            ("index.html", "text/html", false),
            ("x.js", "text/javascript", false),
            ("noext", UNKNOWN, false),
        ] {
            assert_eq!(media_type(name.as_bytes()), kind, "{name}");
            assert_eq!(is_inline(kind), inline, "{name}");
        }
        assert_eq!(media_type(b"\xff.\xfe"), UNKNOWN);
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        assert_eq!(attachment(b"a\"\r\n;b.js"), "attachment; filename*=UTF-8''a%22%0D%0A%3Bb.js");
        assert_eq!(attachment(b"\xff"), "attachment");
    }
}
