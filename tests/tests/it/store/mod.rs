//! The store on a real database: admission, idempotence, events, cutover, counters.

mod balance;
mod catalogue;
mod control;
mod drain;
mod enqueue;
pub(crate) mod fixture;
mod inputs;
mod lofi;
mod many;
mod outbox;
mod plays;
mod servers;
mod verify;
mod webhooks;
