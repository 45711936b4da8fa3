//! A path inside an artist's tree, as bytes: file names are whatever the file system allows.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

/// Longest path, in bytes; Linux's `PATH_MAX` less its NUL.
pub const PATH_BYTES_MAX: usize = 4095;

/// A relative path without `.`, `..`, empty parts or NUL; the empty path is the tree itself.
///
/// As text it is percent-escaped: `%`, control characters and every byte that is not valid
/// UTF-8 become `%XX`; everything else stays readable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

/// Why some bytes are no [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreePathError {
    /// Absolute, or with an empty, `.` or `..` part.
    #[error("{0:?} would leave the artist's tree")]
    Escapes(String),
    /// A NUL byte, or longer than [`PATH_BYTES_MAX`].
    #[error("{0:?} is not a path a file system can hold")]
    Impossible(String),
    /// A `%` not followed by two hex digits.
    #[error("{0:?} is not a percent-escaped path")]
    BadEscape(String),
}

impl TreePath {
    /// Checks raw bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TreePathError> {
        let bytes = bytes.into();
        let shown = || escape(&bytes);
        if bytes.contains(&0) || bytes.len() > PATH_BYTES_MAX {
            return Err(TreePathError::Impossible(shown()));
        }
        let escapes = |part: &[u8]| matches!(part, b"" | b"." | b"..");
        if !bytes.is_empty() && bytes.split(|b| *b == b'/').any(escapes) {
            return Err(TreePathError::Escapes(shown()));
        }
        Ok(Self(bytes))
    }

    /// A path that the program makes itself, of names that it knows. Panics when it is none: a mistake
    /// in the program.
    #[track_caller]
    pub fn known(text: impl Into<String>) -> Self {
        Self::new(text.into()).expect("a path that the program makes itself")
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a relative file system path; empty for the tree itself.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether it is the tree itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of an entry of this directory.
    pub fn join(&self, name: &OsStr) -> Result<Self, TreePathError> {
        let mut bytes = self.0.clone();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name.as_bytes());
        Self::new(bytes)
    }

    /// Reads the escaped text.
    pub fn parse(text: &str) -> Result<Self, TreePathError> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'%' {
                let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
                let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
                bytes.push(byte.ok_or_else(|| TreePathError::BadEscape(text.to_owned()))?);
                rest = &tail[2..];
            } else {
                bytes.push(first);
                rest = tail;
            }
        }
        Self::new(bytes)
    }
}

fn escape(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' || c.is_control() {
                let mut buf = [0; 4];
                for b in c.encode_utf8(&mut buf).bytes() {
                    // Writing to a String cannot fail.
                    write!(out, "%{b:02X}").unwrap_or_default();
                }
            } else {
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            write!(out, "%{b:02X}").unwrap_or_default();
        }
    }
    out
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", escape(&self.0))
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_leaves_the_tree() {
        for bad in ["/etc", "..", "a/../b", "a//b", "a/", "./a", "%2e%2e/x", "%00"] {
            assert!(TreePath::parse(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn shows_odd_names_readably() {
        let path = TreePath::new(b"caf\xc3\xa9/\xff\n%.mp3".to_vec()).unwrap();
        assert_eq!(path.to_string(), "café/%FF%0A%25.mp3");
    }

    proptest! {
        #[test]
        fn every_path_survives_its_text(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(path) = TreePath::new(bytes) {
                prop_assert_eq!(TreePath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
