//! Numbers and times, for people.

use chrono::{DateTime, Utc};

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

/// `1,234,567`.
pub fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('−');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1.2 GB`: decimal units, as disks are sold.
pub fn bytes(n: i64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (n as f64, 0);
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value.abs() < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `2 min 5 s`: the two largest units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A rough span for an estimate: `about 2–4 min`.
pub fn span(low_s: u64, high_s: u64) -> String {
    let (unit, name) = match high_s {
        0..90 => (1, "s"),
        90..5400 => (60, "min"),
        _ => (3600, "h"),
    };
    let (low, high) = (low_s / unit, high_s.div_ceil(unit).max(1));
    if low == 0 {
        format!("less than {high} {name}")
    } else if low == high {
        format!("about {high} {name}")
    } else {
        format!("about {low}–{high} {name}")
    }
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

/// How much of the whole, 0 to 100.
pub fn percent(done: i64, total: i64) -> i64 {
    if total <= 0 { 0 } else { (done.max(0) * 100 / total).min(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0), count(999), count(1_234_567), count(-1000)],
            ["0", "999", "1,234,567", "−1,000"]
        );
        assert_eq!(
            [bytes(0), bytes(999), bytes(1500), bytes(123_456_789)],
            ["0 B", "999 B", "1.5 kB", "123 MB"]
        );
        assert_eq!(bytes(999_999_999), "1.0 GB");
        assert_eq!(
            [duration(5), duration(125), duration(3_700)],
            ["5 s", "2 min 5 s", "1 h 1 min"]
        );
        assert_eq!(span(0, 20), "less than 20 s");
        assert_eq!(span(100, 230), "about 1–4 min");
        assert_eq!(percent(5, 0), 0);
        assert_eq!(percent(7, 5), 100);
    }
}
