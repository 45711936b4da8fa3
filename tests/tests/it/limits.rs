//! A server's limits on real parts: they hold while moves run, and change without a restart.

use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);
const RATE: u64 = 512 << 10;
const MIB: u64 = 1 << 20;
/// Small pieces, so that the rate shows in what has arrived.
const PIECES: &str = "[worker.limits]\nchunk_bytes = 1048576\nsegment_bytes = 1048576";
/// States of a move that is on its way out and has not arrived.
const ON_ITS_WAY: [&str; 3] = ["copying", "syncing", "cutover"];

/// At the rate they would take longer than the test waits.
fn songs(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 40, MIB)
}

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 5, 2, MIB)
}

/// Sets them, and waits until the server's workers keep to them.
async fn limit(cluster: &Cluster, server: &str, limits: Value) {
    let path = format!("/servers/{}", cluster.server_id(server));
    let (status, body) = cluster.api.patch(&path, &json!({ "limits": limits })).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let look = || async { cluster.api.get(&path).await.unwrap() };
    let kept = |s: &Value| s["limits_pending"] == json!(false);
    wait::until("the limits to be kept", MINUTE, look, kept).await;
}

fn on_their_way(jobs: &[Value]) -> Vec<&Value> {
    jobs.iter().filter(|j| ON_ITS_WAY.iter().any(|s| j["state"] == *s)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_keeps_to_its_servers_rate_and_a_limit_that_is_lifted_counts_at_once() {
    let cluster = Cluster::start_with("limits_rate", PIECES).await;
    let artist = cluster.add_artist("server2", songs).await;
    let before = cluster.snapshot("server2", &artist);
    limit(&cluster, "server2", json!({ "bandwidth": { "default_bytes_s": RATE } })).await;
    let began = Instant::now();
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    let arrived = || async {
        let bytes = cluster.jobs(&batch).await[0]["bytes_done"].as_u64().unwrap();
        let allowed = RATE as f64 * began.elapsed().as_secs_f64() * 1.05 + (RATE / 4) as f64;
        assert!(bytes as f64 <= allowed, "{bytes} bytes within {:?}", began.elapsed());
        bytes
    };
    wait::until("a part of it to arrive", MINUTE, arrived, |bytes| *bytes >= 3 * MIB).await;

    limit(&cluster, "server2", json!({})).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server3");
    tree::assert_equal(&before, &cluster.snapshot("server3", &artist), "the moved tree");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_moves_run_than_both_servers_allow_and_none_waits_for_ever() {
    let cluster =
        Cluster::start_with("limits_moves", &format!("{PIECES}\ndelivery_hold_s = 2")).await;
    let mut all: Vec<Artist> = Vec::new();
    for server in ["server2", "server2", "server2", "master", "master"] {
        all.push(cluster.add_artist(server, small).await);
    }
    limit(
        &cluster,
        "server2",
        json!({ "moves_out_max": 1,
        "bandwidth": { "default_bytes_s": 2 * MIB } }),
    )
    .await;
    limit(&cluster, "server3", json!({ "moves_in_max": 1 })).await;
    let (source, batch) = (cluster.server_id("server2"), cluster.move_all(&all, "server3").await);
    let seen_one = std::cell::Cell::new(false);
    let look = || async { cluster.jobs(&batch).await };
    let jobs = wait::until("the moves to end", 3 * MINUTE, look, |jobs| {
        let out = on_their_way(jobs);
        let out = out.iter().filter(|j| j["source_server_id"] == json!(source)).count();
        assert!(out <= 1, "{out} moves run out of server2: {jobs:?}");
        seen_one.set(seen_one.get() || out == 1);
        jobs.iter().all(|j| j["state"] == "succeeded")
    })
    .await;
    assert_eq!((jobs.len(), seen_one.get()), (all.len(), true));
    for artist in &all {
        assert_eq!(cluster.home(artist).await, "server3");
    }
    cluster.finish().await;
}
