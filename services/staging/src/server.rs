//! The listener.

use crate::{error::StagingServerError, front::Front, s3::Objects, store::DirStore};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use secrecy::ExposeSecret;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tourbus_config::StagingServerConfig;
use tourbus_telemetry::{Health, Process};
use tourbus_tls::{Listener, Stream};

/// Connections at once; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
/// Longest wait for a request's head on an open connection.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How long requests under way may take after a shutdown was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// `tourbus staging`: serves until `shutdown`, with `/healthz`, `/readyz` and `/metrics` on the
/// same listener.
pub async fn run(
    config: StagingServerConfig,
    shutdown: CancellationToken,
) -> Result<(), StagingServerError> {
    let health = Health::install(Process::Staging, &["objects"])
        .map_err(|e| StagingServerError::Metrics(e.to_string()))?;
    let server = Server::bind(&config).await?;
    health.set("objects", Ok(()));
    server.serve(Some(health), shutdown).await;
    Ok(())
}

/// A store that listens but does not serve yet.
pub struct Server {
    listener: Listener,
    store: Arc<DirStore>,
    auth: SimpleAuth,
}

impl Server {
    /// Opens the directory, makes the bucket, removes what a killed process left half done, and
    /// listens. Port 0 takes a free one.
    pub async fn bind(config: &StagingServerConfig) -> Result<Self, StagingServerError> {
        let (root, bucket) = (config.root.clone(), config.bucket.clone());
        let opened = tokio::task::spawn_blocking(move || DirStore::open(&root, &bucket)).await;
        let store = opened.map_err(|e| StagingServerError::Root {
            path: config.root.clone(),
            source: std::io::Error::other(e),
        })??;
        let listen = config.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| StagingServerError::Listen { listen, source })?;
        let listener = Listener::new(listener, config.tls.as_ref())?;
        let secret = config.secret_key.expose_secret();
        let auth = SimpleAuth::from_single(config.access_key.clone(), secret);
        Ok(Self { listener, store: Arc::new(store), auth })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`; then requests under way have a few seconds to end.
    pub async fn serve(mut self, health: Option<Health>, shutdown: CancellationToken) {
        let mut s3 = S3ServiceBuilder::new(Objects::new(self.store));
        s3.set_auth(self.auth);
        let front = Front::new(s3.build(), health);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tracing::info!(listen = ?self.listener.local_addr().ok(), "staging.listening");

        while let Some((stream, slot)) = accept(&mut self.listener, &slots, &shutdown).await {
            let conn = http.serve_connection(TokioIo::new(stream), front.clone());
            let conn = graceful.watch(conn.into_owned());
            tokio::spawn(async move {
                if let Err(error) = conn.await {
                    tracing::debug!(error, "staging.connection_broke");
                }
                drop(slot);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!("staging.drain_timed_out");
        }
    }
}

type Accepted = (Stream, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is room for it; `None` at shutdown.
async fn accept(
    listener: &mut Listener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<Accepted> {
    shutdown
        .run_until_cancelled(async {
            // The semaphore is never closed.
            let slot = Arc::clone(slots).acquire_owned().await.ok()?;
            let (stream, _) = listener.accept().await;
            Some((stream, slot))
        })
        .await
        .flatten()
}
