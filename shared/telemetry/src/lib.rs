//! Logs, metrics and the health listener: the same on every process.

mod health;
pub mod hold;
mod logs;

pub use health::{Health, serve};
pub use logs::{InitError, init};
