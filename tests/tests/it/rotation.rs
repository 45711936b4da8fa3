//! The master's key is changed while moves run: no job fails, and the old key ends.

use crate::lock_and_key::{signer, signer_of};
use chrono::{TimeDelta, Utc};
use serde_json::Value;
use std::{path::Path, process::Command, time::Duration};
use tourbus_domain::{JobId, StepKey, StepKind};
use tourbus_protocol::{KeyId, Order, Signer, Work};
use tourbus_store::AuditQuery;
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 8, 2, 20_000)
}

/// `tourbus keys …` against the coordinator of this cluster.
fn keys(cluster: &Cluster, args: &[&str]) -> (bool, String) {
    let output = Command::new(tourbus_local::find_tourbus().unwrap())
        .arg("keys")
        .args(args)
        .arg("--config")
        .arg(cluster.config_path("coordinator"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Makes a server's worker look at a message.
async fn say(cluster: &Cluster, by: &Signer, order: Order) {
    let work = Work {
        id: Uuid::now_v7(),
        server: "server2".parse().unwrap(),
        job_id: JobId::new(),
        key: StepKey { kind: StepKind::Export, seq: 0 },
        epoch: 1,
        floor: 0,
        issued_at: Utc::now(),
        expires_at: Utc::now() + TimeDelta::hours(1),
        order,
        trace: None,
    };
    let message = String::from_utf8(by.sign(&work).unwrap()).unwrap();
    cluster.publish_raw("server2.upkeep", &message).await;
    let left = || cluster.messages_on("server2", "upkeep");
    wait::until("the message to be dealt with", MINUTE, left, |n| *n == 0).await;
}

/// Until these are the master's keys, as `state` and id, and every server obeys just these.
async fn until_keys(cluster: &Cluster, wanted: &[(&str, &KeyId)]) {
    let states = || async {
        let rows = cluster.store().master_keys().await.unwrap();
        rows.into_iter().map(|k| (k.state, KeyId::of_hex(&k.public_key))).collect::<Vec<_>>()
    };
    let equal = |seen: &Vec<(String, KeyId)>| {
        seen.iter().map(|(s, k)| (s.as_str(), k)).eq(wanted.iter().copied())
    };
    wait::until("the master's keys", MINUTE, states, equal).await;
    let trust = || async { cluster.store().trust_of_servers().await.unwrap() };
    wait::until("every server to obey them", MINUTE, trust, |servers| {
        servers.len() == 3
            && servers.iter().all(|s| {
                s.trusts.as_ref().is_some_and(|ids| {
                    ids.len() == wanted.len() && wanted.iter().all(|(_, k)| ids.contains(k))
                })
            })
    })
    .await;
}

async fn moves(cluster: &Cluster, n: usize, from: &str, to: &str) -> (String, Vec<Artist>) {
    let mut artists = Vec::new();
    for _ in 0..n {
        artists.push(cluster.add_artist(from, small).await);
    }
    (cluster.move_all(&artists, to).await, artists)
}

async fn all_succeed(cluster: &Cluster, batch: &str) {
    cluster.wait_batch(batch, 2 * MINUTE).await;
    let jobs = cluster.jobs(batch).await;
    assert!(jobs.iter().all(|j| j["state"] == "succeeded"), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_masters_key_changes_while_moves_run() {
    let cluster = Cluster::start("rotation").await;
    let old = signer(&cluster);
    let old_id = KeyId::of_hex(&old.public_key_hex());
    // These run, with orders still to come, when the key changes under them.
    let hold = cluster.hold("import.fetched");
    let (batch, _) = moves(&cluster, 8, "master", "server2").await;
    hold.reached().await;
    let (ok, said) = keys(&cluster, &["rotate"]);
    assert!(ok, "{said}");
    let new_id = KeyId::of_hex(said.lines().next().unwrap());
    until_keys(&cluster, &[("current", &new_id), ("old", &old_id)]).await;
    hold.release();
    all_succeed(&cluster, &batch).await;
    let (ok, said) = keys(&cluster, &["list"]);
    assert!(ok && said.contains("old") && said.contains("server3: obeys it"), "{said}");

    // Both count until the window is over; then a message of the old key is refused.
    say(&cluster, &old, Order::VoidV1).await;
    assert_eq!(cluster.dead_letters().await, 0);
    let (batch, _) = moves(&cluster, 4, "server2", "server3").await;
    let (ok, said) = keys(&cluster, &["drop-old"]);
    assert!(ok && said.contains("from now on: 1"), "{said}");
    until_keys(&cluster, &[("current", &new_id)]).await;
    all_succeed(&cluster, &batch).await;
    let dead = cluster.dead_letters().await;
    say(&cluster, &old, Order::VoidV1).await;
    wait::until("one refused", MINUTE, || cluster.dead_letters(), |n| *n == dead + 1).await;

    let asked = AuditQuery { action: Some("keys.".into()), limit: 9, ..AuditQuery::default() };
    let log = cluster.store().audit(&asked).await.unwrap();
    let mut noted: Vec<String> =
        log.iter().map(|d| format!("{} by {}", d.action, d.actor)).collect();
    let by_hand = |verb: &str| format!("keys.{verb} by command line");
    let switched = "keys.switch by coordinator".to_owned();
    // The coordinator notes too that the old key's window is over, before the command line, behind
    // it, or later.
    noted.retain(|n| n != "keys.drop by coordinator");
    assert_eq!(noted, [by_hand("drop"), switched, by_hand("rotate")]);

    // Nor does an earlier announcement bring it back, nor a restart of either side.
    let ring = cluster.config_of::<tourbus_config::CoordinatorConfig>("coordinator").keyring;
    let ring: Value = serde_json::from_slice(&std::fs::read(ring.unwrap()).unwrap()).unwrap();
    let new = signer_of(ring["keys"][0]["secret"].as_str().unwrap());
    assert_eq!(KeyId::of_hex(&new.public_key_hex()), new_id);
    let both = vec![old.public_key_hex(), new.public_key_hex()];
    say(&cluster, &new, Order::TrustV1 { generation: 1, keys: both }).await;
    cluster.kill("worker-server2-1").await;
    cluster.kill("coordinator").await;
    until_keys(&cluster, &[("current", &new_id)]).await;
    say(&cluster, &old, Order::VoidV1).await;
    wait::until("another refused", MINUTE, || cluster.dead_letters(), |n| *n == dead + 2).await;
    let (batch, artists) = moves(&cluster, 2, "server2", "master").await;
    all_succeed(&cluster, &batch).await;
    assert_eq!(cluster.home(&artists[0]).await, "master");
    cluster.finish().await;
}
