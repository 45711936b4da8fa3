//! Load by `wrk`, bounded in time and connections, on loopback.

use anyhow::{Context, Result, bail};
use std::{fmt::Write as _, process::Command};

const SECONDS: u32 = 6;

/// What is asked of whom.
pub struct Load {
    /// A base URL on loopback.
    pub base: String,
    /// Asked one after the other.
    pub paths: Vec<String>,
    /// A range of so many bytes out of so many, at changing places; the whole without it.
    pub range_of: Option<(u64, u64)>,
    /// At once.
    pub connections: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Answers a second.
    pub per_s: f64,
    /// The 99th percentile of the answers' times.
    pub p99_ms: f64,
}

fn script(load: &Load) -> Result<String> {
    let mut lua = String::from("local paths = {");
    for path in &load.paths {
        let url: reqwest::Url = format!("{}{path}", load.base).parse()?;
        write!(lua, "{:?},", url.path())?;
    }
    lua.push_str("}\nlocal n = 0\nfunction request()\n  n = n + 1\n  local headers = {}\n");
    if let Some((bytes, of)) = load.range_of {
        write!(
            lua,
            "  local at = (n * 7919 * 4096) % {}\n  headers['Range'] = 'bytes=' .. at .. '-' .. (at + {})\n",
            of - bytes,
            bytes - 1
        )?;
    }
    lua.push_str("  return wrk.format('GET', paths[n % #paths + 1], headers)\nend\n");
    lua.push_str(
        "function done(summary, latency)\n  local e = summary.errors\n  \
         local bad = e.connect + e.read + e.write + e.status + e.timeout\n  \
         io.write(string.format('RESULT %f %f %d\\n', summary.requests * 1e6 / summary.duration, \
         latency:percentile(99) / 1000, bad))\nend\n",
    );
    Ok(lua)
}

/// Runs it once. An answer that is an error, or none, fails the benchmark.
pub fn wrk(load: &Load) -> Result<Measured> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("load.lua");
    std::fs::write(&path, script(load)?)?;
    let out = Command::new("wrk")
        .args(["-t2", "--timeout", "30s", "--latency"])
        .args([&format!("-c{}", load.connections), &format!("-d{SECONDS}s"), "-s"])
        .arg(&path)
        .arg(&load.base)
        .output()
        .context("wrk does not start: run compose/install.sh --bench")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let result = text.lines().find_map(|l| l.strip_prefix("RESULT "));
    let Some(result) = result else { bail!("wrk told no result: {text}") };
    let mut fields = result.split(' ').map(str::parse::<f64>);
    let mut next = || fields.next().context("a field is missing")?.context("no number");
    let (per_s, p99_ms, bad) = (next()?, next()?, next()?);
    if bad > 0.0 {
        bail!("{bad} requests of {} failed: {text}", load.base);
    }
    Ok(Measured { per_s, p99_ms })
}
