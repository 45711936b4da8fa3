//! A server whose own disk fails move after move stops taking work, says so, and goes on when it
//! is mended and released.

use serde_json::{Value, json};
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);
/// One try per step: what fails, fails its job.
pub const ONE_TRY: &str =
    "[coordinator.moves]\nstep_attempts_max = 1\nrollback_attempts_max = 1000";

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 6, 2, 20_000)
}

/// Small artists.
pub async fn several(cluster: &Cluster, server: &str, n: usize) -> Vec<Artist> {
    let mut artists = Vec::new();
    for _ in 0..n {
        artists.push(cluster.add_artist(server, small).await);
    }
    artists
}

async fn server(cluster: &Cluster, slug: &str) -> Value {
    cluster.api.get(&format!("/servers/{}", cluster.server_id(slug))).await.unwrap()
}

async fn until_state(cluster: &Cluster, slug: &str, state: &str) -> Value {
    let seen = || server(cluster, slug);
    wait::until(&format!("{slug} {state}"), MINUTE, seen, |s| s["state"] == state).await
}

async fn release(cluster: &Cluster, slug: &str) -> (u16, Value) {
    let path = format!("/servers/{}/release", cluster.server_id(slug));
    cluster.api.post(&path, &json!({})).await.unwrap()
}

/// Nothing can arrive any more: the directory for it has become one that nobody may write.
pub fn spoil(cluster: &Cluster, slug: &str) {
    let incoming = cluster.hidden(slug, "incoming");
    fs::remove_dir(&incoming).unwrap();
    symlink("/proc/sys", incoming).unwrap();
}

pub fn mend(cluster: &Cluster, slug: &str) {
    let incoming = cluster.hidden(slug, "incoming");
    fs::remove_file(&incoming).unwrap();
    fs::create_dir(incoming).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_bad_disk_stops_taking_work_until_it_is_released() {
    let cluster = Cluster::start_with("quarantine", ONE_TRY).await;
    let (status, problem) = release(&cluster, "server2").await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_quarantined")), "{problem}");

    spoil(&cluster, "server2");
    let doomed = several(&cluster, "master", 6).await;
    let batch = cluster.move_all(&doomed, "server2").await;
    let bad = until_state(&cluster, "server2", "quarantined").await;
    assert_eq!(bad["quarantine"]["code"], "disk_error", "{bad}");
    assert!(bad["quarantine"]["failures"].as_u64().unwrap() >= 5, "{bad}");
    assert!(bad["quarantine"]["remedy"].as_str().unwrap().len() > 10, "{bad}");
    let ready = cluster.readiness("worker-server2-1").await;
    let told = ready["parts"]["quarantine"].as_str().unwrap_or_default().to_owned();
    assert!(ready["ready"] == false && told.contains("quarantine"), "{ready}");

    // It is no target; the others are, also for what comes from the same source.
    let [one, two] = several(&cluster, "master", 2).await.try_into().unwrap();
    let ids = [one.id.to_string()];
    let refused = cluster.api.move_artists(&ids, &cluster.server_id("server2")).await.unwrap();
    assert_eq!(refused["refused"][0]["reason"], "server_quarantined", "{refused}");
    let well = cluster.move_all(&[one, two.clone()], "server3").await;
    cluster.wait_batch(&well, MINUTE).await;
    assert_eq!(cluster.home(&two).await, "server3");

    // Nor does it let anybody out: the message keeps its place on the lane, across a restart.
    let waiting = several(&cluster, "server2", 1).await;
    let later = cluster.move_all(&waiting, "server3").await;
    let on_lane = || cluster.messages_on("server2", "export");
    wait::until("the export on its lane", MINUTE, on_lane, |n| *n == 1).await;
    cluster.kill("worker-server2-1").await;
    let alive = || cluster.readiness("worker-server2-1");
    wait::until("the worker is back", MINUTE, alive, |r| {
        r["parts"]["broker"] == "ok" && r["parts"]["quarantine"] != "ok"
    })
    .await;
    assert_eq!(server(&cluster, "server2").await["state"], "quarantined");
    assert_eq!(cluster.messages_on("server2", "export").await, 1);
    let held_up = &cluster.jobs(&later).await[0];
    assert_eq!(held_up["state"], "queued");
    assert_eq!(held_up["at_servers"], json!([cluster.server_id("server2")]), "{held_up}");

    // Undoing needs no release: it goes by the upkeep lane. What was caught in between ends when
    // the rest of it does.
    mend(&cluster, "server2");
    let (status, answer) = release(&cluster, "server2").await;
    assert_eq!(status, 202, "{answer}");
    until_state(&cluster, "server2", "online").await;
    cluster.wait_batch(&later, MINUTE).await;
    let ended = &cluster.jobs(&later).await[0];
    assert_eq!(cluster.home(&waiting[0]).await, "server3", "{ended}");
    cluster.wait_batch(&batch, MINUTE).await;
    let failed = cluster.jobs(&batch).await.iter().filter(|j| j["state"] == "failed").count();
    assert!(failed >= 3, "{failed} have failed");

    let again = several(&cluster, "master", 2).await;
    let batch = cluster.move_all(&again, "server2").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&again[1]).await, "server2");
    let audit = cluster.api.all("/audit").await.unwrap();
    assert!(audit.iter().any(|a| a["action"] == "server.release"), "{audit:?}");
    cluster.finish().await;
}
