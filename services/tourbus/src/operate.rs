//! What an operator runs by hand.

use crate::{
    args::{self, TopologyAction},
    signals,
};
use std::{path::Path, process::ExitCode};
use tourbus_config::{TopologyConfig, WebConfig};
use tourbus_local::UpOptions;
use tourbus_store::Store;
use tourbus_topology::{Change, Management, Topology};

/// `tourbus up`.
pub async fn up(options: args::Up) -> anyhow::Result<ExitCode> {
    let (shutdown, kill) = signals::watch()?;
    let options = UpOptions {
        data_dir: options.data_dir,
        http_port: options.http_port,
        workers_per_server: usize::from(options.workers_per_server),
        demo_artists: (!options.no_demo).then_some(options.artists),
        tourbus_binary: std::env::current_exe()?,
    };
    // On a task of its own: its future is large.
    tokio::spawn(tourbus_local::up(options, shutdown, kill)).await??;
    Ok(ExitCode::SUCCESS)
}

/// `tourbus migrate`.
pub async fn migrate(config: &Path) -> anyhow::Result<ExitCode> {
    let config: WebConfig = tourbus_config::load(config)?;
    let store = Store::connect(&config.database).await?;
    store.migrate().await?;
    store.close().await;
    println!("The database is up to date.");
    Ok(ExitCode::SUCCESS)
}

/// `tourbus topology …`. Exit status 1 when something differs that was not mended.
pub async fn topology(command: args::Topology) -> anyhow::Result<ExitCode> {
    let (TopologyAction::Show(file) | TopologyAction::Declare(file) | TopologyAction::Doctor(file)) =
        &command.action;
    let config: TopologyConfig = tourbus_config::load(&file.config)?;
    let topology = with_joined(Topology::new(&config), &config).await?;
    let api = Management::new(&config.management)?;
    let differs = match command.action {
        TopologyAction::Show(_) => {
            print!("{}", topology.show());
            false
        }
        TopologyAction::Declare(_) => {
            let changes = topology.declare(&api).await?;
            list(&changes, "The broker was as it should be.");
            changes.iter().any(Change::is_left)
        }
        TopologyAction::Doctor(_) => {
            let differences = topology.doctor(&api).await?;
            list(&differences, "The broker is as it should be.");
            !differences.is_empty()
        }
    };
    Ok(if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The same with the servers that have joined and without those that were deleted, if the
/// configuration says where the database is. Servers of the file keep their passwords.
async fn with_joined(topology: Topology, config: &TopologyConfig) -> anyhow::Result<Topology> {
    let Some(database) = &config.database else { return Ok(topology) };
    let store = Store::connect(database).await?;
    let (joined, deleted) = (store.joined_servers().await, store.deleted_servers().await);
    store.close().await;
    let without = |topology: Topology, slug| topology.without_server(slug);
    Ok(deleted?.iter().fold(topology.with_joined(joined?), without))
}

fn list<T: std::fmt::Display>(items: &[T], none: &str) {
    for item in items {
        println!("{item}");
    }
    if items.is_empty() {
        println!("{none}");
    }
}
