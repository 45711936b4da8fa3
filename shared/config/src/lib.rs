//! Configuration: one struct per process, read from one TOML file and the environment, refused
//! at boot when it is inconsistent.
//!
//! Any value can be set from the environment: `TOURBUS__DATABASE__URL` sets `url` in
//! `[database]`. Environment wins over file. Unknown keys are errors, so a typo is never a
//! silent default.

mod agent;
mod load;
mod network;
mod parts;
mod process;

pub use agent::{AgentConfig, JoiningConfig};
pub use load::{ConfigError, load, parse};
pub use network::{Network, NotANetwork};
pub use parts::{
    BrokerConfig, ClusterConfig, DatabaseConfig, HealthConfig, ManagementConfig, Slots,
    StagingConfig, TlsConfig, WorkerLimits,
};
pub use process::{
    CoordinatorConfig, MediaConfig, ServerUserConfig, StagingServerConfig, TopologyConfig,
    UserConfig, WebConfig, WorkerConfig,
};
