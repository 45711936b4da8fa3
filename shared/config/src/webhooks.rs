//! How webhooks are told.

use crate::{ClientTlsConfig, Network};
use serde::Deserialize;

/// `[webhooks]` of `tourbus coordinator`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// Addresses of this machine and of private networks that a webhook may be at. Without any, only
    /// public addresses are connected to, so that nobody reaches the cluster's own services through
    /// a webhook.
    pub allow_private: Vec<Network>,
    /// Whom to believe by https.
    pub tls: ClientTlsConfig,
    /// Tries of one delivery at most (10).
    pub tries_max: u32,
    /// Longest wait for a receiver's whole answer, in milliseconds (10 s).
    pub timeout_ms: u64,
    /// Before the second try, in milliseconds (5 s); each later wait is three and a half times as
    /// long.
    pub retry_base_ms: u64,
    /// Longest wait between two tries, in milliseconds (8 h).
    pub retry_max_ms: u64,
    /// A webhook at which nothing has arrived for so long is switched off, in seconds (3 days).
    pub off_after_s: u64,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            tls: ClientTlsConfig::default(),
            tries_max: 10,
            timeout_ms: 10_000,
            retry_base_ms: 5_000,
            retry_max_ms: 8 * 60 * 60 * 1000,
            off_after_s: 3 * 24 * 60 * 60,
        }
    }
}

/// Longest URL of a webhook, in bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2000;

/// Why a webhook cannot be at this URL, in a sentence; none if it can.
pub fn webhook_url_fault(url: &str) -> Option<&'static str> {
    if url.len() > WEBHOOK_URL_BYTES_MAX {
        return Some("The URL is longer than 2000 bytes.");
    }
    let parsed = match url::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
        _ => return Some("The URL does not begin with https:// and name a host."),
    };
    if parsed.host_str().is_none_or(str::is_empty) {
        return Some("The URL names no host.");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Some("The URL holds a user name or a password, which would not be sent.");
    }
    if parsed.fragment().is_some() {
        return Some("The URL has a part behind #, which is never sent.");
    }
    (url.chars().any(char::is_whitespace) || url.contains('\0'))
        .then_some("The URL has a space or a NUL in it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_at_a_plain_url() {
        for good in ["https://hooks.example/a?b=c", "http://127.0.0.1:8080/"] {
            assert_eq!(webhook_url_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "hooks.example",
            "ftp://hooks.example/",
            "https://u:p@hooks.example/",
            "https://hooks.example/#a",
            "https://hooks.example/ a",
        ] {
            assert!(webhook_url_fault(bad).is_some(), "{bad}");
        }
        assert!(webhook_url_fault(&format!("https://h.example/{}", "x".repeat(2000))).is_some());
    }
}
