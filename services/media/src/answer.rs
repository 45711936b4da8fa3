//! Answers that are no file.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri, header};

/// Answer with this status, type and text.
pub(crate) fn whole(
    status: StatusCode,
    media_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, media_type);
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// A sentence for people; never cached, since an artist may come (back) at any time.
pub(crate) fn sentence(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = whole(status, "text/plain; charset=utf-8", text);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// Pages of any origin may read what is everybody's to hear. A browser puts a song together from
/// two servers, before and after a move, only if both say so.
pub(crate) const ANYBODY: HeaderValue = HeaderValue::from_static("*");

/// 308 to the same path on the artist's new home. A 308 is cacheable by default, but the artist
/// may come back.
pub(crate) fn moved(home: &str, uri: &Uri) -> Response<Body> {
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let Ok(location) = HeaderValue::from_str(&format!("{home}{path}")) else {
        return sentence(StatusCode::BAD_REQUEST, "This path cannot stand in a header.\n");
    };
    let text = "The artist has moved to another server; please follow.\n";
    let mut response = sentence(StatusCode::PERMANENT_REDIRECT, text);
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    response
}

/// Adds a header with a constant value.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
