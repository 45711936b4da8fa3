//! Moves against `rclone copy` up and down.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use super::measure::{Cost, cpu_s, median, peak_bytes, rclone};
use crate::{
    garage::{Garage, binary},
    support::{Artist, Cluster},
    tree, wait,
};
use anyhow::{Context, Result};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const RUNS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(600);
const WORKERS: [&str; 2] = ["worker-server2-1", "worker-server3-1"];

fn rclone_config(garage: &Garage, dir: &Path) -> Result<PathBuf> {
    let path = dir.join("rclone.conf");
    let text = format!(
        "[g]\ntype = s3\nprovider = Other\nendpoint = {}\nregion = {}\naccess_key_id = {}\n\
         secret_access_key = {}\nforce_path_style = true\n",
        garage.endpoint, garage.region, garage.access_key, garage.secret_key
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

fn workers_cpu_s(cluster: &Cluster) -> Result<f64> {
    WORKERS.iter().map(|w| cpu_s(cluster.pid(w).context("no worker")?)).sum()
}

/// Moves all and says what it cost the two workers, and the store.
async fn move_cost(
    cluster: &Cluster,
    garage: &Garage,
    artists: &[Artist],
    to: &str,
) -> Result<Cost> {
    let (before, store) = (workers_cpu_s(cluster)?, cpu_s(garage.pid())?);
    let begun = Instant::now();
    let batch = cluster.move_all(artists, to).await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let wall = begun.elapsed();
    anyhow::ensure!(
        cluster.jobs(&batch).await.iter().all(|j| j["state"] == "succeeded"),
        "a move failed"
    );
    let store_cpu_s = cpu_s(garage.pid())? - store;
    Ok(Cost { wall, cpu_s: workers_cpu_s(cluster)? - before, store_cpu_s, peak_bytes: 0 })
}

/// When the newest job entered each of its states, in seconds after it was queued.
async fn phases(cluster: &Cluster) -> Result<Vec<(String, f64)>> {
    let job = cluster.api.all("/jobs").await?.into_iter().next().context("no job")?;
    let id = job["id"].as_str().context("no id")?;
    let job = cluster.api.get(&format!("/jobs/{id}")).await?;
    let time = |v: &serde_json::Value| -> Result<chrono::DateTime<chrono::Utc>> {
        Ok(v.as_str().context("no time")?.parse()?)
    };
    let queued = time(&job["created_at"])?;
    let changes = job["timeline"].as_array().context("no timeline")?.iter();
    changes
        .filter(|e| e["name"] == "state_changed")
        .map(|e| {
            let after = (time(&e["at"])? - queued).as_seconds_f64();
            Ok((e["detail"]["to"].as_str().context("no state")?.to_owned(), after))
        })
        .collect()
}

/// What rclone costs, and what it costs when what it has written is flushed too, as a move does.
fn rclone_cost(
    garage: &Garage,
    config: &Path,
    from: &Path,
    run: u64,
    dir: &Path,
) -> Result<[Cost; 2]> {
    let store = cpu_s(garage.pid())?;
    let to = dir.join(format!("down-{run}"));
    let remote = format!("g:tourbus/rclone-{run}");
    let mut cost = rclone(config, &from.display().to_string(), &remote)?;
    cost += rclone(config, &remote, &to.display().to_string())?;
    cost.store_cpu_s = cpu_s(garage.pid())? - store;
    let begun = Instant::now();
    flush(&to)?;
    let flushed = Cost { wall: cost.wall + begun.elapsed(), ..cost };
    std::fs::remove_dir_all(&to)?;
    Ok([cost, flushed])
}

fn flush(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            flush(&path)?;
        }
        std::fs::File::open(&path)?.sync_all()?;
    }
    Ok(())
}

fn report(name: &str, ours: &[Cost], theirs: &[Cost]) {
    let wall = |c: &Cost| c.wall.as_secs_f64();
    let cpu = |c: &Cost| c.cpu_s;
    let ratio = |of: fn(&Cost) -> f64| {
        median(ours.iter().zip(theirs).map(|(a, b)| of(a) / of(b)).collect())
    };
    let mid = |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    println!(
        "| {name} | wall s | {:.2} | {:.2} | {:.2} |",
        mid(ours, wall),
        mid(theirs, wall),
        ratio(wall)
    );
    println!(
        "| {name} | CPU s | {:.2} | {:.2} | {:.2} |",
        mid(ours, cpu),
        mid(theirs, cpu),
        ratio(cpu)
    );
    let store = |c: &Cost| c.store_cpu_s;
    println!(
        "| {name} | CPU s of the store | {:.2} | {:.2} | {:.2} |",
        mid(ours, store),
        mid(theirs, store),
        ratio(store)
    );
}

