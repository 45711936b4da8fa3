//! Staging a tree: what export and sync have in common.
//!
//! ```text
//!  walk ─▶ plan: what is not staged yet, in chunks ─▶ fill (blocking) ─▶ put ─▶ segment ─▶ journal
//!                                                     └── several at once ──┘   in order
//! ```

mod fill;
pub mod journal;
mod plan;
mod segment;
mod stage;

pub use fill::Writers;
pub use journal::Journal;
pub use segment::{file, to_json};
pub use stage::stage;
