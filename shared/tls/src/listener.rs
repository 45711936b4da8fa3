//! The listener: hands out connections that are ready to be read.

use crate::{Stream, TlsError, certificate::Certificates};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use tourbus_config::TlsConfig;

/// Longest wait for a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once; more connections wait in the kernel's backlog.
const HANDSHAKES_MAX: usize = 256;
/// Pause after a failed accept: descriptors or memory have run out, and come back slowly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Tls>,
    shaking: JoinSet<Option<(Stream, SocketAddr)>>,
}

struct Tls {
    acceptor: TlsAcceptor,
    _watching: AbortOnDropHandle<()>,
}

impl Listener {
    /// Accepts by TLS if a certificate is named, and follows changes of it. Needs a runtime.
    pub fn new(tcp: TcpListener, config: Option<&TlsConfig>) -> Result<Self, TlsError> {
        let tls = match config {
            None => None,
            Some(config) => {
                let certificates = Certificates::load(config)?;
                let acceptor = TlsAcceptor::from(Arc::new(certificates.server_config()?));
                let watching = AbortOnDropHandle::new(tokio::spawn(certificates.watch()));
                Some(Tls { acceptor, _watching: watching })
            }
        };
        Ok(Self { tcp, tls, shaking: JoinSet::new() })
    }

    /// The next connection. Goes on over any fault. Cancel-safe.
    pub async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            let accepted = tokio::select! {
                Some(done) = self.shaking.join_next() => match done {
                    Ok(Some(ready)) => return ready,
                    Ok(None) | Err(_) => continue,
                },
                accepted = self.tcp.accept(), if self.shaking.len() < HANDSHAKES_MAX => accepted,
            };
            if let Ok((stream, _)) = &accepted
                && let Err(error) = stream.set_nodelay(true)
            {
                tracing::debug!(%error, "listener.nodelay_failed");
            }
            match (accepted, &self.tls) {
                (Ok((stream, peer)), None) => return (Stream::Plain(stream), peer),
                (Ok((stream, peer)), Some(tls)) => {
                    self.shaking.spawn(shake(tls.acceptor.clone(), stream, peer));
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "listener.accept_failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// One handshake; a slow one delays nobody.
async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<(Stream, SocketAddr)> {
    match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some((Stream::Tls(Box::new(stream.into())), peer)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "listener.handshake_failed");
            None
        }
        Err(_) => {
            tracing::debug!("listener.handshake_too_slow");
            None
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}
