//! The `Range` header: one range of bytes. Several ranges at once are answered with the whole
//! file, as RFC 9110 allows: no player asks for them.

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// Everything: no range, one we do not understand, or several.
    Whole,
    /// From the first to the last byte, inclusive.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// A range that begins behind the end.
    Unsatisfiable,
}

/// Reads the header's value for a file of this size. An empty file has no ranges: it is always
/// answered whole, so that a client that adds a range to every request can have it.
pub(crate) fn parse(value: &str, bytes: u64) -> Range {
    let Some((unit, ranges)) = value.split_once('=') else { return Range::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || bytes == 0 {
        return Range::Whole;
    }
    let mut parts = ranges.split(',').map(str::trim).filter(|p| !p.is_empty());
    let (Some(one), None) = (parts.next(), parts.next()) else { return Range::Whole };
    let Some((from, to)) = one.split_once('-') else { return Range::Whole };
    match (number(from), number(to)) {
        (Some(first), Some(last)) if first > last => Range::Whole,
        (Some(first), _) if first >= bytes && (to.is_empty() || number(to).is_some()) => {
            Range::Unsatisfiable
        }
        (Some(first), Some(last)) => Range::Part { first, last: last.min(bytes - 1) },
        (Some(first), None) if to.is_empty() => Range::Part { first, last: bytes - 1 },
        (None, Some(0)) if from.is_empty() => Range::Unsatisfiable,
        (None, Some(suffix)) if from.is_empty() => {
            Range::Part { first: bytes.saturating_sub(suffix), last: bytes - 1 }
        }
        _ => Range::Whole,
    }
}

/// Digits only; what is too big for 64 bits is behind the end of every file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc() {
        let part = |first, last| Range::Part { first, last };
        for (value, want) in [
            ("bytes=0-499", part(0, 499)),
            ("bytes=500-999", part(500, 999)),
            ("bytes=-500", part(9500, 9999)),
            ("bytes=9500-", part(9500, 9999)),
            ("Bytes = 0-0", part(0, 0)),
            ("bytes=9999-123456789", part(9999, 9999)),
            ("bytes=-99999", part(0, 9999)),
            ("bytes=0-99999999999999999999999", part(0, 9999)),
            ("bytes=10000-", Range::Unsatisfiable),
            ("bytes=99999999999999999999999-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-0,-1", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=1-b", Range::Whole),
            ("bytes=-", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("bytes=", Range::Whole),
            ("items=0-1", Range::Whole),
            ("bytes", Range::Whole),
        ] {
            assert_eq!(parse(value, 10_000), want, "{value}");
        }
        assert_eq!(parse("bytes=0-", 0), Range::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", bytes: u64) {
            if let Range::Part { first, last } = parse(&value, bytes) {
                prop_assert!(first <= last && last < bytes);
            }
        }
    }
}
