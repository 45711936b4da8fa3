//! Logging: to standard error, text or JSON.

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
}

/// What is logged unless `TOURBUS_LOG` says otherwise. lapin prints the bodies of returned
/// messages, and its faults are told by our own broker crate; sqlx repeats PostgreSQL's notices.
const DEFAULT_FILTER: &str = "info,lapin=off,sqlx::postgres::notice=warn";

/// Sets up logging for this process. `TOURBUS_LOG` filters (default: all from `info` up);
/// `TOURBUS_LOG_FORMAT=json` writes one JSON object a line.
pub fn init() -> Result<(), InitError> {
    let text = std::env::var("TOURBUS_LOG").unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|_| InitError::Filter(text))?;
    let json = std::env::var("TOURBUS_LOG_FORMAT").is_ok_and(|f| f == "json");
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
