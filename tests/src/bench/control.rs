//! The control room with 100,000 artists, a million songs and a million jobs that have ended, while
//! 200 artists move to and fro; and with 500 tabs open.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod plans;

use super::{
    measure::{median, peak_bytes},
    pages::many_artists,
};
use crate::{
    support::{Artist, Cluster},
    tree,
};
use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, future::try_join_all};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tourbus_config::ClientTlsConfig;

const MOVING: usize = 200;
const RUNS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(900);
const TABS: usize = 500;
const TABS_ARTISTS: usize = 2_000;

/// Somebody who is signed in, in a browser.
struct Visitor {
    http: reqwest::Client,
    url: String,
    cookie: String,
}

impl Visitor {
    async fn sign_in(cluster: &Cluster) -> Result<Self> {
        let (url, email, password) = cluster.admin();
        let here = Some([127, 0, 0, 1].into());
        let http = tourbus_http::client(&url, here, PATIENCE, &ClientTlsConfig::default())?;
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", &email)
            .append_pair("password", &password)
            .finish();
        let answer = http
            .post(format!("{url}/sign-in"))
            .header("origin", &url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?;
        let status = answer.status();
        let cookie = answer.headers().get("set-cookie").context("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        ensure!(status == 303, "sign-in: {status}");
        Ok(Self { http, url, cookie })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url)).header("cookie", &self.cookie)
    }

    /// How long the whole answer takes, in milliseconds, and its bytes, not compressed.
    async fn time(&self, path: &str) -> Result<(f64, usize)> {
        let begun = Instant::now();
        let answer = self.get(path).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok((begun.elapsed().as_secs_f64() * 1000.0, body.len()))
    }
}

fn percentile(times: &[f64], of_100: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[(times.len() * of_100).div_ceil(100).max(1) - 1]
}

/// A page, without its ids, and what it may take in milliseconds.
struct Asked {
    path: String,
    name: String,
    aim: f64,
}

/// Every list with every filter, also far from its beginning.
async fn asked(cluster: &Cluster) -> Result<Vec<Asked>> {
    let server = cluster.server_id("server2");
    let one = |sql: &str| cluster.sql(sql);
    let job = one("SELECT id, batch_id FROM jobs WHERE state = 'failed' LIMIT 1")?;
    let (job, batch) = job.split_once('|').context("no job")?;
    let artist = one("SELECT id FROM artists ORDER BY id LIMIT 1")?;
    let hook = one("SELECT id FROM webhooks LIMIT 1")?;
    let day = one("SELECT current_date - 30")?;
    let until = one("SELECT to_char(now() - interval '40 days', 'YYYY-MM-DD\"T\"HH24:MI:SSZ')")?;
    let far = |list: &'static str| {
        let path = format!("/{list}?limit=1&until={until}");
        async move {
            let page = cluster.api.get(&path).await?;
            Ok::<_, anyhow::Error>(page["next_cursor"].as_str().context("no cursor")?.to_owned())
        }
    };
    let (jobs_far, batches_far) = (far("jobs").await?, far("batches").await?);
    let lists = [
        "/jobs".to_owned(),
        "/jobs?group=running".to_owned(),
        "/jobs?group=waiting".to_owned(),
        "/jobs?group=failed".to_owned(),
        "/jobs?group=moved".to_owned(),
        "/jobs?kind=move".to_owned(),
        "/jobs?kind=lofi".to_owned(),
        "/jobs?kind=verify&group=failed".to_owned(),
        format!("/jobs?server_id={server}"),
        format!("/jobs?server_id={server}&kind=move&group=cancelled"),
        "/jobs?artist=velvet".to_owned(),
        "/jobs?artist=nobody".to_owned(),
        format!("/jobs?artist={artist}"),
        "/jobs?requested_by=person7%40example.org".to_owned(),
        "/jobs?requested_by=nobody%40example.org".to_owned(),
        format!("/jobs?from={day}&to={day}"),
        format!("/jobs?cursor={jobs_far}"),
        "/batches".to_owned(),
        "/batches?state=open".to_owned(),
        "/batches?state=finished".to_owned(),
        "/batches?kind=lofi".to_owned(),
        format!("/batches?server_id={server}"),
        "/batches?artist=velvet".to_owned(),
        "/batches?artist=nobody".to_owned(),
        "/batches?requested_by=person7%40example.org".to_owned(),
        format!("/batches?from={day}&to={day}"),
        format!("/batches?cursor={batches_far}"),
        format!("/batches/{batch}"),
        format!("/jobs/{job}"),
        "/move".to_owned(),
        "/move?filter=velvet".to_owned(),
        format!("/move?server_id={server}&sort=-plays_30d"),
        format!("/artists/{artist}"),
        "/servers".to_owned(),
        format!("/servers/{server}"),
        "/queues".to_owned(),
        "/queues/dead".to_owned(),
        "/verify".to_owned(),
        "/lofi".to_owned(),
        format!("/webhooks/{hook}"),
        "/audit".to_owned(),
        "/audit?actor=person7%40example.org".to_owned(),
    ];
    let all = lists.into_iter().map(|path| (path, 100.0)).chain([("/overview".to_owned(), 200.0)]);
    let named =
        [(batch, "…"), (job, "…"), (&server, "…"), (&artist, "…"), (&hook, "…"), (&day, "…")];
    let named = named.into_iter().chain([(&*jobs_far, "…"), (&*batches_far, "…")]);
    let short =
        |path: &str| named.clone().fold(path.to_owned(), |p, (id, dots)| p.replace(id, dots));
    Ok(all.map(|(path, aim)| Asked { name: short(&path), path, aim }).collect())
}

