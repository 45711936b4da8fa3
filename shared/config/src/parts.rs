//! Sections that several processes share.

use crate::ClientTlsConfig;
use secrecy::SecretString;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};

/// PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Most connections that this process keeps.
    #[serde(default = "ten")]
    pub connections_max: u32,
}

const fn ten() -> u32 {
    10
}

/// RabbitMQ, for publishing and consuming.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// `amqps://host:port`, or `amqp://host:port` without encryption; `host:port` means the latter.
    pub address: String,
    /// Whom to believe by amqps, and our own certificate if the broker asks for one. All of it is
    /// read again whenever a connection is rebuilt.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Virtual host, for example `/` or `tourbus`.
    pub vhost: String,
    /// User; also stamped on every message as `user-id`, which the broker checks.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// AMQP heartbeat, in seconds.
    #[serde(default = "amqp_heartbeat")]
    pub heartbeat_s: u16,
}

const fn amqp_heartbeat() -> u16 {
    10
}

/// RabbitMQ's management API, for declaring and for looking.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementConfig {
    /// Base URL, for example `http://127.0.0.1:15672`.
    pub url: String,
    /// Whom to believe by https.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Virtual host.
    pub vhost: String,
    /// User with the `administrator` tag to declare, `monitoring` to look.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// The staging bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagingConfig {
    /// Base URL of the S3 endpoint; buckets are addressed path-style.
    pub endpoint: String,
    /// Whom to believe by https.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Region; Garage's default is `garage`.
    pub region: String,
    /// Bucket.
    pub bucket: String,
    /// Put before every key; for several clusters in one bucket. Empty, or ends in `/`.
    #[serde(default)]
    pub prefix: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: SecretString,
    /// Longest wait for one request, in seconds.
    #[serde(default = "request_timeout")]
    pub request_timeout_s: u64,
    /// Tries of one request, the first included.
    #[serde(default = "request_attempts")]
    pub attempts_max: usize,
}

const fn request_timeout() -> u64 {
    60
}
const fn request_attempts() -> usize {
    5
}

/// A certificate and its key. Both files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate, then those that vouch for it, up to but without the root; PEM.
    pub certificate: PathBuf,
    /// The private key, PEM; readable by this process only.
    pub key: PathBuf,
}

/// What everybody must agree on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// The domain that all servers are under: cookies are set for it.
    pub main_domain: String,
    /// Base URL of the master's front door, without a trailing slash.
    pub main_url: String,
}

/// How a process logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What a process tells of itself, besides metrics.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How it logs, `text` or `json`; `TOURBUS_LOG_FORMAT` wins.
    pub log_format: LogFormat,
    /// Base URL of a collector that takes OTLP over HTTP, for example `http://127.0.0.1:4318`; spans
    /// go to `/v1/traces` there. Without it none are sent.
    pub otlp_endpoint: Option<String>,
    /// Whom to believe there by https.
    pub otlp_tls: ClientTlsConfig,
}

/// The health and metrics listener: `/healthz`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// How many steps of each lane one worker process does at a time. The prefetch of a lane
/// equals its slots, so a crash never burns the delivery count of a message nobody works on.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slots {
    /// Lane `export`.
    pub export: u16,
    /// Lane `express`.
    pub express: u16,
    /// Lane `import`.
    pub import: u16,
    /// Lane `lofi`: songs that were uploaded just now. As many as there are cores by default.
    pub lofi: u16,
    /// Lane `lofi-bulk`: songs that are converted by the thousand. They give way to everything
    /// else. As many as there are cores by default.
    pub lofi_bulk: u16,
    /// Lane `verify`: artists whose files are read back. Each reads at the rate that its order says.
    pub verify: u16,
    /// Lane `upkeep`.
    pub upkeep: u16,
}

impl Default for Slots {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let cores = u16::try_from(cores).unwrap_or(u16::MAX);
        Self {
            export: 2,
            express: 1,
            import: 4,
            lofi: cores,
            lofi_bulk: cores,
            verify: 1,
            upkeep: 8,
        }
    }
}

/// Bounds of one worker process.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerLimits {
    /// Size of a staged chunk; 1 MiB to 64 MiB.
    pub chunk_bytes: usize,
    /// Chunk buffers in memory at once, over all slots: memory is at most this times
    /// `chunk_bytes`, plus a constant.
    pub chunk_buffers: usize,
    /// A segment is closed when it carries this much.
    pub segment_bytes: u64,
    /// A segment is closed when it names this many entries.
    pub segment_entries: usize,
    /// A segment is closed when it has been open this long, in milliseconds.
    pub segment_age_ms: u64,
    /// How often a heartbeat is sent, in milliseconds.
    pub heartbeat_ms: u64,
    /// How long one delivery is held at most before its step continues in a new one, in seconds.
    pub delivery_hold_s: u64,
    /// How long a shutdown waits for running steps before it hands them back, in seconds.
    pub shutdown_s: u64,
    /// Disk that an import leaves free, in bytes.
    pub disk_reserve_bytes: u64,
    /// Steps that fail in a row by this server's own fault before it goes into quarantine;
    /// 0 means never.
    pub quarantine_after: u32,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            chunk_bytes: 8 << 20,
            chunk_buffers: 4,
            segment_bytes: 32 << 20,
            segment_entries: 4096,
            segment_age_ms: 1_000,
            heartbeat_ms: 5_000,
            delivery_hold_s: 600,
            shutdown_s: 15,
            disk_reserve_bytes: 256 << 20,
            quarantine_after: 5,
        }
    }
}
