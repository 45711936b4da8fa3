//! Starting, serving, stopping.

use crate::{
    api,
    app::{App, Shared},
    assets,
    auth::{
        failures::{self, Failures},
        limiter::Limiter,
        turns::Turns,
    },
    count,
    feed::{self, Feed},
    headers,
    homes::Homes,
    joining::{Joining, binary::OwnProgram},
    pages,
    queues::Queues,
    refreshes::Refreshes,
    servers::delete::Revoker,
};
use axum::{Router, http::StatusCode, serve::ListenerExt};
use secrecy::ExposeSecret;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tourbus_config::WebConfig;
use tourbus_http::ClientError;
use tourbus_protocol::visitor::VisitorKey;
use tourbus_store::{Store, StoreError};
use tourbus_telemetry::{Health, Process};
use tourbus_tls::{Listener, TlsError};
use tourbus_topology::{Management, TopologyError};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::TimeoutLayer,
};

/// How often the database is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Longest time until an answer begins; streams go on after it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// Longest wait for requests that run when the process is asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the web service ended.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener broke.
    #[error("the listener failed: {0}")]
    Serve(std::io::Error),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client for the management API cannot be built.
    #[error("management: {0}")]
    Client(#[from] ClientError),
    /// The same, for servers that join.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The key for visitors is none.
    #[error("visitor_key is no Ed25519 private key: 64 hexadecimal digits are expected")]
    VisitorKey,
    /// The metrics recorder cannot be installed.
    #[error("metrics cannot be installed: {0}")]
    Health(String),
}

/// Serves until `shutdown`, then lets running requests finish, for at most ten seconds.
pub async fn run(config: WebConfig, shutdown: CancellationToken) -> Result<(), WebError> {
    let address = config.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| WebError::Listen { address, source })?;
    run_on(listener, config, shutdown).await
}

/// The same on a listener that is already bound; `listen` of the configuration is not looked at.
pub async fn run_on(
    listener: TcpListener,
    config: WebConfig,
    shutdown: CancellationToken,
) -> Result<(), WebError> {
    let health = Health::install(Process::Web, &["database"])
        .map_err(|e| WebError::Health(e.to_string()))?;
    let store = tokio::select! {
        store = Store::connect(&config.database) => store?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let feed = Feed::default();
    let tls = config.tls.clone();
    let failed = Arc::new(Failures::default());
    let window = Duration::from_secs(config.sign_in_window_s.into());
    let management = Management::new(&config.management)?;
    let revoker = Revoker::new(store.clone(), management, config.management.vhost.clone());
    let app = App::new(Shared {
        homes: Homes::default(),
        queues: Queues::new(config.management.clone(), store.clone())?,
        store: store.clone(),
        feed: feed.clone(),
        refreshes: Refreshes::default(),
        limiter: Limiter::default(),
        turns: Turns::default(),
        failures: failed.clone(),
        visitor_key: visitor_key(&config)?,
        sign_up_limiter: Limiter::default(),
        joining: Joining::new(&config)?,
        revoker: revoker.clone(),
        join_limiter: Limiter::default(),
        own_program: OwnProgram::default(),
        shutdown: shutdown.clone(),
        config,
    });
    let background = [
        tokio::spawn(feed::run(feed, store.clone(), shutdown.clone())),
        tokio::spawn(watch(store.clone(), health.clone())),
        tokio::spawn({
            let (app, shutdown) = (app.clone(), shutdown.clone());
            async move { app.queues.record(shutdown).await }
        }),
        tokio::spawn(revoker.run()),
        tokio::spawn(note_main_url(store.clone(), app.config.cluster.main_url.clone())),
        tokio::spawn(failures::run(failed.clone(), store.clone(), window, shutdown.clone())),
    ];
    tracing::info!(address = ?listener.local_addr().ok(), "web.listening");
    let listener = Listener::new(listener, tls.as_ref())?;
    let served = serve(listener, router(app).merge(health.router()), shutdown).await;
    for task in background {
        task.abort();
    }
    if let Err(error) = failed.flush(&store).await {
        tracing::warn!(%error, "audit.failed_sign_ins_lost");
    }
    if tokio::time::timeout(STOP_TIMEOUT, store.close()).await.is_err() {
        tracing::warn!("web.connections_left_open");
    }
    served
}

/// Web's key for visitors, if it has one.
pub(crate) fn visitor_key(config: &WebConfig) -> Result<Option<VisitorKey>, WebError> {
    let Some(text) = &config.visitor_key else { return Ok(None) };
    VisitorKey::from_hex(text.expose_secret()).map(Some).ok_or(WebError::VisitorKey)
}

async fn serve(
    listener: Listener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), WebError> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stop = shutdown.clone();
    // Tapping does nothing but make the peer's address known to handlers.
    let running = axum::serve(listener.tap_io(|_| ()), service)
        .with_graceful_shutdown(async move { stop.cancelled().await });
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        served = async { running.await } => served.map_err(WebError::Serve),
        () = deadline => {
            tracing::warn!("web.requests_cut_off");
            Ok(())
        }
    }
}

/// Every route except health and metrics.
fn router(app: App) -> Router {
    let answered_in_time =
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIMEOUT);
    Router::new()
        .merge(api::router(&app))
        .merge(pages::router(&app))
        .merge(assets::router())
        .fallback(pages::error::no_page)
        .layer(answered_in_time)
        .layer(CompressionLayer::new())
        .layer(axum::middleware::from_fn(count::request))
        .layer(axum::middleware::from_fn(headers::add))
        .layer(CatchPanicLayer::new())
        .with_state(app)
}

/// Until it is noted: the coordinator may have to migrate the database first.
async fn note_main_url(store: Store, main_url: String) {
    while let Err(error) = store.note_main_url(main_url.trim_end_matches('/')).await {
        tracing::debug!(%error, "web.main_url_not_noted");
        tokio::time::sleep(PING_EVERY).await;
    }
}

async fn watch(store: Store, health: Health) {
    let mut tick = tokio::time::interval(PING_EVERY);
    loop {
        tick.tick().await;
        health.set("database", store.ping().await.map_err(|e| e.to_string()));
    }
}
