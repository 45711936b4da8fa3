//! The web service: admin pages, JSON API, sign-in, front door.
pub mod auth;
pub use auth::password;
