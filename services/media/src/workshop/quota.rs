//! How much an artist may have.

use super::problem::Problem;
use http::StatusCode;
use tourbus_mediaroot::{Beneath, UploadState, uploads};

/// What an artist has and is bringing, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(super) struct Usage {
    /// On disk, what has arrived of uploads included; without what is made here of it.
    pub(super) used_bytes: u64,
    /// What uploads that have begun still bring.
    pub(super) coming_bytes: u64,
}

/// Looks at the whole tree.
pub(super) fn usage(tree: &Beneath) -> Result<Usage, Problem> {
    let used_bytes =
        tourbus_mediaroot::size_of_own(tree).map_err(tourbus_mediaroot::Unreadable::Walk)?;
    let coming = |(upload, arrived): (tourbus_mediaroot::Upload, u64)| match upload.state {
        UploadState::Receiving => upload.bytes.saturating_sub(arrived),
        UploadState::Placed { .. } | UploadState::Refused { .. } => 0,
    };
    Ok(Usage { used_bytes, coming_bytes: uploads(tree)?.into_iter().map(coming).sum() })
}

/// Refuses what would not fit.
pub(super) fn check(usage: Usage, quota_bytes: u64, more_bytes: u64) -> Result<(), Problem> {
    let taken = usage.used_bytes.saturating_add(usage.coming_bytes);
    let left = quota_bytes.saturating_sub(taken);
    if more_bytes <= left {
        return Ok(());
    }
    let detail = format!(
        "The file is {} too large: it has {}, and {} of your {} are free.",
        shown(more_bytes - left),
        shown(more_bytes),
        shown(left),
        shown(quota_bytes)
    );
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "over_quota", detail)
        .remedy("Delete something first, or ask an admin for more room."))
}

/// `1.5 GB`; for people.
pub(super) fn shown(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" });
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coming_counts() {
        let usage = Usage { used_bytes: 50, coming_bytes: 30 };
        assert!(check(usage, 100, 20).is_ok());
        let refused = check(usage, 100, 21).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.status), ("over_quota", 413));
        assert!(
            refused.detail.contains("1 byte too large")
                && refused.detail.contains("20 bytes of your 100 bytes"),
            "{}",
            refused.detail
        );
        assert!(check(usage, 10, 0).is_ok(), "a quota that was lowered");
    }

    #[test]
    fn sizes_are_readable() {
        for (bytes, want) in
            [(0, "0 bytes"), (1500, "1.5 kB"), (9_990_000, "10 MB"), (2 << 30, "2.1 GB")]
        {
            assert_eq!(shown(bytes), want);
        }
    }
}