async fn moving(cluster: &Cluster, make: usize) -> Result<Vec<Artist>> {
    let mut artists = Vec::with_capacity(make);
    for n in 0..make {
        artists
            .push(cluster.add_artist("server2", |at| tree::plain(at, n as u64, 2, 20_000)).await);
    }
    Ok(artists)
}

/// Until a batch has ended; asked seldom, so that the asking does not count.
async fn ended(cluster: &Cluster, batch: &str) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let until = Instant::now() + PATIENCE;
    while cluster.api.get(&format!("/batches/{batch}")).await?["finished_at"].is_null() {
        ensure!(Instant::now() < until, "{batch} does not end");
        ticks.tick().await;
    }
    Ok(())
}

/// To and fro, until told to stop. How many moves.
async fn keep_moving(cluster: &Cluster, artists: &[Artist], stop: &AtomicBool) -> Result<u64> {
    let mut moves = 0;
    for target in ["server3", "server2"].into_iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return Ok(moves);
        }
        let batch = cluster.move_all(artists, target).await;
        ended(cluster, &batch).await?;
        moves += artists.len() as u64;
    }
    Ok(moves)
}

async fn rows(cluster: &Cluster, stop: &AtomicBool) -> Result<()> {
    let visitor = Visitor::sign_in(cluster).await?;
    println!("| page | median ms | p95 ms | aim | KB |\n|---|---|---|---|---|");
    let mut late = Vec::new();
    for Asked { path, name, aim } in asked(cluster).await? {
        let mut times = Vec::with_capacity(RUNS);
        let mut largest = 0;
        for _ in 0..RUNS {
            let (ms, bytes) = visitor.time(&path).await?;
            times.push(ms);
            largest = largest.max(bytes);
        }
        let p95 = percentile(&times, 95);
        let kb = largest as f64 / 1000.0;
        println!("| `{name}` | {:.1} | {p95:.1} | < {aim:.0} | {kb:.0} |", median(times));
        if p95 >= aim {
            late.push(name);
        }
    }
    stop.store(true, Ordering::Relaxed);
    println!("\nlater than aimed at: {late:?}");
    Ok(())
}

