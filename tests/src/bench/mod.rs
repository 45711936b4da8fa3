//! Benchmarks: the whole of a move against `rclone` through the same Garage, in the same run.

mod measure;
mod moves;
mod pages;

pub use moves::{huge, small, songs};
pub use pages::pages;
