//! Numbers as people write and read them.

pub use tourbus_domain::numbers::{bytes, count, duration, percent, span};

/// Reads `20MB`, `1.5 GB`, `64KiB` or a plain number of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number and a unit, such as 500kB, 20MB, 1.5GB or 64MiB".to_owned();
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit: u64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number * unit as f64;
    // Whatever is larger is no rate of a disk.
    if (1.0..1e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for (text, bytes) in [
            ("20MB", 20_000_000),
            ("1.5 GB", 1_500_000_000),
            ("64KiB", 65_536),
            ("500kB", 500_000),
            ("17", 17),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "fast", "-5MB", "0", "NaN", "inf", "5 miles", "1e99GB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
