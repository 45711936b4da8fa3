//! End to end on real parts. Run with `make test`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::similar_names, reason = "`order` and `other` are what they are")]
#![allow(missing_docs, reason = "tests are named after what they prove")]

mod accessible;
mod actions;
mod adopt;
mod broker;
mod browser;
mod cli;
mod control;
mod encrypted;
mod faults;
mod house;
mod joining;
mod lanes;
mod limits;
mod listeners;
mod lock_and_key;
mod lofi;
mod lofi_pages;
mod messages;
mod moves;
mod new_artists;
mod operator;
mod ordinary;
mod player;
mod plays;
mod quarantine;
mod rabbit;
mod rotation;
mod staging;
mod steps;
mod store;
mod telemetry;
mod tls;
mod topology;
mod troubles;
mod up;
mod uploads;
mod verify;
mod web;
mod webhooks;
mod worker;
mod workshop;
