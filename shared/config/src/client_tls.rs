//! Whom a process believes, and who it is itself, when it connects by TLS.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How certificates of the other side are judged, and what we show of our own. By default the
/// authorities that this machine believes (`/etc/ssl/certs`), and no certificate of our own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// Certificates of the authorities that are believed here, and no others; PEM. Read again
    /// when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The same as text; for configurations that Tourbus writes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Our own certificate, then those that vouch for it, if the other side asks for one; PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM; readable by this process only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl ClientTlsConfig {
    /// Only these authorities, given as text, if any.
    pub fn believing(ca_pem: Option<String>) -> Self {
        Self { ca_pem, ..Self::default() }
    }

    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What contradicts itself.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        if self.ca_file.is_some() && self.ca_pem.is_some() {
            return Some("has both ca_file and ca_pem: say one of them");
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Some("has only one of certificate and key: say both, or neither");
        }
        None
    }
}
