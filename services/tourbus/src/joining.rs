//! Joining a cluster, and running the server that has joined.

use crate::{
    args::{Join, RunServer},
    signals,
};
use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
    process::ExitCode,
};
use tourbus_joined::{CertificateFiles, JoinOptions};

/// Longest token that is read from standard input, in bytes.
const TOKEN_BYTES_MAX: u64 = 1024;

/// `tourbus join`.
pub async fn join(options: Join) -> anyhow::Result<ExitCode> {
    let (shutdown, kill) = signals::watch()?;
    let token = options.token.map_or_else(token_from_input, |t| Ok(Some(t)))?;
    let token = token.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let options = JoinOptions {
        master: options.master,
        dir: options.dir,
        media_root: options.media_root,
        listen: options.listen,
        workers: options.workers,
        token: token.map(Into::into),
        foreground: options.foreground,
        ca: options.ca,
        tls: files(options.certificate, options.key),
        broker_tls: files(options.broker_certificate, options.broker_key),
        allow_unencrypted: options.allow_unencrypted,
        binary: std::env::current_exe()?,
    };
    tourbus_joined::join(options, shutdown, kill).await?;
    Ok(ExitCode::SUCCESS)
}

fn files(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Option<CertificateFiles> {
    certificate.zip(key).map(|(certificate, key)| CertificateFiles { certificate, key })
}

/// A terminal is not waited for: joining again needs no token.
fn token_from_input() -> std::io::Result<Option<String>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    input.take(TOKEN_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// `tourbus server run`.
pub async fn run(options: RunServer) -> anyhow::Result<ExitCode> {
    let (shutdown, kill) = signals::watch()?;
    tourbus_joined::run(&options.dir, std::env::current_exe()?, shutdown, kill).await?;
    Ok(ExitCode::SUCCESS)
}