/// Lists and filters.
pub async fn control() -> Result<()> {
    let cluster = Cluster::start("bench_control").await;
    many_artists(&cluster, "master").await?;
    // Whoever polls the tables meanwhile reads every row that is not committed yet.
    let polling = ["coordinator", "web"];
    for process in polling {
        cluster.kill_and_hold(process).await;
    }
    cluster.sql(include_str!("million.sql"))?;
    for process in polling {
        cluster.start_again(process);
        cluster.ready(process).await;
    }
    let artists = moving(&cluster, MOVING).await?;
    let stop = AtomicBool::new(false);
    let (moves, ()) =
        tokio::try_join!(keep_moving(&cluster, &artists, &stop), rows(&cluster, &stop))?;
    println!("\n{moves} moves went on meanwhile");
    plans::keep(&cluster).await?;
    cluster.abandon().await;
    Ok(())
}

/// What open tabs have come to.
#[derive(Default)]
struct Tabs {
    heard: AtomicU64,
    read: AtomicU64,
}

/// One tab of a batch's page: follows the stream, and reads the list of jobs anew as the page's script does,
/// once a second at most. Until it is dropped.
async fn tab(visitor: &Visitor, batch: &str, tabs: &Tabs) -> Result<()> {
    let path = format!("/api/v1/events?batch_id={batch}");
    let answer = visitor.get(&path).header("accept", "text/event-stream").send().await?;
    ensure!(answer.status() == 200, "{path}: {}", answer.status());
    let mut stream = answer.bytes_stream();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut due = false;
    loop {
        tokio::select! {
            part = stream.next() => {
                let part = part.context("the stream ended")??;
                let events = part.windows(6).filter(|w| w == b"\ndata:").count();
                tabs.heard.fetch_add(events as u64, Ordering::Relaxed);
                due |= events > 0;
            }
            _ = seconds.tick(), if due => {
                due = false;
                let page = visitor.get(&format!("/batches/{batch}"));
                let page = page.header("x-fragment", "jobs").header("x-refresh", "1").send().await?;
                ensure!(page.status() == 200, "{batch}: {}", page.status());
                page.bytes().await?;
                tabs.read.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Seconds and transactions until a batch has ended, with this many tabs of it open.
async fn batch_cost(
    cluster: &Cluster,
    visitor: &Visitor,
    artists: &[Artist],
    to: &str,
    open: usize,
    tabs: &Tabs,
) -> Result<(f64, u64)> {
    let (begun, before) = (Instant::now(), cluster.transactions()?);
    let batch = cluster.move_all(artists, to).await;
    let looking = async {
        try_join_all((0..open).map(|_| tab(visitor, &batch, tabs))).await?;
        std::future::pending().await
    };
    tokio::select! {
        ended = looking => return ended,
        ended = ended(cluster, &batch) => ended?,
    }
    Ok((begun.elapsed().as_secs_f64(), cluster.transactions()? - before))
}

/// 500 tabs during a batch of 2,000 artists, and the same batch with one.
pub async fn tabs() -> Result<()> {
    let cluster = Cluster::start("bench_tabs").await;
    let visitor = Visitor::sign_in(&cluster).await?;
    let artists = moving(&cluster, TABS_ARTISTS).await?;
    let (one, many) = (Tabs::default(), Tabs::default());
    let (one_s, with_one) = batch_cost(&cluster, &visitor, &artists, "server3", 1, &one).await?;
    let (many_s, with_many) =
        batch_cost(&cluster, &visitor, &artists, "server2", TABS, &many).await?;
    let web = cluster.pid("web").context("no web")?;
    println!("| what | with one tab | with {TABS} | aim |\n|---|---|---|---|");
    println!("| seconds for {TABS_ARTISTS} moves | {one_s:.0} | {many_s:.0} | |");
    println!("| transactions of the database | {with_one} | {with_many} | |");
    let both = |name: &str, of: fn(&Tabs) -> &AtomicU64| {
        let [one, many] = [&one, &many].map(|tabs| of(tabs).load(Ordering::Relaxed));
        println!("| {name} | {one} | {many} | |");
    };
    both("events heard", |tabs| &tabs.heard);
    both("times the list was read anew", |tabs| &tabs.read);
    let mib = peak_bytes(web)? as f64 / f64::from(1 << 20);
    println!("| peak memory of web, MiB | | {mib:.1} | < 150 |");
    cluster.abandon().await;
    Ok(())
}
