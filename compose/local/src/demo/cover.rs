//! Covers: a few shapes in colours of one's own.

use super::{plan::ArtistPlan, rng::Rng};
use std::fmt::Write as _;

/// An SVG of 480 by 480.
pub(super) fn svg(artist: &ArtistPlan) -> String {
    let mut rng = Rng::of(*b"covers  ", artist.index as u64);
    let hue = rng.below(360);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 480\" width=\"480\" height=\"480\">\n\
         <rect width=\"480\" height=\"480\" fill=\"hsl({hue} 45% 32%)\"/>\n"
    );
    for _ in 0..4 + rng.below(5) {
        let (x, y, radius) = (rng.below(480), rng.below(480), 30 + rng.below(150));
        let (tint, light) = ((hue + 20 + rng.below(90)) % 360, 40 + rng.below(35));
        // Writing to a String cannot fail.
        writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"hsl({tint} 60% {light}%)\" opacity=\".55\"/>"
        )
        .unwrap_or_default();
    }
    let initials: String = artist
        .name
        .split(' ')
        .filter_map(|w| w.chars().next())
        .filter(|c| c.is_alphanumeric())
        .take(3)
        .collect();
    write!(
        svg,
        "<text x=\"32\" y=\"440\" font-family=\"Georgia, serif\" font-size=\"120\" fill=\"#fff\">{initials}</text>\n</svg>\n"
    )
    .unwrap_or_default();
    svg
}
