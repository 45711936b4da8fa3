//! Pausing a server's lane, on real parts.

use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Twice what the rescue of these clusters waits for, in seconds.
const LONG_S: f64 = 7.0;

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 30_000)
}

/// What `GET /queues` says of a lane.
async fn lane(cluster: &Cluster, server: &str, lane: &str) -> Option<Value> {
    let queues = cluster.api.all("/queues").await.ok()?;
    queues.into_iter().find(|q| q["server_slug"] == server && q["lane"] == lane)
}

pub async fn steer(cluster: &Cluster, server: &str, lane: &str, what: &str, body: Value) -> Value {
    let path = format!("/servers/{}/lanes/{lane}/{what}", cluster.server_id(server));
    let (status, answer) = cluster.api.post(&path, &body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Until every worker of the server says that it takes nothing from the lane.
pub async fn until_heard(cluster: &Cluster, server: &str, of: &str) {
    let heard = |q: &Option<Value>| {
        let Some(pause) = q.as_ref().map(|q| &q["paused"]) else { return false };
        pause["workers"].as_i64() > Some(0) && pause["workers"] == pause["workers_paused"]
    };
    wait::until("all workers to have heard", MINUTE, || lane(cluster, server, of), heard).await;
}

/// The try of each job's export.
async fn epochs(cluster: &Cluster, batch: &str) -> Vec<Value> {
    let mut epochs = Vec::new();
    for job in cluster.jobs(batch).await {
        assert_eq!(job["state"], "queued", "{job}");
        let path = format!("/jobs/{}", job["id"].as_str().unwrap());
        let steps = cluster.api.get(&path).await.unwrap()["steps"].clone();
        epochs.push(steps[0]["epoch"].clone());
    }
    epochs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_lane_stands_over_restarts_while_others_work_and_all_of_it_is_done_afterwards() {
    let cluster = Cluster::start("paused_lane").await;
    let mut artists: Vec<Artist> = Vec::new();
    for _ in 0..5 {
        artists.push(cluster.add_artist("server2", small).await);
    }
    let comes = cluster.add_artist("server3", small).await;
    let body = json!({ "reason": "new disks" });
    let paused = steer(&cluster, "server2", "export", "pause", body).await;
    assert_eq!(paused["paused"]["reason"], "new disks", "{paused}");
    until_heard(&cluster, "server2", "export").await;

    let batch = cluster.move_all(&artists, "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("all on the lane", MINUTE, depth, |n| *n == 5).await;
    let before = epochs(&cluster, &batch).await;
    // The server's other lanes work, before and after a restart of its worker.
    let arrives = cluster.move_all(std::slice::from_ref(&comes), "server2").await;
    cluster.wait_batch(&arrives, MINUTE).await;
    assert_eq!(cluster.home(&comes).await, "server2");
    cluster.kill_and_hold("worker-server2-1").await;
    cluster.start_again("worker-server2-1");
    cluster.kill_and_hold("coordinator").await;
    cluster.start_again("coordinator");
    cluster.ready("worker-server2-1").await;
    cluster.ready("coordinator").await;

    // They wait for longer than the rescue does, and none is sent again.
    let oldest = |q: &Option<Value>| q.as_ref().and_then(|q| q["oldest_waiting_s"].as_f64());
    let by_then = oldest(&lane(&cluster, "server2", "export").await).unwrap();
    let waits = |q: &Option<Value>| oldest(q).is_some_and(|s| s > by_then + LONG_S);
    let see = || lane(&cluster, "server2", "export");
    let seen = wait::until("them to have waited for long", MINUTE, see, waits).await.unwrap();
    assert_eq!((&seen["ready"], &seen["unacked"]), (&json!(5), &json!(0)), "{seen}");
    assert_eq!(epochs(&cluster, &batch).await, before, "sent again");

    assert_eq!(
        steer(&cluster, "server2", "export", "resume", json!({})).await["paused"],
        json!(null)
    );
    cluster.wait_batch(&batch, MINUTE).await;
    for artist in &artists {
        assert_eq!(cluster.home(artist).await, "server3");
    }
    let audit = cluster.api.all("/audit?action=lane.").await.unwrap();
    assert_eq!(
        (&audit[0]["action"], &audit[1]["reason"]),
        (&json!("lane.resume"), &json!("new disks"))
    );
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn even_upkeep_is_resumed_and_a_cancelled_move_is_undone_then() {
    let cluster = Cluster::start("paused_upkeep").await;
    let artist = cluster.add_artist("server2", small).await;
    let body = json!({});
    let answer = steer(&cluster, "server2", "upkeep", "pause", body).await;
    assert!(answer["pause_stops"].as_str().unwrap().contains("undone"), "{answer}");
    until_heard(&cluster, "server2", "upkeep").await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    // All is copied, and nothing makes the last step.
    let waiting = || cluster.messages_on("server2", "upkeep");
    wait::until("the sync on its lane", MINUTE, waiting, |n| *n == 1).await;
    let cancel = format!("/batches/{batch}/cancel");
    assert_eq!(cluster.api.post(&cancel, &json!({})).await.unwrap().0, 200);
    wait::until("the undoing on its lane", MINUTE, waiting, |n| *n == 2).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "rolling_back");
    steer(&cluster, "server2", "upkeep", "resume", json!({})).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "cancelled");
    assert_eq!(cluster.home(&artist).await, "server2");

    // A lane that is none, one that cannot be paused, and nobody's.
    for (server, lane, expected) in [
        (cluster.server_id("server2"), "exports", 400),
        (cluster.server_id("server2"), "control", 400),
        (uuid::Uuid::new_v4().to_string(), "export", 404),
    ] {
        let path = format!("/servers/{server}/lanes/{lane}/pause");
        assert_eq!(cluster.api.post(&path, &json!({})).await.unwrap().0, expected, "{lane}");
    }
    cluster.finish().await;
}
