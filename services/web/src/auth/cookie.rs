//! The session cookie. It is for the master alone: no cluster server ever sees it. What the others
//! are told of who is signed in is another cookie, which opens nothing: see [`super::visitor`].

use axum::http::{HeaderMap, HeaderValue, header};
use std::net::IpAddr;
use tourbus_config::ClusterConfig;
use tourbus_store::SESSION_TTL_S;

/// Its name.
pub const NAME: &str = "tourbus_master";
/// A fresh token: this many random bytes, as hex.
const TOKEN_BYTES: usize = 32;

/// A fresh session token.
pub fn fresh_token() -> String {
    hex::encode(rand::random::<[u8; TOKEN_BYTES]>())
}

/// The token in the request's cookies, if it looks like one.
pub fn read(headers: &HeaderMap) -> Option<String> {
    let looks_right =
        |v: &&str| v.len() == TOKEN_BYTES * 2 && v.bytes().all(|b| b.is_ascii_hexdigit());
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
        .find(looks_right)
        .map(str::to_owned)
}

/// A cookie for every server of the cluster, or for the master alone.
pub(super) fn build(
    cluster: &ClusterConfig,
    name: &str,
    value: &str,
    max_age_s: i64,
    everywhere: bool,
) -> Option<HeaderValue> {
    // An address has no subdomains, and browsers refuse it as a cookie's domain.
    let domain = match cluster.main_domain.parse::<IpAddr>() {
        Err(_) if everywhere => format!("; Domain={}", cluster.main_domain),
        _ => String::new(),
    };
    let secure = if cluster.main_url.starts_with("https:") { "; Secure" } else { "" };
    let text = format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{domain}{secure}"
    );
    HeaderValue::from_str(&text).ok()
}

/// `Set-Cookie` that keeps the session for as long as the database does.
pub fn set(cluster: &ClusterConfig, token: &str) -> Option<HeaderValue> {
    build(cluster, NAME, token, SESSION_TTL_S.into(), false)
}

/// `Set-Cookie` that forgets the session.
pub fn clear(cluster: &ClusterConfig) -> Option<HeaderValue> {
    build(cluster, NAME, "", 0, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(domain: &str, url: &str) -> ClusterConfig {
        ClusterConfig { main_domain: domain.into(), main_url: url.into() }
    }

    #[test]
    fn the_session_stays_at_the_master_and_off_plain_http_when_it_can() {
        let named = set(&cluster("tourbus.localhost", "https://tourbus.localhost"), "ab").unwrap();
        assert_eq!(
            named.to_str().unwrap(),
            "tourbus_master=ab; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure"
        );
        let plain = set(&cluster("127.0.0.1", "http://127.0.0.1:8080"), "ab").unwrap();
        assert!(!plain.to_str().unwrap().contains("Secure"));
    }

    #[test]
    fn what_is_for_everybody_names_the_domain_if_it_has_a_name() {
        let shown = |domain: &str| {
            let cookie = build(&cluster(domain, "http://x"), "a", "b", 1, true).unwrap();
            cookie.to_str().unwrap().to_owned()
        };
        assert!(shown("tourbus.localhost").ends_with("; Domain=tourbus.localhost"));
        assert!(!shown("127.0.0.1").contains("Domain"));
    }

    #[test]
    fn only_a_token_is_read() {
        let token = fresh_token();
        let mut headers = HeaderMap::new();
        let text = format!("a=b; {NAME}=short; {NAME}={token}");
        headers.insert(header::COOKIE, text.parse().unwrap());
        assert_eq!(read(&headers), Some(token));
    }
}
