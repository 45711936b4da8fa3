//! Plays: a hundred thousand, while what counts, carries and applies them is killed.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use crate::{
    support::{Artist, Cluster},
    tree, wait,
};
use anyhow::{Context, Result, ensure};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const PLAYS: u64 = 100_000;
const LISTENERS: u64 = 32;
const SONGS: u64 = 8;
const SONG_BYTES: u64 = 4_000;
const KILL_EVERY: Duration = Duration::from_millis(1_500);
const KILLS_MAX: usize = 30;
const PATIENCE: Duration = Duration::from_secs(300);

async fn total(cluster: &Cluster, artist: &Artist) -> Option<u64> {
    cluster.api.get(&format!("/artists/{}", artist.id)).await.ok()?["plays_total"].as_u64()
}

/// Kills one after the other until the listeners are done. How many.
async fn kill(cluster: Arc<Cluster>, stop: CancellationToken, victims: &[&str]) -> usize {
    let mut killed = 0;
    for victim in victims.iter().cycle().take(KILLS_MAX) {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(KILL_EVERY) => cluster.kill(victim).await,
        }
        killed += 1;
    }
    killed
}

/// One listener after the other hears a song, each another one to the service.
async fn listen(cluster: &Cluster, artist: &Artist, next: &AtomicU64) -> Result<()> {
    let http = tourbus_http::plain()?.timeout(Duration::from_secs(20)).build()?;
    let base =
        format!("http://{}/artists/{}/media/songs", cluster.media_address("server2"), artist.slug);
    loop {
        let n = next.fetch_add(1, Relaxed);
        if n >= PLAYS {
            return Ok(());
        }
        let url = format!("{base}/{:02}.mp3", n % SONGS);
        loop {
            let request = http.get(&url).header("user-agent", format!("listener {n}"));
            let heard = async { request.send().await?.error_for_status()?.bytes().await };
            if heard.await.is_ok() {
                break;
            }
            // It was killed: a player tries again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn run(name: &str, victims: &'static [&'static str]) -> Result<()> {
    let cluster = Arc::new(Cluster::start_private("bench_plays").await);
    let make = |root: &std::path::Path| tree::plain(root, 1, SONGS, SONG_BYTES);
    let artist = cluster.add_artist("server2", make).await;
    let before = total(&cluster, &artist).await.context("no total")?;
    let (stop, next) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let killing = tokio::spawn(kill(Arc::clone(&cluster), stop.clone(), victims));
    let since = Instant::now();
    let listening: Vec<_> = (0..LISTENERS)
        .map(|_| {
            let (cluster, artist, next) = (Arc::clone(&cluster), artist.clone(), Arc::clone(&next));
            tokio::spawn(async move { listen(&cluster, &artist, &next).await })
        })
        .collect();
    for listener in listening {
        listener.await??;
    }
    let heard = since.elapsed().as_secs_f64();
    stop.cancel();
    let kills = killing.await?;
    let read = || total(&cluster, &artist);
    wait::until("every play", PATIENCE, read, |n| n.is_some_and(|n| n >= before + PLAYS)).await;
    let applied = since.elapsed().as_secs_f64();
    let counted = total(&cluster, &artist).await.context("no total")? - before;
    ensure!(counted == PLAYS, "{counted} plays were counted of {PLAYS}");
    let per_s = |s: f64| PLAYS as f64 / s;
    println!("| {name} | {PLAYS} | {kills} | {:.0} | {:.0} |", per_s(heard), per_s(applied));
    Arc::into_inner(cluster).context("somebody still listens")?.abandon_private().await;
    Ok(())
}

/// All plays count, once, whatever is killed.
pub async fn plays() -> Result<()> {
    println!("| killed meanwhile | plays | kills | heard/s | applied/s |\n|---|---|---|---|---|");
    run("coordinator", &["coordinator"]).await?;
    run(
        "media, broker, coordinator, worker",
        &["media-server2", "rabbitmq", "coordinator", "worker-server2-1"],
    )
    .await
}
