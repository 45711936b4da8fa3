//! Joining a cluster, and running the server that has joined.

use crate::{
    args::{Join, RunServer},
    signals,
};
use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};
use tourbus_joined::JoinOptions;

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
        allow_plaintext: options.allow_plaintext,
        binary: std::env::current_exe()?,
    };
    tourbus_joined::join(options, shutdown, kill).await?;
    Ok(ExitCode::SUCCESS)
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
