//! Numbers and times, for people.

use chrono::{DateTime, Utc};

pub use tourbus_domain::numbers::{bytes, count, duration, percent, span};

/// Longest path that is shown whole, in characters.
const PATH_CHARS_MAX: usize = 120;
/// Longest message that is shown whole, in characters.
const MESSAGE_CHARS_MAX: usize = 600;

/// The beginning and the end of a text that is longer than `max` characters.
fn ends(text: &str, max: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= max {
        return text.to_owned();
    }
    let (head, tail) = (max / 2, max - max / 2 - 1);
    let end = chars[chars.len() - tail..].iter();
    chars[..head].iter().chain(&['…']).chain(end).collect()
}

/// A path, shortened in the middle if it is too long to read.
pub fn path(text: &str) -> String {
    ends(text, PATH_CHARS_MAX)
}

/// A message, in which each word (such as a path) may be shortened in the middle.
pub fn message(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(path).collect();
    ends(&words.join(" "), MESSAGE_CHARS_MAX)
}

/// A number that may be only where the counting ended: `12`, `200+`.
pub fn up_to(n: u64, more: bool) -> String {
    let n = count(n.try_into().unwrap_or(i64::MAX));
    if more { format!("{n}+") } else { n }
}

/// What was found as far as was counted: `3`, `At least 3`.
pub fn at_least(n: u64, more: bool) -> String {
    let n = count(n.try_into().unwrap_or(i64::MAX));
    if more { format!("At least {n}") } else { n }
}

/// A time: for machines, and as text that is the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339.
    pub machine: String,
    /// `2026-11-22 22:45 UTC`; a script makes it local.
    pub text: String,
}

/// Shows a time.
pub fn when(at: DateTime<Utc>) -> When {
    When {
        machine: at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        text: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// Texts one after another, each with a full stop at its end unless it has one.
pub fn sentences(texts: &[&str]) -> String {
    let ended = |text: &&str| match text.trim_end() {
        t if t.ends_with(['.', '!', '?', '…']) => t.to_owned(),
        t => format!("{t}."),
    };
    let all: Vec<String> = texts.iter().filter(|t| !t.trim().is_empty()).map(ended).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_once() {
        assert_eq!(
            sentences(&["The disk fails", "Look at dmesg.", ""]),
            "The disk fails. Look at dmesg."
        );
    }

    #[test]
    fn a_long_path_is_shortened_in_the_middle() {
        let long = format!("/start/{}/end.mp3", "é".repeat(9000));
        let told = message(&format!("cannot open {long}: File name too long (os error 36)"));
        assert!(told.starts_with("cannot open /start/é"), "{told}");
        assert!(told.ends_with("/end.mp3: File name too long (os error 36)"), "{told}");
        assert!(told.chars().count() < 170, "{told}");
        assert_eq!(path(&long).chars().count(), PATH_CHARS_MAX);
        assert!(message(&"word ".repeat(5000)).chars().count() <= MESSAGE_CHARS_MAX);
        assert_eq!(message("short, as it is"), "short, as it is");
    }
}
