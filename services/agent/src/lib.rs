//! The agent: reports to the master for one server, runs the server's checks, takes settings
//! that have changed.
//!
//! ```text
//!   agent ──report, signed with the server's key, numbered──▶ web (master)
//!     ▲  ◀──checks wanted? settings? the master's clock─────────┘
//!     └ checks: broker, staging, media root, disk, clock, version
//! ```
//!
//! *Invariant:* only outbound connections; nobody asks the agent anything.
//! *Invariant:* what it finds is also in [`state`], so that whoever stands before the server sees
//! the same as the master's page, with the network gone too.

mod checks;
mod master;
mod report;
mod settings;
pub mod state;
mod users;

pub use report::run;
pub use users::user_name;

use std::path::PathBuf;
use tourbus_http::ClientError;
use tourbus_supervisor::SupervisorError;

/// Why an agent cannot start. Once started it goes on over any fault of its parts.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Metrics were installed twice in this process.
    #[error("cannot install metrics: {0}")]
    Metrics(String),
    /// The health address is taken.
    #[error("cannot listen on {address} for health and metrics: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The server's private key cannot be read.
    #[error("key_file {path}: {message}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// Its own directory cannot be used.
    #[error(transparent)]
    State(#[from] SupervisorError),
    /// The master's URL is none, or certificates cannot be used.
    #[error("master_url: {0}")]
    Master(#[from] ClientError),
}
