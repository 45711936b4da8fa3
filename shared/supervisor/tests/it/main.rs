//! The supervisor with real processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod orphans;
mod restarts;
mod stage;
mod stops;
