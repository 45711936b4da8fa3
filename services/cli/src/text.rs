//! Text that came from others, on a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character does something rather than being seen: it could steer the terminal, or turn
/// around what stands beside it.
fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// In one line.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// In the lines that it has.
pub fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The beginning of a text that is wider than `columns_max`, with an ellipsis.
pub fn cut(text: &str, columns_max: usize) -> String {
    if width(text) <= columns_max {
        return text.to_owned();
    }
    let mut left = columns_max.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(line("a\u{1b}]0;x\u{7}\nb\u{202e}c"), "a\u{fffd}]0;x\u{fffd}\u{fffd}b\u{fffd}c");
        assert_eq!(lines("a\nb\r"), "a\nb\u{fffd}");
        assert_eq!(line("Mötley – 音楽"), "Mötley – 音楽");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("音楽"), 4);
        assert_eq!(cut("音楽家", 5), "音楽…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
    }
}
