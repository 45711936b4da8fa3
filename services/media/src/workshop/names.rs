//! Names of uploaded files: what a person called them, made safe for a disk, a page and a header.

use super::problem::Problem;

/// Longest name that is taken, in bytes: what file systems hold.
const NAME_BYTES_MAX: usize = 255;
/// Longest stem of a name that is given, in bytes; there is room for a number and an extension.
const STEM_BYTES_MAX: usize = 120;

/// Characters that turn text around or are not seen: a name may not look like another.
pub(super) const fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Refuses names that no honest browser sends, saying why.
pub(super) fn check(name: &str) -> Result<(), Problem> {
    let bad = |detail: &str| {
        Err(Problem::bad_request("bad_name", detail).remedy("Give the file a plain name."))
    };
    if name.trim().is_empty() {
        return bad("The file has no name.");
    }
    if name.len() > NAME_BYTES_MAX {
        return bad("The file's name is longer than 255 bytes.");
    }
    if name.contains(['/', '\\']) || matches!(name, "." | "..") {
        return bad("The file's name is a path.");
    }
    if name.chars().any(char::is_control) {
        return bad("The file's name holds a control character.");
    }
    if name.chars().any(hides) {
        return bad(
            "The file's name holds a character that is not seen, or that turns text around.",
        );
    }
    Ok(())
}

/// The name without what follows its last dot.
pub(super) fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// What follows a name's last dot, if it is short and plain; in lower case.
pub(super) fn extension(name: &str) -> Option<String> {
    let (stem, end) = name.rsplit_once('.')?;
    let plain = (1..=10).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && !stem.is_empty()).then(|| end.to_ascii_lowercase())
}

/// A name for the disk: letters and digits of any script, and `-`, `_`, `.` between them.
pub(super) fn safe(stem: &str, extension: Option<&str>) -> String {
    let mut name = String::new();
    for c in stem.chars() {
        // Accents may be characters of their own.
        let kept = c.is_alphanumeric() || matches!(c, '_' | '.' | '\u{300}'..='\u{36f}');
        let c = if kept { c } else { '-' };
        if name.len() + c.len_utf8() > STEM_BYTES_MAX {
            break;
        }
        let doubled = matches!(c, '-' | '.') && (name.is_empty() || name.ends_with(['-', '.']));
        if !doubled {
            name.push(c);
        }
    }
    let name = name.trim_end_matches(['-', '.']);
    let name = if name.is_empty() { "file" } else { name };
    extension.map_or_else(|| name.to_owned(), |end| format!("{name}.{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        let long = "x".repeat(4096);
        for bad in [
            "",
            " ",
            "../a",
            "a/b",
            "..",
            "a\\b",
            "a\0b",
            "a\nb",
            "gpj.\u{202e}3pm",
            "a\u{200b}",
            &long,
        ] {
            assert_eq!(check(bad).unwrap_err().code, "bad_name", "{bad:?}");
        }
        for good in ["a.mp3", "Été noir (live).flac", "坂本.wav", ".hidden", "a..b"] {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn names_stay_readable() {
        for (name, want) in [
            ("01 River of Glass", "01-River-of-Glass"),
            ("Été (live!)", "Été-live"),
            ("...", "file"),
            ("a -- b", "a-b"),
        ] {
            assert_eq!(safe(name, Some("mp3")), format!("{want}.mp3"));
        }
        assert_eq!((stem("a.b.mp3"), stem(".mp3"), stem("a")), ("a.b", ".mp3", "a"));
        assert_eq!(extension("a.TXT").as_deref(), Some("txt"));
        assert_eq!((extension("a"), extension(".a"), extension("a.b c")), (None, None, None));
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_visible_component(name in "\\PC{0,200}") {
            let safe = safe(&name, None);
            prop_assert!(!safe.is_empty() && safe.len() <= STEM_BYTES_MAX);
            prop_assert!(!safe.starts_with('.') && !safe.contains(['/', '\0']));
        }
    }
}
