//! A song's waveform, drawn for the page.

use std::fmt::Write as _;
use tourbus_lofi::Peaks;
use tourbus_mediaroot::Beneath;
use tourbus_protocol::TreePath;

/// Largest waveform that is read, in bytes.
const BYTES_MAX: u64 = 256 << 10;
/// Columns of the picture.
const COLUMNS: usize = 200;
/// Half of the picture's height: the loudest reaches so far from the middle.
const HALF: f32 = 16.0;

/// The waveform as a path in a box of 200 to 32; `None` when there is none that can be read.
pub(crate) fn drawn(tree: &Beneath, path: &TreePath) -> Option<String> {
    let bytes = tree.read_all(path, BYTES_MAX).ok()??;
    Some(path_of(&Peaks::from_dat(&bytes).ok()?.overview(COLUMNS)))
}

/// One bar a column, from its lowest to its highest sample; the loudest fills the height.
fn path_of(columns: &[(i8, i8)]) -> String {
    let loudest =
        columns.iter().map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs())).max();
    let scale = HALF / f32::from(loudest.unwrap_or(0).max(1));
    let mut path = String::with_capacity(columns.len() * 16);
    for (x, (low, high)) in columns.iter().enumerate() {
        // Silence is seen as a line.
        let top = HALF - (f32::from(*high) * scale).max(0.4);
        let bottom = HALF - (f32::from(*low) * scale).min(-0.4);
        // Writing to a String cannot fail.
        write!(path, "M{x} {top:.1}V{bottom:.1}").unwrap_or_default();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_column_fills_the_height_and_silence_is_a_line() {
        assert_eq!(path_of(&[(-64, 64), (0, 0), (-32, 16)]), "M0 0.0V32.0M1 15.6V16.4M2 12.0V24.0");
        assert_eq!(path_of(&[]), "");
    }
}
