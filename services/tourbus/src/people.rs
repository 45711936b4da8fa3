//! Servers of a cluster that was not made by `tourbus up`.

use crate::args::{ConfigFile, EnsureServer};
use anyhow::{Context, ensure};
use std::process::ExitCode;
use tourbus_config::{Way, WebConfig, is_readable};
use tourbus_domain::ServerId;
use tourbus_store::{NewServer, Store};

/// `tourbus server ensure`.
pub async fn ensure_server(args: EnsureServer) -> anyhow::Result<ExitCode> {
    let url = args.url.trim_end_matches('/');
    let config: WebConfig = tourbus_config::load(&args.file.config)?;
    let readable = is_readable(url).context("--url")?;
    ensure!(
        !readable || config.allow_unencrypted.contains(&Way::ServerUrl),
        "--url {url} is not encrypted: what goes over it could be read and changed on its way. Use \
         https://; or, on a network that nobody else can reach, say allow_unencrypted = \
         [\"server_url\"] in {}",
        args.file.config.display()
    );
    let store = Store::connect(&config.database).await?;
    let server = NewServer {
        id: ServerId::new(),
        slug: args.slug,
        name: args.name,
        ip: args.ip,
        url: url.to_owned(),
        is_master: args.master,
        is_default: args.master,
    };
    let id = store.ensure_server(server).await?;
    store.close().await;
    println!("{id}");
    Ok(ExitCode::SUCCESS)
}

/// The database that a configuration of web names.
pub async fn connect(file: &ConfigFile) -> anyhow::Result<Store> {
    let config: WebConfig = tourbus_config::load(&file.config)?;
    Ok(Store::connect(&config.database).await?)
}
