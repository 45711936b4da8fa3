//! `tourbus agent`, and what web tells servers that join.

use crate::{
    ClientTlsConfig, Inspection, Way, Ways,
    parts::{BrokerConfig, HealthConfig, StagingConfig, TelemetryConfig},
};
use serde::Deserialize;
use std::path::PathBuf;
use tourbus_domain::Slug;

/// `tourbus agent`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The server it reports for.
    pub server: Slug,
    /// Base URL of the master, without a trailing slash.
    pub master_url: String,
    /// Whom to believe there by https.
    #[serde(default)]
    pub master_tls: ClientTlsConfig,
    /// The file with the server's private key: 64 hexadecimal digits.
    pub key_file: PathBuf,
    /// Where it keeps the number of its last report, and what the checks found.
    pub state_dir: PathBuf,
    /// The server's media root.
    pub media_root: PathBuf,
    /// Health and metrics.
    pub health: HealthConfig,
    /// The broker, as the server's workers reach it.
    pub broker: BrokerConfig,
    /// The staging bucket, likewise.
    pub staging: StagingConfig,
    /// Where settings that have changed at the master are put, for `tourbus server run`; without
    /// it none are taken.
    pub settings_file: Option<PathBuf>,
    /// Disk that must stay free, in bytes.
    #[serde(default = "reserve")]
    pub disk_reserve_bytes: u64,
    /// How often it reports, in milliseconds.
    #[serde(default = "report_every")]
    pub report_every_ms: u64,
    /// How often the checks are run, in seconds.
    #[serde(default = "checks_every")]
    pub checks_every_s: u64,
    /// The same while one of them is red.
    #[serde(default = "red_checks_every")]
    pub red_checks_every_s: u64,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

impl Ways for AgentConfig {
    fn look(&self, inspection: &mut Inspection) {
        inspection.url(Way::MainUrl, "master_url", &self.master_url);
        let https = crate::is_https(&self.master_url).is_ok_and(|tls| tls);
        inspection.tls("master_tls", &self.master_tls, https);
        inspection.broker("broker", &self.broker);
        inspection.staging("staging", &self.staging);
        inspection.telemetry(&self.telemetry);
        inspection.listener(Way::Health, "health.listen", self.health.listen, None);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.allow_unencrypted
    }
}

const fn reserve() -> u64 {
    512 << 20
}
const fn report_every() -> u64 {
    5_000
}
const fn checks_every() -> u64 {
    300
}
const fn red_checks_every() -> u64 {
    30
}

/// What a server is told when it joins, besides what web itself uses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoiningConfig {
    /// Address of AMQP, as cluster servers reach it: `amqps://host:port`.
    pub broker_address: String,
    /// The authority that vouches for the broker, if it is none that every machine believes; PEM.
    pub broker_ca_file: Option<PathBuf>,
    /// The same for the master's own certificate.
    pub main_ca_file: Option<PathBuf>,
    /// The master's public keys, hex: whose orders servers obey.
    pub master_public_keys: Vec<String>,
    /// The staging bucket, as cluster servers reach it.
    pub staging: StagingConfig,
    /// How long an enrolment token lives, in seconds.
    #[serde(default = "token_ttl")]
    pub token_ttl_s: u32,
}

const fn token_ttl() -> u32 {
    60 * 60
}
