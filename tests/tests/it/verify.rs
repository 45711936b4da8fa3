//! Verify: what was read is told, whatever dies or moves meanwhile.

use super::lofi::{artist, some, wait_songs};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// Queues a reading of this artist. Its batch.
async fn ask(cluster: &Cluster, artist: &Artist, rate_bytes_s: u64) -> String {
    let body = json!({ "artist_ids": [artist.id], "rate_bytes_s": rate_bytes_s });
    let (status, answer) = cluster.api.post("/verify", &body).await.unwrap();
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    answer["batch_id"].as_str().unwrap().to_owned()
}

/// Until it has ended well. What the timeline of its job says of it.
async fn ended(cluster: &Cluster, batch: &str) -> (Value, Value) {
    cluster.wait_batch(batch, PATIENCE).await;
    let job = cluster.jobs(batch).await.remove(0);
    assert_eq!(job["state"], "succeeded", "{job}");
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let detail = cluster.api.get(&path).await.unwrap();
    let timeline = detail["timeline"].as_array().unwrap().clone();
    let told = timeline.into_iter().find(|e| e["name"] == "verified").unwrap();
    (job, told["detail"].clone())
}

/// Reads all of an artist's files back now. What the timeline says of it.
pub async fn verify(cluster: &Cluster, artist: &Artist) -> Value {
    let batch = ask(cluster, artist, 1_000_000_000).await;
    ended(cluster, &batch).await.1
}

async fn findings(cluster: &Cluster, artist: &Artist) -> Vec<(String, String)> {
    let found =
        cluster.api.all(&format!("/verify/findings?artist_id={}", artist.id)).await.unwrap();
    let text = |f: &Value, key: &str| f[key].as_str().unwrap().to_owned();
    let mut found: Vec<_> = found.iter().map(|f| (text(f, "kind"), text(f, "path"))).collect();
    found.sort();
    found
}

/// The disk loses a bit: neither size nor time tells.
pub fn rot(path: &Path) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_loses_is_found_and_what_is_mended_is_not_found_again() {
    let cluster = Cluster::start("verify").await;
    let artist = artist(&cluster, "server2", &some(3)).await;
    wait_songs(&cluster, &artist, 3, &["made"]).await;
    let tree = cluster.tree("server2", &artist);
    let first = verify(&cluster, &artist).await;
    assert_eq!((&first["first_reading"], &first["found"]), (&json!(true), &json!(0)), "{first}");
    let (rotten, lost) = (tree.join("lofi/001.wav.mp3"), tree.join("songs/002.wav"));
    let (good, song) = (fs::read(&rotten).unwrap(), fs::read(&lost).unwrap());
    let times = [&rotten, &lost].map(|p| fs::metadata(p).unwrap().modified().unwrap());
    rot(&rotten);
    fs::remove_file(&lost).unwrap();
    let bad = verify(&cluster, &artist).await;
    assert_eq!((&bad["first_reading"], &bad["found"]), (&json!(false), &json!(2)), "{bad}");
    let found = |kind: &str, path: &str| (kind.to_owned(), path.to_owned());
    let expected = [found("corrupt", "lofi/001.wav.mp3"), found("missing", "songs/002.wav")];
    assert_eq!(findings(&cluster, &artist).await, expected);
    let overview = cluster.api.get("/verify").await.unwrap();
    assert_eq!(overview["open_findings"], 2, "{overview}");

    // Put back from a backup.
    for (path, bytes, time) in [(&rotten, good, times[0]), (&lost, song, times[1])] {
        fs::write(path, bytes).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let clean = verify(&cluster, &artist).await;
    assert_eq!(clean["found"], 0, "{clean}");
    assert_eq!(findings(&cluster, &artist).await, []);

    // What is converted anew is no damage, and a move brings what it has verified.
    let body = json!({ "artist_ids": [artist.id], "profile": "classic" });
    let (status, answer) = cluster.api.post("/lofi", &body).await.unwrap();
    assert_eq!(status, 202, "{answer}");
    cluster.wait_batch(answer["batch_id"].as_str().unwrap(), PATIENCE).await;
    let again = verify(&cluster, &artist).await;
    assert_eq!(again["found"], 0, "{again}");
    assert!(again["placed"].as_u64().unwrap() >= 3, "{again}");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let moved = verify(&cluster, &artist).await;
    assert_eq!((&moved["first_reading"], &moved["found"]), (&json!(false), &json!(0)), "{moved}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_outlives_its_worker_and_follows_a_move() {
    let cluster = Cluster::start("verify_follows").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 7, 24, 1_000_000)).await;
    let batch = ask(&cluster, &artist, 2_000_000).await;
    let read = || async { cluster.jobs(&batch).await[0]["bytes_done"].as_u64().unwrap_or(0) };
    wait::until("some bytes", PATIENCE, read, |n| *n > 2_000_000).await;
    cluster.kill("worker-server2-1").await;
    wait::until("more of them", PATIENCE, read, |n| *n > 6_000_000).await;
    let moving = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&moving, PATIENCE).await;
    assert_eq!(cluster.jobs(&moving).await[0]["state"], "succeeded");
    let (job, told) = ended(&cluster, &batch).await;
    assert_eq!(job["target_server_id"], cluster.server_id("server3").as_str(), "{job}");
    assert_eq!((&told["first_reading"], &told["found"]), (&json!(false), &json!(0)), "{told}");
    assert_eq!(told["files"], 24, "{told}");
    cluster.finish().await;
}
