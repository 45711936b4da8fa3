//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Moves artists between the servers of a music community.
#[derive(Debug, Parser)]
#[command(name = "tourbus", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the demo cluster: PostgreSQL, RabbitMQ, staging and every service, in the foreground
    Up(Up),
    /// Bring the database named in a web configuration up to date
    Migrate(ConfigFile),
    /// Show, declare or check the broker's exchanges, lanes, policies and permissions
    Topology(Topology),
    #[command(flatten)]
    Service(Service),
}

/// One role of the cluster.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Admin pages, JSON API, sign-in and front door
    Web(ConfigFile),
    /// Relays the outbox, applies events, drives every job
    Coordinator(ConfigFile),
    /// Export, import and upkeep for one server
    Worker(ConfigFile),
    /// Serves the artists of one server
    Media(ConfigFile),
    /// The embedded S3 server of the local stack
    Staging(ConfigFile),
}

#[derive(Debug, ClapArgs)]
pub struct ConfigFile {
    /// A TOML file; `TOURBUS__SECTION__KEY` in the environment wins over it
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct Topology {
    #[command(subcommand)]
    pub action: TopologyAction,
}

#[derive(Debug, Subcommand)]
pub enum TopologyAction {
    /// Print what should be on the broker
    Show(ConfigFile),
    /// Make the broker so
    Declare(ConfigFile),
    /// Print how the broker differs; exit status 1 if it does
    Doctor(ConfigFile),
}

#[derive(Debug, ClapArgs)]
pub struct Up {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", env = "TOURBUS_DATA_DIR", default_value = ".data")]
    pub data_dir: PathBuf,
    /// The first port; the others follow it
    #[arg(long, value_name = "PORT", env = "TOURBUS_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// Workers of each server
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub workers_per_server: u8,
    /// Artists that the demo makes when there are none
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub artists: usize,
    /// Make no artists
    #[arg(long)]
    pub no_demo: bool,
}
