//! The crate on files: good ones, wrong ones, and ones that lie.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod broken;
mod convert;
mod corpus;
mod good;
mod lies;
mod memory;
/// The fuzzer's, so that it is tested with the rest.
#[path = "../../../../fuzz/src/mend.rs"]
mod mend;
mod panics;
mod quality;
mod support;
mod wav;
mod wrong;
