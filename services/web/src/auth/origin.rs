//! Cross-site request forgery: a request that changes something and comes with a cookie must
//! come from our own pages.

use crate::problem::Problem;
use axum::http::{HeaderMap, Method, header};

/// Whether a method changes nothing.
pub const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The part of a URL that an `Origin` header holds: scheme, host and port.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(host);
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}

/// Whether the request comes from a page of `main_url`. Subdomains are other sites: an artist's
/// page on a cluster server must not act for an admin.
pub fn is_ours(headers: &HeaderMap, main_url: &str) -> bool {
    if let Some(origin) = headers.get(header::ORIGIN) {
        return origin.to_str().ok().and_then(origin_of) == origin_of(main_url);
    }
    headers.get("sec-fetch-site").is_some_and(|v| v == "same-origin")
}

/// Refuses (403) a form that a browser sends from a page that is not ours, where nobody is signed in
/// yet. Scripts send neither header, and gain nothing; a browser sends at least one.
pub fn check_form(headers: &HeaderMap, main_url: &str) -> Result<(), Problem> {
    let from_browser =
        headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if from_browser && !is_ours(headers, main_url) {
        return Err(Problem::foreign_page(main_url));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let main = "http://tourbus.localhost:8080";
        assert!(is_ours(&with("origin", "http://tourbus.localhost:8080"), main));
        assert!(is_ours(&with("sec-fetch-site", "same-origin"), main));
        for origin in [
            "http://server2.tourbus.localhost:8080",
            "https://tourbus.localhost:8080",
            "http://tourbus.localhost",
            "null",
        ] {
            assert!(!is_ours(&with("origin", origin), main), "{origin}");
        }
        assert!(!is_ours(&with("sec-fetch-site", "same-site"), main));
        assert!(!is_ours(&HeaderMap::new(), main));
        assert!(is_ours(&with("origin", "https://a.example"), "https://A.example:443/x"));
    }
}
