//! Between a cluster server and the master, over HTTP: joining, reports, proof of identity.

use crate::{CheckResult, server_key::ServerKey};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ServerId, Slug};

/// Clocks that differ by more than this are told, and keep a server from joining, in seconds.
pub const CLOCK_OFF_MAX_S: i64 = 60;

/// A server asks to be let in. Over https or loopback only: it carries the token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The enrolment token.
    pub token: String,
    /// The server's own Ed25519 public key, hex.
    pub public_key: String,
    /// The version that it runs.
    pub version: String,
    /// Its clock.
    pub at: DateTime<Utc>,
}

/// It is let in. Carries secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// Who it is from now on.
    pub server: Identity,
    /// Its access to the broker.
    pub broker: BrokerAccess,
    /// What may change later.
    pub settings: Settings,
    /// The master's version.
    pub version: String,
}

/// Who a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: ServerId,
    /// Its name in hosts, queues and users.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// Where the master reaches it.
    pub ip: String,
    /// Its base URL.
    pub url: String,
}

/// A server's access to the broker. The password is told once, in the answer to joining.
#[derive(Clone, Serialize, Deserialize)]
pub struct BrokerAccess {
    /// Where it is, as [`BrokerPlace::address`]; what the settings say later wins.
    pub address: String,
    /// Virtual host.
    pub vhost: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPlace {
    /// `amqps://host:port`, or `amqp://host:port`, or `host:port`, which is the latter.
    pub address: String,
    /// Certificates of the private authorities that vouch for it, PEM; none when it is one that
    /// every machine believes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Access to the staging bucket.
#[derive(Clone, Serialize, Deserialize)]
pub struct StagingAccess {
    /// Base URL of the endpoint.
    pub endpoint: String,
    /// Who vouches for it by https, as [`BrokerPlace::ca`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Region.
    pub region: String,
    /// Bucket.
    pub bucket: String,
    /// Before every key.
    pub prefix: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// What the master tells every server, and may change.
#[derive(Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The domain that all servers are under.
    pub main_domain: String,
    /// Base URL of the master.
    pub main_url: String,
    /// Who vouches for the master itself by https, as [`BrokerPlace::ca`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_ca: Option<String>,
    /// Where the broker is; none from a master that does not say: then where it was on joining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerPlace>,
    /// The master's public keys, hex: whose orders are obeyed.
    pub master_public_keys: Vec<String>,
    /// Web's public keys for visitors, hex: whose word media services take for who is signed in and
    /// who may upload; none from a master that has no such key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visitor_public_keys: Vec<String>,
    /// The staging bucket.
    pub staging: StagingAccess,
}

impl Settings {
    /// Names these settings without telling them: BLAKE3 of them, hex.
    pub fn fingerprint(&self) -> Result<String, serde_json::Error> {
        Ok(blake3::hash(&serde_json::to_vec(self)?).to_hex().to_string())
    }
}

/// What an agent reports every few seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whose agent.
    pub server: Slug,
    /// Higher than that of any report before: so none can be replayed.
    pub seq: u64,
    /// The server's clock.
    pub at: DateTime<Utc>,
    /// The version that it runs.
    pub version: String,
    /// Checks that have been run since the last report that was taken; empty for none.
    pub checks: Vec<CheckResult>,
    /// The fingerprint of the settings that it has; none if it cannot take new ones.
    pub settings: Option<String>,
}

/// A report on the wire: kept byte for byte, signed with the server's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReport {
    /// Whose key signed it.
    pub server: Slug,
    /// A [`Report`], as JSON text.
    pub report: String,
    /// Ed25519 over a prefix and `report`, hex.
    pub signature: String,
}

/// The master's answer to a report. May carry secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// The master's clock.
    pub at: DateTime<Utc>,
    /// The master's version.
    pub version: String,
    /// Whether the checks are to be run now.
    pub checks_wanted: bool,
    /// Every check as the master knows it, its own included.
    pub checks: Vec<CheckResult>,
    /// The settings, if they are not those that the report names.
    pub settings: Option<Settings>,
}

impl SignedReport {
    /// Signs.
    pub fn new(report: &Report, key: &ServerKey) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(report)?;
        let signature = key.sign_report(&text);
        Ok(Self { server: report.server.clone(), report: text, signature })
    }
}

/// What the media service answers at `/.well-known/tourbus?nonce=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProof {
    /// Which server answers.
    pub server: Slug,
    /// The version that it runs.
    pub version: String,
    /// Ed25519 over a prefix, the server's name and the nonce, hex; absent without a nonce, or
    /// when it has no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}
