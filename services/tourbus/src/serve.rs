//! Running one service until it is asked to stop.

use crate::{args::Service, signals};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::{path::Path, process::ExitCode};
use tourbus_config::Ways;

pub async fn run(service: Service) -> anyhow::Result<ExitCode> {
    let (shutdown, _) = signals::watch()?;
    match service {
        Service::Media(file) => {
            let config = read(&file.config)?;
            tourbus_media::run(config, shutdown).await.context("the media service stopped")?;
        }
        Service::Agent(file) => {
            let config = read(&file.config)?;
            tourbus_agent::run(config, shutdown).await.context("the agent stopped")?;
        }
        Service::Staging(file) => {
            let config = read(&file.config)?;
            tourbus_staging_server::run(config, shutdown)
                .await
                .context("the staging server stopped")?;
        }
        Service::Coordinator(file) => {
            let config = read(&file.config)?;
            tourbus_coordinator::run(config, shutdown).await.context("the coordinator stopped")?;
        }
        Service::Web(file) => {
            let config = read(&file.config)?;
            tourbus_web::run(config, shutdown).await.context("web stopped")?;
        }
        Service::Worker(file) => {
            let config = read(&file.config)?;
            tourbus_worker::run(config, shutdown).await.context("the worker stopped")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read<T: DeserializeOwned + Ways>(path: &Path) -> anyhow::Result<T> {
    Ok(tourbus_config::load(path)?)
}
