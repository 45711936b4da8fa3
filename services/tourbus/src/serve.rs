//! Running one service until it is asked to stop.

use crate::{args::Service, signals};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::{path::Path, process::ExitCode};
use tourbus_config::{
    AgentConfig, CoordinatorConfig, MediaConfig, StagingServerConfig, Ways, WebConfig, WorkerConfig,
};

pub async fn run(service: Service) -> anyhow::Result<ExitCode> {
    let ran = start(service).await;
    // Also of one that failed: then they are wanted most.
    tourbus_telemetry::otlp::flush().await;
    ran?;
    Ok(ExitCode::SUCCESS)
}

async fn start(service: Service) -> anyhow::Result<()> {
    let (shutdown, _) = signals::watch()?;
    match service {
        Service::Media(file) => {
            let config: MediaConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-media")?;
            tourbus_media::run(config, shutdown).await.context("the media service stopped")?;
        }
        Service::Agent(file) => {
            let config: AgentConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-agent")?;
            tourbus_agent::run(config, shutdown).await.context("the agent stopped")?;
        }
        Service::Staging(file) => {
            let config: StagingServerConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-staging")?;
            tourbus_staging_server::run(config, shutdown)
                .await
                .context("the staging server stopped")?;
        }
        Service::Coordinator(file) => {
            let config: CoordinatorConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-coordinator")?;
            tourbus_coordinator::run(config, shutdown).await.context("the coordinator stopped")?;
        }
        Service::Web(file) => {
            let config: WebConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-web")?;
            tourbus_web::run(config, shutdown).await.context("web stopped")?;
        }
        Service::Worker(file) => {
            let config: WorkerConfig = read(&file.config)?;
            tourbus_telemetry::start(&config.telemetry, "tourbus-worker")?;
            tourbus_worker::run(config, shutdown).await.context("the worker stopped")?;
        }
    }
    Ok(())
}

fn read<T: DeserializeOwned + Ways>(path: &Path) -> anyhow::Result<T> {
    Ok(tourbus_config::load(path)?)
}
