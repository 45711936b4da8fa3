//! Accepting connections: limits, timeouts, and an end that lets streams finish.

use crate::{MediaError, app::App, plays::Plays, stall::StallGuard};
use axum::Router;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tourbus_config::MediaConfig;
use tourbus_mediaroot::MediaRoot;
use tourbus_tls::{Listener, Stream};

/// Connections at once; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 4096;
/// Longest wait for a request's head; also how long an idle connection is kept.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long streams may go on after the shutdown was asked for.
const STREAMS_FINISH: Duration = Duration::from_secs(15);
/// Bound of a request's head, and of what is queued for a listener before the file is read on.
const CONNECTION_BUFFER_BYTES: usize = 64 << 10;

/// Serves on a bound listener until `shutdown`; `others` answers what is no media path
/// (health and metrics).
pub async fn serve(
    listener: TcpListener,
    config: &MediaConfig,
    others: Router,
    shutdown: CancellationToken,
) -> Result<(), MediaError> {
    let plays = resume_plays(config);
    let keeping = plays.clone().map(|plays| tokio::spawn(plays.keep(shutdown.clone())));
    let app = Arc::new(App::new(config, others, plays)?);
    let mut listener = Listener::new(listener, config.tls.as_ref())?;
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            () = shutdown.cancelled() => break,
            next = next => next,
        };
        let connection = connection(stream, peer.ip(), Arc::clone(&app), shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    // Each connection ends by itself within STREAMS_FINISH.
    connections.wait().await;
    if let Some(Err(error)) = match keeping {
        Some(keeping) => Some(keeping.await),
        None => None,
    } {
        tracing::error!(%error, "plays.keeper_failed");
    }
    Ok(())
}

/// A media root that cannot be written costs the counting, not the streams.
fn resume_plays(config: &MediaConfig) -> Option<Arc<Plays>> {
    match Plays::resume(&MediaRoot::new(&config.media_root)) {
        Ok(plays) => Some(Arc::new(plays)),
        Err(error) => {
            tracing::error!(%error, "plays.not_counted: mend the media root, then restart media");
            None
        }
    }
}

async fn connection(stream: Stream, peer: IpAddr, app: Arc<App>, shutdown: CancellationToken) {
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(StallGuard::new(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(STREAMS_FINISH, connection).await.ok()
        }
    };
    match ended {
        Some(Ok(())) => {}
        // Listeners leave all the time; it is not worth more than this.
        Some(Err(error)) => tracing::debug!(%error, "media.connection_ended"),
        None => tracing::info!("media.stream_cut_by_shutdown"),
    }
}

/// Lets this process open as many files as the system allows: a stream takes two descriptors.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current = limit.current, "media.descriptor_limit_not_raised");
    }
}
