//! Listeners and visitors: the media service and the front door against nginx, in the same run.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use super::{
    load::{Load, Measured, wrk},
    measure::{cpu_s, median, peak_bytes},
    nginx::Nginx,
};
use crate::{support::Cluster, tree};
use anyhow::{Context, Result, ensure};
use tourbus_domain::ArtistId;
use tourbus_store::NewArtist;

/// Odd, for the median.
const RUNS: usize = 3;
const SONGS: u64 = 16;
const SONG_BYTES: u64 = 8_000_000;
const RANGE_BYTES: u64 = 64 << 10;
const CONNECTIONS: u32 = 64;
const ARTISTS: usize = 100_000;

/// One kind of load on two servers in turn, so that noise hits both alike.
fn in_turn(ours: &Load, theirs: &Load) -> Result<Vec<[Measured; 2]>> {
    (0..RUNS).map(|_| Ok([wrk(ours)?, wrk(theirs)?])).collect()
}

fn row(name: &str, runs: &[[Measured; 2]]) {
    let of =
        |n: usize, get: fn(&Measured) -> f64| median(runs.iter().map(|r| get(&r[n])).collect());
    let rate = |m: &Measured| m.per_s;
    let p99 = |m: &Measured| m.p99_ms;
    let ratio = median(runs.iter().map(|r| r[0].per_s / r[1].per_s).collect());
    println!("| {name} | requests/s | {:.0} | {:.0} | {ratio:.2} |", of(0, rate), of(1, rate));
    println!("| {name} | p99 ms | {:.1} | {:.1} | |", of(0, p99), of(1, p99));
}

/// Whole songs and ranges of them, by the media service and by nginx from the same files.
pub async fn media() -> Result<()> {
    let cluster = Cluster::start("bench_media").await;
    let make = |root: &std::path::Path| tree::plain(root, 1, SONGS, SONG_BYTES);
    let artist = cluster.add_artist("server2", make).await;
    let nginx = Nginx::start(&cluster.tree("server2", &artist))?;
    let pid = cluster.pid("media-server2").context("no media service")?;
    let ours = format!("http://{}/artists/{}/media", cluster.media_address("server2"), artist.slug);
    let theirs = nginx.url("/files");
    println!("| what | figure | tourbus | nginx | ratio |\n|---|---|---|---|---|");
    let (before, nginx_before) = (cpu_s(pid)?, nginx.cpu_s()?);
    for (name, range) in [("whole songs of 8 MB", None), ("ranges of 64 KiB", Some(RANGE_BYTES))] {
        let load = |base: &str| Load {
            base: base.to_owned(),
            paths: (0..SONGS).map(|n| format!("/songs/{n:02}.mp3")).collect(),
            range_of: range.map(|bytes| (bytes, SONG_BYTES)),
            connections: CONNECTIONS,
        };
        row(name, &in_turn(&load(&ours), &load(&theirs))?);
    }
    let peak = peak_bytes(pid)? as f64 / f64::from(1 << 20);
    println!(
        "| all of it | CPU s | {:.1} | {:.1} | |",
        cpu_s(pid)? - before,
        nginx.cpu_s()? - nginx_before
    );
    println!("| all of it | peak memory, MiB | {peak:.1} | | |");
    nginx.stop()?;
    cluster.abandon().await;
    Ok(())
}

/// `/a/{slug}` with 100,000 artists, against nginx's `return 302`.
pub async fn front_door() -> Result<()> {
    let cluster = Cluster::start("bench_front_door").await;
    let server = cluster.server_id("server2").parse()?;
    for part in 0..ARTISTS / 5_000 {
        let artist = |n: usize| {
            Ok(NewArtist {
                id: ArtistId::new(),
                slug: format!("many-{n}").parse()?,
                name: format!("Many {n}"),
                server_id: server,
                plays_total: 0,
                plays_30d: 0,
                bytes: 0,
                songs: vec![],
            })
        };
        let new: Vec<NewArtist> =
            (0..5_000).map(|n| artist(part * 5_000 + n)).collect::<Result<_>>()?;
        cluster.store().insert_artists(&new).await?;
    }
    let elsewhere = tempfile::tempdir()?;
    let nginx = Nginx::start(elsewhere.path())?;
    let load = |base: &str| Load {
        base: base.to_owned(),
        paths: (0..1_000).map(|n| format!("/a/many-{}", n * 97 % ARTISTS)).collect(),
        range_of: None,
        connections: CONNECTIONS,
    };
    let runs = in_turn(&load(cluster.url()), &load(&nginx.url("")))?;
    ensure!(runs.iter().flatten().all(|m| m.per_s > 0.0), "no answers");
    println!("| what | figure | tourbus | nginx `return 302` | ratio |\n|---|---|---|---|---|");
    row("front door, 100,000 artists", &runs);
    nginx.stop()?;
    cluster.abandon().await;
    Ok(())
}
