//! The staging bucket: where a move's bytes wait between two servers.
//!
//! [`Staging`] is the whole of what Tourbus asks of a store; [`S3Staging`] is it over any
//! S3-compatible endpoint. This crate is the only one that knows the S3 SDK. Every backend must
//! pass the suite in `conformance` (behind the feature of that name).
//!
//! Staging is a waiting room, never the only place where something is: the source keeps its copy
//! until after the cutover. So a put need not survive the loss of the store's disk, but what a
//! get returns must be whole, and callers check BLAKE3 besides.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod s3;
mod staging;

pub use error::StagingError;
pub use s3::S3Staging;
pub use staging::{LIST_LIMIT_MAX, Object, Page, ProbeReport, Staging};
