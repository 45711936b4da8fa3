//! The worker: export, import and upkeep for one server.
//!
//! Start with [`steps`]; [`run()`] is what carries messages to them and events from them.

pub mod buffers;
pub mod context;
mod copy;
mod fault;
mod fetch;
pub mod steps;
