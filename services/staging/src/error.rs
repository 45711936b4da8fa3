//! Why the embedded store cannot run.

use std::{net::SocketAddr, path::PathBuf};
use tourbus_tls::TlsError;

/// Why the embedded store did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StagingServerError {
    /// The directory cannot be made or used.
    #[error("cannot keep staging objects in {path}: {source}")]
    Root {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another staging server keeps its objects there.
    #[error("another staging server is using {path}: stop it, or set another root")]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// The configured bucket is no bucket name.
    #[error("{bucket:?} cannot be a bucket: use 3 to 63 of a-z, 0-9, - and .")]
    Bucket {
        /// The name.
        bucket: String,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics could not be set up.
    #[error("cannot set up metrics: {0}")]
    Metrics(String),
}
