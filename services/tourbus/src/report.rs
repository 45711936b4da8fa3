//! `tourbus verify-report`: whether the master has signed a report, and what it says.

use crate::args::VerifyReport;
use anyhow::{Context, bail};
use std::{
    io::{Read, Write},
    process::ExitCode,
};
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
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&mut out, &report)?;
    }
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

fn print(out: &mut impl Write, report: &MoveReport) -> std::io::Result<()> {
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let maybe = |at: Option<_>| at.map_or_else(|| "unknown".to_owned(), time);
    writeln!(out, "{}: {} -> {}", report.artist.name, report.from.name, report.to.name)?;
    writeln!(out, "  artist      {}", report.artist.id)?;
    writeln!(out, "  job         {}", report.job_id)?;
    if !report.requested_by.is_empty() {
        let why =
            if report.reason.is_empty() { String::new() } else { format!(" ({})", report.reason) };
        writeln!(out, "  asked for   by {}{why}", report.requested_by)?;
    }
    writeln!(out, "  queued      {}", time(report.queued_at))?;
    writeln!(out, "  began       {}", maybe(report.started_at))?;
    writeln!(out, "  new home    {}", maybe(report.cut_over_at))?;
    writeln!(out, "  finished    {}", time(report.finished_at))?;
    writeln!(out, "  moved       {} files, {} bytes", report.files, report.bytes)?;
    writeln!(out, "  manifest    blake3 {}", report.manifest.blake3)?;
    let t = &report.transfer;
    writeln!(out, "  transfer    {} pieces, {} steps tried again", t.segments, t.retries)?;
    for v in &report.verified {
        writeln!(out, "  verified    {}: {}", v.what, v.how)?;
    }
    Ok(())
}
