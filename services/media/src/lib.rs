//! The media service: an artist's files to listeners, from the home server's own disk.
//!
//! It needs no database and no broker, and works while the master is down: all it knows is in
//! the media root.
//!
//! | path | answer |
//! |---|---|
//! | `/artists/{slug}` | the artist's page |
//! | `/artists/{slug}/media/{path}` | a file of the artist's tree, whole or a range of it |
//! | `/artists/{slug}/uploads…`, `/artists/{slug}/workshop…` | the artist's own changes |
//! | `/.well-known/tourbus?nonce=…` | which server this is, and a proof of it |
//! | `/healthz`, `/readyz`, `/metrics` | as on every process |
//!
//! Both artist paths answer 308 to the new home when the artist has moved away. Names that
//! begin with a dot are never served: they travel with the tree, but are nobody's to read.
//!
//! *Invariant:* no moment of a move answers a listener with an error; see
//! [`tourbus_mediaroot::serve`].

mod answer;
mod app;
mod body;
mod conditions;
mod counters;
mod file;
mod hifi;
mod identity;
mod kind;
mod page;
mod plays;
mod range;
mod request_path;
mod server;
mod stall;
mod watch;
mod waveform;
mod workshop;

use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tourbus_config::MediaConfig;
use tourbus_telemetry::{Health, Process};
use tourbus_tls::TlsError;

pub use server::serve;
pub use workshop::Inspected;

/// Why the media service could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A second metrics recorder in one process.
    #[error("metrics: {0}")]
    Metrics(String),
    /// The server's private key cannot be read.
    #[error("key_file {path}: {message}")]
    Key {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        message: String,
    },
    /// A public key for visitors is none.
    #[error("visitor_public_keys: {0}")]
    VisitorKey(String),
    /// The main URL or domain cannot stand in a header.
    #[error("cluster.{key} cannot stand in an HTTP header: {value:?}")]
    Cluster {
        /// Which setting.
        key: &'static str,
        /// What it is.
        value: String,
    },
}

/// Serves until `shutdown`; then streams have 15 s to finish.
pub async fn run(config: MediaConfig, shutdown: CancellationToken) -> Result<(), MediaError> {
    let health = Health::install(Process::Media, &["media_root"])
        .map_err(|e| MediaError::Metrics(e.to_string()))?;
    server::raise_descriptor_limit();
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| MediaError::Listen { address: config.listen, source })?;
    tracing::info!(server = %config.server, listen = %config.listen, "media.listening");
    let watch = watch::media_root(config.media_root.clone(), health.clone(), shutdown.clone());
    let serving = serve(listener, &config, health.router(), shutdown);
    let (served, ()) = tokio::join!(serving, watch);
    served
}
