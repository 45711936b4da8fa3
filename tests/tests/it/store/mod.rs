//! The store on a real database: admission, idempotence, events, cutover, counters.

mod drain;
mod enqueue;
mod fixture;
mod inputs;
mod outbox;
mod plays;
mod servers;
