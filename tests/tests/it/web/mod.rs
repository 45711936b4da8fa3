//! The web service on a real database: its API, its sign-in, its front door, its live feed.

mod api;
mod fixture;
mod live;
mod messages;
mod sign_in;
