//! By which plans the database answers each page: what it says itself (`auto_explain`).

use super::{Visitor, asked};
use crate::{support::Cluster, wait};
use anyhow::{Context, Result};
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Tables that grow with the cluster and its years.
const LARGE: [&str; 10] = [
    "artists",
    "songs",
    "jobs",
    "job_events",
    "batches",
    "verify_results",
    "verify_findings",
    "audit_log",
    "dead_letters",
    "webhook_deliveries",
];
const PATIENCE: Duration = Duration::from_secs(30);

/// What the shared stack's PostgreSQL has said.
fn log() -> Result<PathBuf> {
    let endpoints = std::env::var_os("TOURBUS_TEST_ENDPOINTS").context("run it under `stack`")?;
    let dir = PathBuf::from(endpoints);
    Ok(dir.parent().context("no directory")?.join("logs/postgres.log"))
}

/// What was planned in a part of the log: statements, and their plans.
fn plans(log: &str) -> impl Iterator<Item = (String, String)> {
    log.split("LOG:  duration: ").skip(1).filter_map(|told| {
        let (_, rest) = told.split_once("plan:\n")?;
        // All lines of one message but its first begin with a tab.
        let lines: Vec<&str> = rest.lines().map_while(|l| l.strip_prefix('\t')).collect();
        let begins = lines.iter().position(|l| l.contains("  (cost="))?;
        Some((lines[..begins].join("\n"), lines[begins..].join("\n")))
    })
}

/// The large tables that a plan reads from one end to the other, unless there is nothing in them.
fn read_whole(plan: &str) -> Vec<&'static str> {
    let whole = |table: &&&str| {
        let scan = format!("Seq Scan on {table} ");
        plan.lines().any(|l| l.contains(&scan) && !l.contains("actual rows=0 "))
    };
    LARGE.iter().filter(whole).copied().collect()
}

/// What the log has told since, up to this moment.
async fn since(cluster: &Cluster, path: &Path, page: usize, from: usize) -> Result<String> {
    let marker = format!("plans of page {page}");
    cluster.sql(&format!("DO $$ BEGIN RAISE LOG '{marker}'; END $$"))?;
    let told = || async { fs::read(path).map_or_else(|_| Vec::new(), |log| log[from..].to_vec()) };
    let ends = |log: &Vec<u8>| String::from_utf8_lossy(log).contains(&marker);
    let log = wait::until("the marker in the log", PATIENCE, told, ends).await;
    Ok(String::from_utf8_lossy(&log).into_owned())
}

/// Asks every page once more, and writes each plan that has to do with a large table to
/// `target/query-plans.md`.
pub(super) async fn keep(cluster: &Cluster) -> Result<()> {
    cluster
        .reconfigure("web", |config| {
            let url = config["database"]["url"].as_str().unwrap_or_default();
            let explain = "options[session_preload_libraries]=auto_explain\
                 &options[auto_explain.log_min_duration]=0\
                 &options[auto_explain.log_analyze]=on\
                 &options[auto_explain.log_timing]=off";
            let glue = if url.contains('?') { '&' } else { '?' };
            config["database"]["url"] = format!("{url}{glue}{explain}").into();
        })
        .await;
    cluster.ready("web").await;
    let visitor = Visitor::sign_in(cluster).await?;
    let path = log()?;
    let mut out = String::from(
        "# Query plans\n\nWhat PostgreSQL did for each page of the control room (`auto_explain`), \
         with 100,000 artists, 1,000,000\nsongs and 1,000,000 jobs that have ended, as \
         `make bench BENCH=control` writes it: the statements that have\nto do with a table that \
         grows. A statement that several pages share is under the first.\n",
    );
    let (mut seen, mut whole) = (BTreeSet::new(), Vec::new());
    for (n, page) in asked(cluster).await?.into_iter().enumerate() {
        let from = fs::metadata(&path)?.len() as usize;
        visitor.time(&page.path).await?;
        let told = since(cluster, &path, n, from).await?;
        write!(out, "\n## `{}`\n", page.name)?;
        for (statement, plan) in plans(&told) {
            let large = LARGE.iter().any(|t| plan.contains(&format!(" on {t}")));
            if large && seen.insert(statement.clone()) {
                write!(out, "\n```\n{statement}\n{plan}\n```\n")?;
                whole.extend(read_whole(&plan).into_iter().map(|t| (page.name.clone(), t)));
            }
        }
    }
    let target = std::env::current_dir()?.join("target/query-plans.md");
    fs::write(&target, out)?;
    println!("\nplans: {}; read whole: {whole:?}", target.display());
    Ok(())
}
