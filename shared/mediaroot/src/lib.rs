//! One server's media root on disk: artists' trees, and the hidden state beside them.
//!
//! Everything is on one file system, so that promotion and retirement are renames. See
//! [`layout`] for the drawing.

pub mod layout;
pub mod serve;

pub use layout::MediaRoot;
