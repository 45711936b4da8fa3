//! The coordinator: relays the outbox, applies events, drives every job.
