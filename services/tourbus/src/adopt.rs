//! `tourbus adopt`.

use crate::args::{ADOPT_TOKEN, Adopt};
use anyhow::Context;
use std::process::ExitCode;
use tourbus_adopt::Options;
use tourbus_config::ClientTlsConfig;

/// Takes over, says what came of it. Fails when anything was not taken over.
pub async fn run(args: Adopt) -> anyhow::Result<ExitCode> {
    let token = args.token.with_context(|| {
        format!("{ADOPT_TOKEN} is not set: make an API token with the scope full, on an admin's account page")
    })?;
    let options = Options {
        artists: args.artists,
        media: args.media,
        server: args.server,
        media_root: args.media_root,
        master: args.master,
        token: token.into(),
        tls: ClientTlsConfig { ca_file: args.ca, ..ClientTlsConfig::default() },
        community: args.community,
        dry_run: args.dry_run,
    };
    let report = tourbus_adopt::run(&options).await?;
    println!("{report}");
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
