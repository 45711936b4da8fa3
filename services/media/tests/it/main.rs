//! The media service over real TCP, on real files.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod escapes;
mod pages;
mod race;
mod ranges;
mod shop;
mod uploads;
mod validators;
