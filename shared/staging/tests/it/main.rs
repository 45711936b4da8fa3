//! The client against a server that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod config;
mod faults;
mod server;
