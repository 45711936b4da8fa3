//! `tourbus agent`, and what web tells servers that join.

use crate::parts::{BrokerConfig, HealthConfig, StagingConfig};
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
    /// `host:port` of AMQP, as cluster servers reach it.
    pub broker_address: String,
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
