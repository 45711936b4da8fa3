use super::*;

#[test]
fn texts_are_cleaned() {
    assert_eq!(clean("  A\tnice\u{0}\u{7} song \n"), Some("A nice song".to_owned()));
    assert_eq!(clean("\u{202E}evil\u{FEFF}"), Some("evil".to_owned()));
    assert_eq!(clean(" \u{0} "), None);
    assert_eq!(clean(""), None);
}

#[test]
fn long_texts_are_cut_between_characters() {
    let text = clean(&"ü".repeat(500)).unwrap();
    assert_eq!(text.chars().count(), TEXT_CHARS_MAX);
    let text = clean(&format!("{} {}", "a".repeat(TEXT_CHARS_MAX - 1), "b")).unwrap();
    assert_eq!(text.len(), TEXT_CHARS_MAX - 1);
}
