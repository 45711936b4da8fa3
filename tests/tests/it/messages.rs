//! A message is a hint: lost, repeated or out of order, it changes nothing. And two coordinators
//! are as good as one.

use std::time::Duration;
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::{tree, wait};

const MINUTE: Duration = Duration::from_secs(60);

async fn several(cluster: &Cluster, server: &str, n: u64) -> Vec<Artist> {
    let mut artists = Vec::new();
    for seed in 0..n {
        artists.push(cluster.add_artist(server, |root| tree::odd(root, seed)).await);
    }
    artists
}

fn snapshots(cluster: &Cluster, server: &str, artists: &[Artist]) -> Vec<tree::Snapshot> {
    artists.iter().map(|a| cluster.snapshot(server, a)).collect()
}

async fn all_moved(cluster: &Cluster, batch: &str, artists: &[Artist], before: &[tree::Snapshot]) {
    cluster.wait_batch(batch, 2 * MINUTE).await;
    for job in cluster.jobs(batch).await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    for (artist, before) in artists.iter().zip(before) {
        assert_eq!(cluster.home(artist).await, "server3");
        tree::assert_equal(before, &cluster.snapshot("server3", artist), &artist.slug);
        assert!(!cluster.tree("server2", artist).exists(), "{}: two homes", artist.slug);
    }
}

/// Queues moves of which nobody takes the first step, and takes their messages.
async fn queue_and_take(cluster: &Cluster, artists: &[Artist]) -> (String, Vec<String>) {
    cluster.set_export_slots("worker-server2-1", 0).await;
    let batch = cluster.move_all(artists, "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    let all = artists.len();
    wait::until("all messages on the lane", MINUTE, depth, |n| *n == all as u64).await;
    let taken = cluster.take_messages("server2", "export", all).await;
    assert_eq!(taken.len(), all);
    (batch, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_lost_are_sent_again() {
    let cluster = Cluster::start("lost").await;
    let artists = several(&cluster, "server2", 6).await;
    let before = snapshots(&cluster, "server2", &artists);
    let (batch, lost) = queue_and_take(&cluster, &artists).await;
    cluster.set_export_slots("worker-server2-1", 2).await;
    all_moved(&cluster, &batch, &artists, &before).await;

    // What was lost turns up after all.
    for message in &lost {
        cluster.publish_raw("server2.export", message).await;
    }
    cluster.no_leftovers().await;
    all_moved(&cluster, &batch, &artists, &before).await;
    assert_eq!(cluster.dead_letters().await, 0);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_any_order_and_number_move_each_artist_once() {
    let cluster = Cluster::start("repeated").await;
    let artists = several(&cluster, "server2", 6).await;
    let before = snapshots(&cluster, "server2", &artists);
    let (batch, taken) = queue_and_take(&cluster, &artists).await;
    for message in taken.iter().rev().chain(&taken).chain(taken.iter().rev()) {
        cluster.publish_raw("server2.export", message).await;
    }
    cluster.set_export_slots("worker-server2-1", 2).await;
    all_moved(&cluster, &batch, &artists, &before).await;
    cluster.no_leftovers().await;
    all_moved(&cluster, &batch, &artists, &before).await;
    assert_eq!(cluster.dead_letters().await, 0);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_coordinators_share_the_work_and_either_may_die() {
    let cluster = Cluster::start("coordinators").await;
    let second = cluster.second_coordinator().await;
    let artists = several(&cluster, "server2", 40).await;
    let before = snapshots(&cluster, "server2", &artists);
    let hold = cluster.hold("sync.frozen");
    let batch = cluster.move_all(&artists, "server3").await;
    hold.reached().await;
    cluster.kill_and_hold("coordinator").await;
    hold.release();
    let moved = || async {
        let jobs = cluster.jobs(&batch).await;
        jobs.iter().filter(|j| j["state"] == "succeeded").count()
    };
    wait::until("the second to go on alone", MINUTE, moved, |n| *n >= 10).await;
    cluster.start_again("coordinator");
    cluster.kill(second).await;
    all_moved(&cluster, &batch, &artists, &before).await;
    cluster.finish().await;
}
