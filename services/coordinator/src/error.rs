//! What ends a coordinator.

use crate::KeyringError;
use std::net::SocketAddr;
use tourbus_staging::StagingError;
use tourbus_store::StoreError;

/// Why a coordinator could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The health listener's address cannot be had.
    #[error("cannot listen on {listen} for health and metrics: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Metrics were installed twice in this process.
    #[error("cannot install metrics: {0}")]
    Metrics(String),
    /// The master's keys cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The staging section is wrong.
    #[error("staging: {0}")]
    Staging(#[from] StagingError),
    /// The database refuses us, for good.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug: a task panicked.
    #[error("a task of the coordinator died: {0}")]
    TaskDied(tokio::task::JoinError),
}
