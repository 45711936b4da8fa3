//! The embedded store, in this process, on a free port.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod conformance;
mod leftovers;
mod support;
