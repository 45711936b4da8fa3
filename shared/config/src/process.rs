//! One configuration per process.

use crate::parts::{
    BrokerConfig, ClusterConfig, DatabaseConfig, HealthConfig, ManagementConfig, Slots,
    StagingConfig, TelemetryConfig, TlsConfig, WorkerLimits,
};
use crate::{ClientTlsConfig, Network, Way, WebhooksConfig, agent::JoiningConfig};
use secrecy::SecretString;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};
use tourbus_domain::{MoveSettings, Slug};

/// `tourbus web`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Where pages, API, front door, health and metrics listen.
    pub listen: SocketAddr,
    /// Its certificate, to listen by TLS; without it, plain: put it behind a TLS proxy, or on loopback.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Names of the cluster.
    pub cluster: ClusterConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The broker's management API: read for the queue pages, written when a server joins or is
    /// deleted.
    pub management: ManagementConfig,
    /// What servers that join are told; without it none can join.
    pub joining: Option<JoiningConfig>,
    /// Takes http:// URLs of servers beyond loopback, where sign-ins and uploads travel readable.
    #[serde(default)]
    pub allow_plain_http_servers: bool,
    /// Disk that admission leaves free on a target, in bytes.
    #[serde(default = "reserve")]
    pub disk_reserve_bytes: u64,
    /// A server whose workers have been silent this long is offline, in seconds.
    #[serde(default = "offline_after")]
    pub offline_after_s: u32,
    /// Proxies in front of web: only from these is `X-Forwarded-For` believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// Web's own Ed25519 private key for visitors, 32 bytes in hex: with it it tells media services
    /// who is signed in and who may upload. Without it, neither is possible.
    #[serde(default)]
    pub visitor_key: Option<SecretString>,
    /// Failed sign-ins are written to the audit log counted over this time, in seconds.
    #[serde(default = "sign_in_window")]
    pub sign_in_window_s: u32,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

const fn sign_in_window() -> u32 {
    60
}

const fn reserve() -> u64 {
    512 << 20
}
const fn offline_after() -> u32 {
    60
}

/// `tourbus coordinator`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Health and metrics.
    pub health: HealthConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The broker.
    pub broker: BrokerConfig,
    /// The staging bucket, for sweeping what dead moves left.
    pub staging: StagingConfig,
    /// The master's first Ed25519 private key: 32 bytes, hex.
    pub signing_key: SecretString,
    /// Where the master's keys are kept once they have been rotated: a file that only this user
    /// can read, shared by all coordinators of the machine. Without it keys cannot be rotated.
    #[serde(default)]
    pub keyring: Option<PathBuf>,
    /// How long the master's key before the current one still counts, in seconds (7 days). Not
    /// less than `message_ttl_s`, or what waits on a lane for longer is refused and sent again.
    #[serde(default = "message_ttl")]
    pub key_window_s: u64,
    /// Numbers that steer a move.
    #[serde(default)]
    pub moves: MoveSettings,
    /// A try that no heartbeat has named for this long is sent again, in milliseconds.
    #[serde(default = "rescue_after")]
    pub rescue_after_ms: u64,
    /// How often rescue looks, in milliseconds.
    #[serde(default = "rescue_every")]
    pub rescue_every_ms: u64,
    /// How often staging is swept, in seconds.
    #[serde(default = "sweep_every")]
    pub sweep_every_s: u64,
    /// A signed message may be obeyed for this long, in seconds (7 days).
    #[serde(default = "message_ttl")]
    pub message_ttl_s: u64,
    /// Whom to believe at the servers' URLs.
    #[serde(default)]
    pub servers_tls: ClientTlsConfig,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// A server whose workers have been silent this long is offline, in seconds; as web has it.
    #[serde(default = "offline_after")]
    pub offline_after_s: u32,
    /// How webhooks are told.
    #[serde(default)]
    pub webhooks: WebhooksConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

const fn rescue_after() -> u64 {
    60_000
}
const fn rescue_every() -> u64 {
    5_000
}
const fn sweep_every() -> u64 {
    600
}
const fn message_ttl() -> u64 {
    7 * 24 * 60 * 60
}

/// `tourbus worker`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// The server it works for.
    pub server: Slug,
    /// This process, unique within the cluster, for example `server2-1`.
    pub worker: String,
    /// That server's media root.
    pub media_root: PathBuf,
    /// Health and metrics.
    pub health: HealthConfig,
    /// The broker.
    pub broker: BrokerConfig,
    /// The staging bucket.
    pub staging: StagingConfig,
    /// The master's public keys that it obeys, hex.
    pub master_public_keys: Vec<String>,
    /// Steps at a time, per lane.
    #[serde(default)]
    pub slots: Slots,
    /// Bounds.
    #[serde(default)]
    pub limits: WorkerLimits,
    /// The program whose `convert` makes small renditions; this very program without it.
    #[serde(default)]
    pub converter: Option<PathBuf>,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

/// `tourbus media`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaConfig {
    /// The server it serves for.
    pub server: Slug,
    /// Where it listens: media, health and metrics.
    pub listen: SocketAddr,
    /// Its certificate, to listen by TLS; without it, plain: put it behind a TLS proxy, or on
    /// loopback.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// That server's media root.
    pub media_root: PathBuf,
    /// Names of the cluster.
    pub cluster: ClusterConfig,
    /// The file with the server's private key, with which it proves to the master that it is
    /// this server; without it no proof is given.
    pub key_file: Option<PathBuf>,
    /// Web's public keys for visitors, hex: whose word is taken for who is signed in and who may
    /// upload. Without one nobody is signed in here, and nothing can be uploaded.
    #[serde(default)]
    pub visitor_public_keys: Vec<String>,
    /// The program whose `inspect` looks at uploaded songs; this very program without it.
    #[serde(default)]
    pub inspector: Option<PathBuf>,
    /// Proxies in front of media: only from these is `X-Forwarded-For` believed, so that plays
    /// are counted per listener and not per proxy.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

/// `tourbus staging`: the embedded S3 server of the local stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagingServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it keeps its objects.
    pub root: PathBuf,
    /// Made at start when missing.
    pub bucket: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: SecretString,
    /// Its certificate, to listen by TLS; without it, plain.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Logs and spans.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

/// `tourbus topology`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyConfig {
    /// The broker's management API, as an administrator.
    pub management: ManagementConfig,
    /// The coordinator's broker user.
    pub coordinator: UserConfig,
    /// Each server's broker user.
    #[serde(default)]
    pub servers: Vec<ServerUserConfig>,
    /// The master's database, which knows the servers that have joined; without it, only those
    /// of `servers` are known.
    pub database: Option<DatabaseConfig>,
    /// What may go unencrypted beyond this machine.
    #[serde(default)]
    pub allow_unencrypted: Vec<Way>,
}

/// A broker user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// Name.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// A server and its broker user's password (the user's name follows from the slug).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerUserConfig {
    /// Which server.
    pub slug: Slug,
    /// Password.
    pub password: SecretString,
}
