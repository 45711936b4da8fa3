//! Logging: to standard error, text or JSON.

use crate::otlp;
use tourbus_config::{LogFormat, TelemetryConfig};
use tourbus_http::ClientError;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `TOURBUS_LOG` is not a filter.
    #[error("TOURBUS_LOG={0:?} is not a log filter such as `info` or `info,tourbus_worker=debug`")]
    Filter(String),
    /// Something set up logging before.
    #[error("logging was set up twice: {0}")]
    Twice(String),
    /// `TOURBUS_LOG_FORMAT` names no format.
    #[error("TOURBUS_LOG_FORMAT={0:?} is no format of logs: say `text` or `json`")]
    Format(String),
    /// There is no way to the collector.
    #[error("telemetry.otlp_endpoint: {0}")]
    Otlp(#[from] ClientError),
}

/// What is logged unless `TOURBUS_LOG` says otherwise. lapin prints the bodies of returned
/// messages, and its faults are told by our own broker crate; sqlx repeats PostgreSQL's notices.
const DEFAULT_FILTER: &str = "info,lapin=off,sqlx::postgres::notice=warn";

/// Sets up logging for this process. `TOURBUS_LOG` filters (default: all from `info` up);
/// `TOURBUS_LOG_FORMAT=json` writes one JSON object a line.
pub fn init() -> Result<(), InitError> {
    init_as(LogFormat::Text)
}

/// The same for a service, as its configuration says (the environment wins), and sends its spans
/// where that says. Call once, within the runtime; `service` is its name, for example `web`.
pub fn start(config: &TelemetryConfig, service: &str) -> Result<(), InitError> {
    init_as(config.log_format)?;
    Ok(otlp::start(config, service)?)
}

fn init_as(configured: LogFormat) -> Result<(), InitError> {
    let text = std::env::var("TOURBUS_LOG").unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|_| InitError::Filter(text))?;
    let json = match std::env::var("TOURBUS_LOG_FORMAT").as_deref() {
        Err(_) => configured == LogFormat::Json,
        Ok("json") => true,
        Ok("text" | "") => false,
        Ok(other) => return Err(InitError::Format(other.to_owned())),
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(true);
    let layer = if json {
        layer.json().flatten_event(true).boxed()
    } else {
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
        layer.with_ansi(ansi).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|e| InitError::Twice(e.to_string()))
}
