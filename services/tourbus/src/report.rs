//! `tourbus verify-report`: whether the master has signed a report, and what it says.

use crate::{args::VerifyReport, manual};
use anyhow::{Context, bail};
use std::{io::Read, process::ExitCode};
use tourbus_cli::text::line;
use tourbus_protocol::{MoveReport, SignedReport};

/// A report is a few kilobytes; more than this is none.
const BYTES_MAX: u64 = 1 << 20;

/// Reads, checks, prints. Fails when the signature does not fit.
pub fn run(options: &VerifyReport) -> anyhow::Result<ExitCode> {
    let name = options.report.display();
    let source: Box<dyn Read> = if options.report.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&options.report);
        Box::new(file.with_context(|| format!("cannot open {name}"))?)
    };
    let mut text = String::new();
    let read = source.take(BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.with_context(|| format!("cannot read {name}"))?;
    if bytes as u64 > BYTES_MAX {
        bail!("{name} is larger than {BYTES_MAX} bytes: it is no report of a move");
    }
    let signed: SignedReport = serde_json::from_str(&text).with_context(|| {
        format!("{name} is no report of a move: download one from the page of a move")
    })?;
    if let Some(key) = &options.key
        && (key.len() != 64 || !key.chars().all(|c| c.is_ascii_hexdigit()))
    {
        bail!(
            "--key is no public key: give the 64 hexadecimal digits that `tourbus keys list` prints"
        );
    }
    let report = signed.check(options.key.as_deref()).with_context(|| match &options.key {
        Some(_) => format!("{name}: not signed by this key, or changed since"),
        None => format!("{name}: changed since it was signed"),
    })?;
    let said =
        if options.json { serde_json::to_string_pretty(&report)? + "\n" } else { told(&report) };
    manual::print(said.as_bytes())?;
    match &options.key {
        Some(_) => eprintln!("The signature is good: the master with this key has signed it."),
        None => eprintln!(
            "Nobody has changed it since key {} signed it. Whether that is the master's, only the \
             master can tell: compare with `tourbus keys list`, or give --key.",
            signed.public_key
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// In lines. Anybody may have signed it: nothing in it steers the terminal.
fn told(report: &MoveReport) -> String {
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let maybe = |at: Option<_>| at.map_or_else(|| "unknown".to_owned(), time);
    let t = &report.transfer;
    let mut facts = vec![
        ("artist", report.artist.id.to_string()),
        ("job", report.job_id.to_string()),
        ("queued", time(report.queued_at)),
        ("began", maybe(report.started_at)),
        ("new home", maybe(report.cut_over_at)),
        ("finished", time(report.finished_at)),
        ("moved", format!("files: {}, bytes: {}", report.files, report.bytes)),
        ("manifest", format!("blake3 {}", report.manifest.blake3)),
        ("transfer", format!("pieces: {}, steps tried again: {}", t.segments, t.retries)),
    ];
    if !report.requested_by.is_empty() {
        let why =
            if report.reason.is_empty() { String::new() } else { format!(" ({})", report.reason) };
        facts.insert(2, ("asked for", format!("by {}{why}", report.requested_by)));
    }
    facts.extend(report.verified.iter().map(|v| ("verified", format!("{}: {}", v.what, v.how))));
    let head = format!("{}: {} -> {}", report.artist.name, report.from.name, report.to.name);
    let lines = facts.into_iter().map(|(name, fact)| format!("  {name:<11} {}", line(&fact)));
    std::iter::once(line(&head)).chain(lines).map(|l| l + "\n").collect()
}
