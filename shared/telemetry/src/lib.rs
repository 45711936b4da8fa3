//! Logs, metrics and the health listener: the same on every process.

mod catalog;
mod health;
pub mod hold;
mod logs;
pub mod otlp;
pub mod trace;

pub use catalog::{Labels, Metric, Process, Type};
pub use health::{Health, serve};
pub use logs::{InitError, init, start};

/// A request's method as a label: strangers may send anything, and each label is a series.
pub fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("other")
}
