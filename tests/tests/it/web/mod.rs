//! The web service on a real database: its API, its sign-in, its front door, its live feed.

mod access;
mod accounts;
mod admin_commands;
mod api;
mod attack;
mod control;
pub(crate) mod fixture;
mod links;
mod live;
mod lofi;
mod malformed;
mod many;
mod many_batches;
mod messages;
mod people;
mod servers;
mod sign_in;
mod sign_up;
mod verify;
mod webhooks;