/// One artist of 40 files of 8 MB, to and fro.
pub async fn songs() -> Result<()> {
    let garage = Garage::start(&binary()).await?;
    let cluster = Cluster::start_bench("bench_songs", &garage).await;
    let dir = tempfile::tempdir()?;
    let config = rclone_config(&garage, dir.path())?;
    let source = dir.path().join("tree");
    tree::plain(&source, 1, 40, 8_000_000)?;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 40, 8_000_000)).await;
    let (mut ours, mut theirs, mut flushed) = (vec![], vec![], vec![]);
    for run in 0..RUNS {
        let to = if run % 2 == 0 { "server3" } else { "server2" };
        ours.push(move_cost(&cluster, &garage, std::slice::from_ref(&artist), to).await?);
        let [plain, with_flush] = rclone_cost(&garage, &config, &source, run, dir.path())?;
        theirs.push(plain);
        flushed.push(with_flush);
    }
    println!("| what | figure | tourbus | rclone up + down | ratio |\n|---|---|---|---|---|");
    report("40 files of 8 MB", &ours, &theirs);
    report("the same, rclone's files flushed too", &ours, &flushed);
    println!("\n| phase of the last move | entered after, s |\n|---|---|");
    for (state, after) in phases(&cluster).await? {
        println!("| {state} | {after:.2} |");
    }
    cluster.finish().await;
    Ok(())
}

/// 2,000 artists of one 100 KB file each.
pub async fn small() -> Result<()> {
    const ARTISTS: u64 = 2000;
    let garage = Garage::start(&binary()).await?;
    let cluster = Cluster::start_bench("bench_small", &garage).await;
    let dir = tempfile::tempdir()?;
    let config = rclone_config(&garage, dir.path())?;
    let source = dir.path().join("tree");
    let mut artists = Vec::new();
    for n in 0..ARTISTS {
        tree::plain(&source.join(n.to_string()), n, 1, 100_000)?;
        artists.push(cluster.add_artist("server2", |root| tree::plain(root, n, 1, 100_000)).await);
    }
    let ours = move_cost(&cluster, &garage, &artists, "server3").await?;
    let [theirs, flushed] = rclone_cost(&garage, &config, &source, 0, dir.path())?;
    let rate = |c: &Cost| ARTISTS as f64 / c.wall.as_secs_f64();
    println!("| what | figure | tourbus | rclone up + down | ratio |\n|---|---|---|---|---|");
    println!(
        "| 2,000 artists of 100 KB | artists/s | {:.1} | {:.1} | {:.2} |",
        rate(&ours),
        rate(&theirs),
        rate(&ours) / rate(&theirs)
    );
    report("2,000 artists of 100 KB", &[ours], &[theirs]);
    report("the same, rclone's files flushed too", &[ours], &[flushed]);
    cluster.finish().await;
    Ok(())
}

/// A worker's memory with one 4 GiB file, and what a `kill -9` in the middle costs.
pub async fn huge() -> Result<()> {
    const BYTES: u64 = 4 << 30;
    let garage = Garage::start(&binary()).await?;
    let cluster = Cluster::start_bench("bench_huge", &garage).await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, BYTES)).await;
    let begun = Instant::now();
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    println!("| what | figure | tourbus |\n|---|---|---|");
    println!("| one 4 GiB file | wall s | {:.1} |", begun.elapsed().as_secs_f64());
    for worker in WORKERS {
        let peak = peak_bytes(cluster.pid(worker).context("no worker")?)?;
        println!(
            "| one 4 GiB file | peak memory of {worker}, MiB | {:.1} |",
            peak as f64 / f64::from(1 << 20)
        );
    }
    // Back again, the exporting worker killed when half is staged.
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    let staged = || cluster.worker_metric("worker-server3-1", "tourbus_worker_staged_bytes_total");
    let half = |n: &Option<f64>| n.is_some_and(|n| n >= BYTES as f64 / 2.0);
    let first = wait::until("half of it staged", PATIENCE, staged, half).await.unwrap_or(0.0);
    cluster.kill("worker-server3-1").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let second = staged().await.unwrap_or(0.0);
    let again = (first + second - BYTES as f64) / BYTES as f64 * 100.0;
    println!("| kill -9 of the source worker half-way | sent again, % of the bytes | {again:.2} |");
    cluster.finish().await;
    Ok(())
}
