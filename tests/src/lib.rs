//! What the end-to-end tests and benches stand on: clusters of real processes, a client of the
//! API, trees that are hard to copy, and waiting that says what it last saw.

pub mod api;
pub mod authority;
pub mod axe;
pub mod bench;
pub mod browser;
pub mod garage;
pub mod slow;
pub mod song;
pub mod support;
pub mod tree;
pub mod tus;
pub mod wait;
