//! Conditional requests (RFC 9110, section 13): what may be answered without the bytes.

use crate::range::{self, Range};
use http::{HeaderMap, HeaderName, Method, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tourbus_mediaroot::serve::OpenFile;

/// Last second that an HTTP date can say (the end of the year 9999).
const HTTP_DATE_MAX_S: u64 = 253_402_300_799;

/// What tells one version of a file from another. Made of size and modification time only,
/// which a move carries over: so a download goes on across a move.
pub(crate) struct Validators {
    /// Strong entity tag, quotes included.
    pub(crate) etag: String,
    /// Modification time, cut to what HTTP can say.
    pub(crate) modified: SystemTime,
}

impl Validators {
    /// Of a file.
    pub(crate) fn of(file: &OpenFile) -> Self {
        let etag = format!("\"{:x}-{:x}-{:x}\"", file.bytes, file.mtime_s, file.mtime_ns);
        let seconds = u64::try_from(file.mtime_s).unwrap_or(0).min(HTTP_DATE_MAX_S);
        Self { etag, modified: UNIX_EPOCH + Duration::from_secs(seconds) }
    }
}

/// What to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200, 206 or 416.
    Send(Range),
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Weighs a request's conditions, in the RFC's order.
pub(crate) fn judge(
    method: &Method,
    headers: &HeaderMap,
    validators: &Validators,
    bytes: u64,
) -> Verdict {
    // Most requests come without any.
    if let Some(tags) = headers.get(header::IF_MATCH) {
        if !lists(tags.as_bytes(), &validators.etag, false) {
            return Verdict::Failed;
        }
    } else if let Some(since) = date(headers, &header::IF_UNMODIFIED_SINCE)
        && validators.modified > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        let all = headers.get_all(header::IF_NONE_MATCH);
        if all.iter().any(|tags| lists(tags.as_bytes(), &validators.etag, true)) {
            return Verdict::NotModified;
        }
    } else if let Some(since) = date(headers, &header::IF_MODIFIED_SINCE)
        && validators.modified <= since
    {
        return Verdict::NotModified;
    }
    if method != Method::GET || !range_applies(headers, validators) {
        return Verdict::Send(Range::Whole);
    }
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    Verdict::Send(range.map_or(Range::Whole, |value| range::parse(value, bytes)))
}

/// `If-Range`: a tag or a date that must be exactly ours, else the range is void.
fn range_applies(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    if value.as_bytes() == validators.etag.as_bytes() {
        return true;
    }
    date(headers, &header::IF_RANGE) == Some(validators.modified)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whether a list of tags names ours. Our tags hold no comma, so the list may be cut at commas.
fn lists(tags: &[u8], ours: &str, weak: bool) -> bool {
    tags.split(|b| *b == b',').map(<[u8]>::trim_ascii).any(|tag| {
        let tag = if weak { tag.strip_prefix(b"W/").unwrap_or(tag) } else { tag };
        tag == b"*" || tag == ours.as_bytes()
    })
}

#[cfg(test)]
mod tests;
