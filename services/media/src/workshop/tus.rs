//! The tus protocol's headers, version 1.0.0: resumable uploads over HTTP (tus.io/protocols).

use super::problem::Problem;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The one version that is spoken.
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// The type of what PATCH carries.
const OCTETS: &str = "application/offset+octet-stream";
/// Largest upload, in bytes (100 GiB).
pub(super) const BYTES_MAX: u64 = 100 << 30;
/// Longest `Upload-Metadata` that is read, in bytes.
const METADATA_BYTES_MAX: usize = 8 << 10;

/// On every answer.
pub(super) fn stamp(headers: &mut HeaderMap) {
    headers.insert(RESUMABLE, VERSION);
}

/// What this server can do, for OPTIONS.
pub(super) fn describe(headers: &mut HeaderMap) {
    headers.insert("tus-version", VERSION);
    headers.insert("tus-extension", HeaderValue::from_static("creation,expiration,termination"));
    headers.insert("tus-max-size", HeaderValue::from(BYTES_MAX));
}

/// Refuses clients of another version.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(RESUMABLE) == Some(&VERSION) {
        return Ok(());
    }
    let detail = "The request does not say `Tus-Resumable: 1.0.0`.";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "tus_version", detail)
        .remedy("Use a client of the tus protocol, version 1.0.0."))
}

/// A header that holds a number of bytes.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    let value = headers.get(name).and_then(|v| v.to_str().ok());
    let digits = value.filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|v| v.parse().ok()).ok_or_else(|| {
        let detail = match value {
            None => format!("The header {name} is missing."),
            Some(value) => format!("The header {name} is {value:?}, which is no number of bytes."),
        };
        Problem::bad_request("bad_header", detail)
            .remedy("Use a client of the tus protocol, version 1.0.0.")
    })
}

/// PATCH says what it carries.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(http::header::CONTENT_TYPE).is_some_and(|v| v == OCTETS) {
        return Ok(());
    }
    let detail = format!("The request's Content-Type is not {OCTETS}.");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type", detail))
}

/// The value of a key in `Upload-Metadata`: pairs of a key and a base64 text, between commas.
pub(super) fn metadata(headers: &HeaderMap, key: &str) -> Result<Option<String>, Problem> {
    let bad = |detail: &str| {
        Problem::bad_request("bad_metadata", detail)
            .remedy("Send `filename` and `kind`, each with its value in base64, between commas.")
    };
    let Some(text) = headers.get(METADATA) else { return Ok(None) };
    if text.len() > METADATA_BYTES_MAX {
        return Err(bad("Upload-Metadata is longer than 8 KiB."));
    }
    let text = text.to_str().map_err(|_| bad("Upload-Metadata is not ASCII."))?;
    for pair in text.split(',') {
        let (name, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        if name == key {
            let bytes = STANDARD.decode(value.trim());
            let bytes = bytes.map_err(|_| bad(&format!("The value of {key} is not base64.")))?;
            let text = String::from_utf8(bytes);
            return text.map(Some).map_err(|_| bad(&format!("The value of {key} is not UTF-8.")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn metadata_is_found_by_its_key() {
        let headers = with(METADATA, "kind c29uZw==, filename w6kubXAz,empty");
        assert_eq!(metadata(&headers, "filename").unwrap().as_deref(), Some("é.mp3"));
        assert_eq!(metadata(&headers, "kind").unwrap().as_deref(), Some("song"));
        assert_eq!(metadata(&headers, "empty").unwrap().as_deref(), Some(""));
        assert_eq!(metadata(&headers, "other").unwrap(), None);
        for bad in ["filename !!", "filename /w=="] {
            assert_eq!(
                metadata(&with(METADATA, bad), "filename").unwrap_err().code,
                "bad_metadata"
            );
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(number(&with(LENGTH, "12"), &LENGTH).unwrap(), 12);
        for bad in ["", "-1", "+1", " 1", "1.5", "99999999999999999999999"] {
            assert_eq!(
                number(&with(LENGTH, bad), &LENGTH).unwrap_err().code,
                "bad_header",
                "{bad}"
            );
        }
        assert_eq!(number(&HeaderMap::new(), &LENGTH).unwrap_err().code, "bad_header");
    }

    #[test]
    fn other_versions_are_told_which_is_spoken() {
        assert!(check(&with(RESUMABLE, "1.0.0")).is_ok());
        assert_eq!(check(&with(RESUMABLE, "0.2.2")).unwrap_err().status, 412);
        assert_eq!(check(&HeaderMap::new()).unwrap_err().status, 412);
    }
}
