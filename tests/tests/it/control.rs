//! The control room on real parts: dead letters, paused batches, balance, reports.

use crate::lock_and_key::signer;
use serde_json::{Value, json};
use std::{path::Path, process::Command, time::Duration};
use tourbus_local::find_tourbus;
use tourbus_tests::{
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 30_000)
}

/// Whether `tourbus verify-report` calls a report good, and what it says of it.
pub fn verify_report(file: &Path, key: Option<&str>) -> (bool, String) {
    let mut command = Command::new(find_tourbus().unwrap());
    command.arg("verify-report").arg(file).arg("--json");
    command.args(key.map(|k| format!("--key={k}")));
    let out = command.output().unwrap();
    (out.status.success(), String::from_utf8(out.stdout).unwrap())
}

async fn post(cluster: &Cluster, path: &str, body: Value) -> (u16, Value) {
    cluster.api.post(path, &body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_explained_requeued_and_discarded() {
    let cluster = Cluster::start("dead_letters").await;
    // Nobody takes the export: its message can be taken from its lane, and put where it is refused.
    cluster.set_export_slots("worker-server2-1", 0).await;
    let artist = cluster.add_artist("server2", small).await;
    let before = cluster.snapshot("server2", &artist);
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("the export on its lane", MINUTE, depth, |n| *n == 1).await;
    let taken = cluster.take_messages("server2", "export", 1).await.remove(0);
    cluster.publish_raw("server3.upkeep", &taken).await;
    cluster.publish_raw("server3.upkeep", "{\"hello\":1}").await;
    let kept = || cluster.letters();
    let letters = wait::until("two letters", MINUTE, kept, |l| l.len() == 2).await;
    let fault = |fault: &str| letters.iter().find(|l| l["fault"] == fault).unwrap();
    let (lost, rubbish) = (fault("other_server"), fault("malformed"));
    assert_eq!(lost["job_id"], cluster.jobs(&batch).await[0]["id"]);
    assert_eq!((&lost["reason"], &lost["kind"]), (&json!("rejected"), &json!("export")));
    assert_eq!(lost["body"]["work"]["server"], "server2", "{lost}");
    assert_eq!((&rubbish["job_id"], &rubbish["body"]), (&Value::Null, &json!({ "hello": 1 })));

    // The order was lost; requeued, it goes to the server that it was for.
    let requeue = |l: &Value| format!("/queues/dead/{}/requeue", l["id"].as_str().unwrap());
    assert_eq!(post(&cluster, &requeue(lost), json!({})).await.0, 204);
    let (status, problem) = post(&cluster, &requeue(rubbish), json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("unreadable")));
    cluster.set_export_slots("worker-server2-1", 2).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server3");
    tree::assert_equal(&before, &cluster.snapshot("server3", &artist), "the moved tree");

    // It turns up once more, when nothing waits for it.
    cluster.publish_raw("server3.upkeep", &taken).await;
    let late = |l: &Vec<Value>| l.iter().any(|l| l["fault"] == "other_server");
    let letters = wait::until("the late letter", MINUTE, kept, late).await;
    let late = letters.iter().find(|l| l["fault"] == "other_server").unwrap();
    let (status, problem) = post(&cluster, &requeue(late), json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("superseded")));
    let (status, done) =
        post(&cluster, "/queues/dead/discard", json!({ "server": "server3" })).await;
    assert_eq!((status, &done["letters"]), (200, &json!(2)), "{done}");
    assert_eq!(cluster.dead_letters().await, 0);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_batch_holds_over_the_death_of_everybody_and_ends_well() {
    let cluster = Cluster::start("paused").await;
    cluster.set_export_slots("worker-server2-1", 0).await;
    let mut artists: Vec<Artist> = Vec::new();
    for _ in 0..8 {
        artists.push(cluster.add_artist("server2", small).await);
    }
    let before: Vec<_> = artists.iter().map(|a| cluster.snapshot("server2", a)).collect();
    let batch = cluster.move_all(&artists, "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("all on the lane", MINUTE, depth, |n| *n == 8).await;
    let (status, paused) = post(&cluster, &format!("/batches/{batch}/pause"), json!({})).await;
    assert_eq!((status, &paused["state"]), (200, &json!("paused")), "{paused}");
    cluster.kill_and_hold("coordinator").await;
    cluster.start_again("coordinator");
    // The workers take the messages that stand there, and find them void.
    cluster.set_export_slots("worker-server2-1", 2).await;
    wait::until("an empty lane", MINUTE, depth, |n| *n == 0).await;
    for job in cluster.jobs(&batch).await {
        assert_eq!((&job["state"], &job["paused"]), (&json!("queued"), &json!(true)), "{job}");
    }
    let one = cluster.jobs(&batch).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(post(&cluster, &format!("/jobs/{one}/express"), json!({})).await.0, 200);
    let state = || async {
        cluster.api.get(&format!("/jobs/{one}")).await.ok()?["state"].as_str().map(str::to_owned)
    };
    wait::until("the one that is wanted", MINUTE, state, |s| s.as_deref() == Some("succeeded"))
        .await;

    let (status, resumed) = post(&cluster, &format!("/batches/{batch}/resume"), json!({})).await;
    assert_eq!((status, &resumed["state"]), (200, &json!("running")), "{resumed}");
    cluster.wait_batch(&batch, MINUTE).await;
    for (artist, before) in artists.iter().zip(&before) {
        assert_eq!(cluster.home(artist).await, "server3");
        tree::assert_equal(before, &cluster.snapshot("server3", artist), &artist.slug);
    }
    let (status, problem) = post(&cluster, &format!("/batches/{batch}/pause"), json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("wrong_state")));
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_is_queued_and_each_move_has_a_report_that_the_master_signed() {
    let cluster = Cluster::start("balanced").await;
    let artist = cluster.add_artist("server2", small).await;
    let (status, queued) = post(
        &cluster,
        "/balance",
        json!({ "moves": [{ "artist_id": artist.id, "to_server_id": cluster.server_id("server3") }] }),
    )
    .await;
    assert_eq!((status, &queued["accepted"]), (202, &json!(1)), "{queued}");
    let batch = queued["batch_id"].as_str().unwrap().to_owned();
    cluster.wait_batch(&batch, MINUTE).await;
    let job = cluster.jobs(&batch).await[0]["id"].as_str().unwrap().to_owned();
    let read = || async { cluster.api.get(&format!("/jobs/{job}/report")).await.ok() };
    let report = wait::until("the report", MINUTE, read, Option::is_some).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.json");
    let check = |report: &Value, key: Option<&str>| {
        std::fs::write(&file, report.to_string()).unwrap();
        verify_report(&file, key)
    };
    let key = signer(&cluster).public_key_hex();
    let (good, text) = check(&report, Some(&key));
    assert!(good, "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let files = cluster.jobs(&batch).await[0]["files_total"].clone();
    assert_eq!((&told["job_id"], &told["files"]), (&json!(job), &files));
    assert_eq!(told["manifest"]["blake3"].as_str().unwrap().len(), 64);
    assert!(told["cut_over_at"].is_string() && told["verified"].as_array().unwrap().len() == 3);
    let stranger = tourbus_protocol::Signer::from_bytes(&[9; 32]).public_key_hex();
    assert!(!check(&report, Some(&stranger)).0, "another's signature");
    let mut altered = report.clone();
    let text = report["report"]
        .as_str()
        .unwrap()
        .replace("server3", "server9")
        .replace("Server3", "Server9");
    altered["report"] = json!(text);
    assert_ne!(altered, report);
    assert!(!check(&altered, None).0, "altered");
    cluster.finish().await;
}
