//! The path of a request: which artist, which file. From the raw bytes of the URI: file names
//! are whatever the file system allows, UTF-8 or not.

use crate::workshop::Place;
use tourbus_domain::Slug;
use tourbus_protocol::{
    TreePath,
    page::{ARCHIVE_DIR, IMPORT_DIR},
};

/// What a path under `/artists/` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The artist's page.
    Page(Slug),
    /// A file of the artist's tree.
    File(Slug, TreePath),
    /// Something of the artist's workshop.
    Workshop(Slug, Place),
    /// Nothing that can exist: a bad slug, a hidden name, an empty component, another route.
    Nothing,
    /// Not a path at all: a broken escape, `..`, NUL, a hidden slash.
    Malformed,
}

/// Reads what follows `/artists/`.
pub(crate) fn parse(rest: &str) -> Asked {
    let (slug, below) = rest.split_once('/').unwrap_or((rest, ""));
    let Ok(slug) = slug.parse::<Slug>() else { return Asked::Nothing };
    if below.is_empty() {
        return Asked::Page(slug);
    }
    if let Some(raw) = below.strip_prefix("media/") {
        return file(slug, raw);
    }
    workshop(below).map_or(Asked::Nothing, |place| Asked::Workshop(slug, place))
}

fn workshop(below: &str) -> Option<Place> {
    let mut parts = below.trim_end_matches('/').split('/');
    match (parts.next()?, parts.next()) {
        ("uploads", None) => Some(Place::Uploads),
        ("uploads", Some(id)) if parts.next().is_none() => id.parse().ok().map(Place::Upload),
        ("workshop", first) => {
            Some(Place::Workshop(first.into_iter().chain(parts).map(str::to_owned).collect()))
        }
        _ => None,
    }
}

fn file(slug: Slug, raw: &str) -> Asked {
    let mut path = Vec::with_capacity(raw.len());
    for part in raw.split('/') {
        if !path.is_empty() {
            path.push(b'/');
        }
        let start = path.len();
        if decode(part.as_bytes(), &mut path).is_none() {
            return Asked::Malformed;
        }
        let part = &path[start..];
        if part == b"." || part == b".." || part.contains(&b'/') || part.contains(&0) {
            return Asked::Malformed;
        }
        if part.is_empty() || part.starts_with(b".") {
            return Asked::Nothing;
        }
    }
    // What was taken over or dropped here, and nobody has looked at: not for listeners.
    let top = path.split(|b| *b == b'/').next().unwrap_or_default();
    if [ARCHIVE_DIR, IMPORT_DIR].iter().any(|dir| dir.as_bytes() == top) {
        return Asked::Nothing;
    }
    TreePath::new(path).map_or(Asked::Malformed, |path| Asked::File(slug, path))
}

/// Appends the bytes that a percent-encoded text stands for; `None` for a broken escape.
fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let mut bytes = text.iter();
    while let Some(b) = bytes.next() {
        if *b == b'%' {
            let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(*b);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use proptest::prelude::*;

    fn slug() -> Slug {
        "a".parse().unwrap()
    }

    #[test]
    fn pages_and_files() {
        assert_eq!(parse("a"), Asked::Page(slug()));
        assert_eq!(parse("a/"), Asked::Page(slug()));
        let path = TreePath::new(&b"x/y z.mp3"[..]).unwrap();
        assert_eq!(parse("a/media/x/y%20z.mp3"), Asked::File(slug(), path));
    }

    #[test]
    fn what_escapes_is_malformed() {
        for bad in ["..", "x/../y", "%2e%2e/x", "%2E./x", ".", "a%2fb", "%2fetc", "%00", "%", "%z1"]
        {
            assert_eq!(parse(&format!("a/media/{bad}")), Asked::Malformed, "{bad}");
        }
    }

    #[test]
    fn what_is_hidden_or_empty_is_nothing() {
        for none in [
            "a/media/",
            "a/media/.env",
            "a/media/x/.y",
            "a/media//etc",
            "a/media/x/",
            "a/media/%2eenv",
            "a/media/archive/config.php",
            "a/media/%61rchive/x",
            "a/media/import/new.mp3",
            "a/media/import",
            "a/other",
            "A",
            "",
            ".tourbus",
            "a/media",
        ] {
            assert_eq!(parse(none), Asked::Nothing, "{none}");
        }
    }

    proptest! {
        #[test]
        fn never_leaves_the_tree(raw in "[a%./2efEF0-9/]{0,24}") {
            if let Asked::File(_, path) = parse(&format!("a/media/{raw}")) {
                for part in path.as_bytes().split(|b| *b == b'/') {
                    prop_assert!(!part.is_empty() && !part.starts_with(b"."));
                }
            }
        }

        #[test]
        fn any_name_can_be_asked_for(name in proptest::collection::vec(any::<u8>(), 1..40)) {
            prop_assume!(name[0] != b'.' && !name.contains(&0) && !name.contains(&b'/'));
            let raw = percent_encode(&name, NON_ALPHANUMERIC).to_string();
            let path = TreePath::new(name).unwrap();
            prop_assert_eq!(parse(&format!("a/media/{raw}")), Asked::File(slug(), path));
        }
    }
}
