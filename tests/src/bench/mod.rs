//! Benchmarks, each against a peer in the same run: a whole move against `rclone` through the same
//! Garage, listeners against nginx, conversions against ffmpeg and lame.

mod control;
mod listeners;
mod load;
mod lofi;
mod measure;
mod moves;
mod nginx;
mod pages;
mod plays;

pub use control::{control, tabs};
pub use listeners::{front_door, media};
pub use lofi::lofi;
pub use moves::{huge, small, songs};
pub use pages::pages;
pub use plays::plays;
