//! `POST /moves` for 10,000 artists, and pages with 100,000 artists.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use super::measure::median;
use crate::support::Cluster;
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;
use tourbus_domain::ArtistId;
use tourbus_store::NewArtist;

const ARTISTS: usize = 100_000;
const MOVED: usize = 10_000;
const RUNS: usize = 21;

/// 100,000 artists without a file, on this server; their ids.
pub(super) async fn many_artists(cluster: &Cluster, server: &str) -> Result<Vec<String>> {
    let server_id = cluster.server_id(server).parse()?;
    let words = ["Blue", "Iron", "Velvet", "Neon", "Quiet", "Paper", "Northern", "Lucky"];
    let mut ids = Vec::new();
    for part in 0..ARTISTS / 5_000 {
        let new: Vec<NewArtist> = (0..5_000)
            .map(|n| part * 5_000 + n)
            .map(|n| NewArtist {
                id: ArtistId::new(),
                slug: format!("many-{n}").parse().unwrap_or_else(|_| unreachable!()),
                name: format!("{} {} {n}", words[n % 8], words[n / 8 % 8]),
                server_id,
                plays_total: (n * 7919 % 100_003) as u64,
                plays_30d: (n % 977) as u64,
                bytes: 1000,
                songs: vec![],
            })
            .collect();
        ids.extend(new.iter().map(|a| a.id.to_string()));
        cluster.store().insert_artists(&new).await?;
    }
    Ok(ids)
}

/// The figures; no peer: the bounds are in milliseconds that a person waits.
pub async fn pages() -> Result<()> {
    let cluster = Cluster::start("bench_pages").await;
    let server = cluster.server_id("master");
    let ids = many_artists(&cluster, "master").await?;
    println!("| what | median ms | worst ms |\n|---|---|---|");
    let paths = [
        ("API, first page by name", "/artists?limit=100".to_owned()),
        ("API, filter `velvet`", "/artists?limit=100&filter=velvet".to_owned()),
        ("API, filter `9`", "/artists?limit=100&filter=9".to_owned()),
        ("API, filter that matches nothing", "/artists?limit=100&filter=zzzzzz".to_owned()),
        (
            "API, by plays on one server",
            format!("/artists?limit=100&sort=-plays_total&server_id={server}"),
        ),
    ];
    for (name, path) in paths {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let begun = Instant::now();
            cluster.api.get(&path).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        let worst = times.iter().copied().fold(0.0, f64::max);
        println!("| {name} | {:.1} | {worst:.1} |", median(times));
    }
    // Nobody takes them: it is the enqueueing that is measured.
    cluster.pause("worker-master-1");
    let body = json!({
        "artist_ids": ids[..MOVED], "target_server_id": cluster.server_id("server2"),
    });
    let begun = Instant::now();
    let (status, answer) = cluster.api.post("/moves", &body).await?;
    let took = begun.elapsed();
    ensure!(status == 202 && answer["accepted"] == MOVED, "{status} {answer}");
    println!("| `POST /moves` for 10,000 artists | {:.0} | |", took.as_secs_f64() * 1000.0);
    cluster.resume("worker-master-1");
    cluster.abandon().await;
    Ok(())
}
