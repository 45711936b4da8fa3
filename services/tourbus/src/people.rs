//! Servers of a cluster that was not made by `tourbus up`.

use crate::args::{ConfigFile, EnsureServer};
use anyhow::ensure;
use std::process::ExitCode;
use tourbus_config::WebConfig;
use tourbus_domain::ServerId;
use tourbus_store::{NewServer, Store};

/// `tourbus server ensure`.
pub async fn ensure_server(args: EnsureServer) -> anyhow::Result<ExitCode> {
    let url = args.url.trim_end_matches('/');
    ensure!(
        url.starts_with("http://") || url.starts_with("https://"),
        "--url {url:?} is no base URL: it begins with http:// or https://"
    );
    let store = connect(&args.file).await?;
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
