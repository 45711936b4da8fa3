//! The media service over real TCP, on real files.

mod escapes;
mod pages;
mod race;
mod ranges;
mod shop;
mod validators;
