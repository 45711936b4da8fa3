//! The worker: export, import and upkeep for one server.
//!
//! Start with [`steps`]; [`run()`] is what carries messages to them and events from them.
//!
//! *Invariant:* a worker knows no database. What it must remember is beside the media tree.
//! *Invariant:* of all tries of one step on one server, at most one acts at a time.
//! *Invariant:* a message is acknowledged only after what came of it is confirmed, or when
//! nothing is to come of it.

pub mod buffers;
mod changes;
pub mod context;
pub mod convert;
mod copy;
mod errand;
mod events;
mod fault;
mod fetch;
mod heartbeat;
mod held;
mod lanes;
pub mod limiter;
mod memory;
mod pace;
mod phase;
mod plays;
mod quarantine;
mod reread;
mod run;
pub mod steps;
mod trust;

pub use run::{WorkerError, run};
