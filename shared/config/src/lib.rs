//! Configuration: one struct per process, read from one TOML file and the environment, refused
//! at boot when it is inconsistent.
//!
//! Any value can be set from the environment: `TOURBUS__DATABASE__URL` sets `url` in
//! `[database]`. Environment wins over file. Unknown keys are errors, so a typo is never a
//! silent default. What would go unencrypted beyond this machine is refused unless
//! `allow_unencrypted` names it.

mod agent;
mod client_tls;
mod load;
mod looks;
mod network;
mod parts;
mod place;
mod process;
mod ways;
mod webhooks;

pub use agent::{AgentConfig, JoiningConfig};
pub use client_tls::ClientTlsConfig;
pub use load::{ConfigError, load, parse};
pub use network::{Network, NotANetwork};
pub use parts::{
    BrokerConfig, ClusterConfig, DatabaseConfig, HealthConfig, LogFormat, ManagementConfig, Slots,
    StagingConfig, TelemetryConfig, TlsConfig, WorkerLimits,
};
pub use place::{BrokerPlace, NoPlace, is_https, is_localhost, is_readable};
pub use process::{
    CoordinatorConfig, MediaConfig, ServerUserConfig, StagingServerConfig, TopologyConfig,
    UserConfig, WebConfig, WorkerConfig,
};
pub use ways::{Inspection, Way, WayFault, Ways};
pub use webhooks::{WEBHOOK_URL_BYTES_MAX, WebhooksConfig, webhook_url_fault};
