//! Servers and accounts of a cluster that was not made by `tourbus up`.

use crate::args::{API_TOKEN, ConfigFile, EnsureAccount, EnsureServer, PASSWORD};
use anyhow::{Context, ensure};
use std::process::ExitCode;
use tourbus_config::WebConfig;
use tourbus_domain::ServerId;
use tourbus_store::{NewServer, Store};

/// Shortest password, in characters.
const PASSWORD_MIN: usize = 12;
/// Shortest token, in bytes.
const TOKEN_MIN: usize = 32;

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

/// `tourbus account ensure`.
pub async fn ensure_account(args: EnsureAccount) -> anyhow::Result<ExitCode> {
    let password = args.password.with_context(|| {
        format!("set {PASSWORD} to the account's password; on the command line others could see it")
    })?;
    ensure!(
        password.chars().count() >= PASSWORD_MIN,
        "{PASSWORD} is too short: use {PASSWORD_MIN} characters or more"
    );
    if let Some(token) = &args.api_token {
        ensure!(token.len() >= TOKEN_MIN, "{API_TOKEN} is too short: use {TOKEN_MIN} random bytes");
    }
    let hash =
        tokio::task::spawn_blocking(move || tourbus_web::password::hash(&password)).await??;
    let store = connect(&args.file).await?;
    let id = store.ensure_account(&args.email, &hash, args.role).await?;
    if let Some(token) = &args.api_token {
        store.ensure_api_token(id, token, "made by tourbus account").await?;
    }
    store.close().await;
    println!("{id}");
    Ok(ExitCode::SUCCESS)
}

async fn connect(file: &ConfigFile) -> anyhow::Result<Store> {
    let config: WebConfig = tourbus_config::load(&file.config)?;
    Ok(Store::connect(&config.database).await?)
}
