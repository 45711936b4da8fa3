//! What an operator runs by hand.

use crate::{args, signals};
use std::{path::Path, process::ExitCode};
use tourbus_config::WebConfig;
use tourbus_local::UpOptions;
use tourbus_store::Store;

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

/// `tourbus topology …`.
pub async fn topology(_: args::Topology) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this build has no topology yet")
}
