//! Benchmarks, each against a peer in the same run: a whole move against `rclone` through the same
//! Garage, listeners against nginx.

mod listeners;
mod load;
mod measure;
mod moves;
mod nginx;
mod pages;

pub use listeners::{front_door, media};
pub use moves::{huge, small, songs};
pub use pages::pages;
