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
