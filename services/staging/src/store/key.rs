//! From keys to paths.

use s3s::{S3Result, s3_error};
use std::path::PathBuf;

/// Longest name of a file on the file systems we know.
const NAME_BYTES_MAX: usize = 255;

/// The path of a key below its bucket. Never leaves it, and no two keys share a path.
pub(super) fn relative_path(key: &str) -> S3Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in key.split('/') {
        match part {
            "" | "." | ".." => {
                return Err(s3_error!(
                    InvalidArgument,
                    "this store keeps keys as paths: no part may be empty, . or .."
                ));
            }
            _ if part.contains('\0') => {
                return Err(s3_error!(InvalidArgument, "a key with a NUL byte"));
            }
            _ if part.len() > NAME_BYTES_MAX => {
                return Err(s3_error!(
                    KeyTooLongError,
                    "this store keeps keys as paths: no part may be longer than 255 bytes"
                ));
            }
            _ => path.push(part),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::relative_path;

    #[test]
    fn ordinary_keys_are_their_own_path() {
        for key in ["a", "a/b/c", ".hidden", "a..b/...", "ключ/ü", "a\\b"] {
            assert_eq!(relative_path(key).unwrap().to_str(), Some(key));
        }
    }

    #[test]
    fn keys_that_would_leave_or_collide_are_refused() {
        let long = "x".repeat(256);
        for key in ["", "/", "/a", "a/", "a//b", "./a", "a/./b", "../a", "a/..", "a\0b", &long] {
            assert!(relative_path(key).is_err(), "{key:?}");
        }
    }
}
