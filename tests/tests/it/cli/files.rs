//! What becomes of artists' files: LOFI, verifying, reports; and letters that nobody can handle.

use super::{PATIENCE, Shell, command, said};
use crate::{lock_and_key::signer, lofi, verify};
use serde_json::json;
use tourbus_tests::{support::Cluster, tree, wait};

#[tokio::test(flavor = "multi_thread")]
async fn songs_are_queued_once_and_a_rotten_file_is_status_1() {
    let cluster = Cluster::start("cli_files").await;
    let shell = Shell::new(cluster.api.base(), cluster.api.token());
    let artist = lofi::artist(&cluster, "server2", &lofi::some(2)).await;
    lofi::wait_songs(&cluster, &artist, 2, &["made"]).await;

    let again = format!("lofi queue --artist {} --profile classic", artist.id);
    shell.run("queues pause server2 lofi-bulk --reason slow").await.must(0, &["is paused"]);
    shell.run(&again).await.must(0, &["2 songs queued: batch ", "server2: 2 songs"]);
    let twice = shell.run(&again).await;
    twice.must(1, &["0 songs to convert.", "already"]);
    shell.run("queues resume server2 lofi-bulk").await.must(0, &["goes on"]);
    shell.run("moves watch").await.must(0, &["All 2 songs converted"]);
    shell.run("lofi status").await.must(0, &["2 of 2 songs"]);

    let read = format!("verify queue --artist {} --rate 1GB --watch", artist.id);
    shell.run(&read).await.must(0, &["1 artist to be verified", "1 artist verified, "]);
    shell.run("verify findings").await.must(0, &["None."]);
    verify::rot(&cluster.tree("server2", &artist).join("songs/001.wav"));
    let found = shell.run(&read).await;
    found.must(1, &["Not all files are as they should be", "songs/001.wav"]);
    shell.run("verify findings").await.must(0, &["songs/001.wav", "corrupt", "the disk lost them"]);
    let json = shell.run("verify findings --json").await.json();
    assert_eq!(json["items"].as_array().unwrap().len(), 1, "{json}");

    let all = format!("verify resolve --artist {}", artist.id);
    shell.run(&all).await.must(0, &["songs/001.wav of ", " is taken as mended."]);
    shell.run(&all).await.must(0, &["No finding of this artist is open."]);
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    shell.run(&format!("verify resolve {nobody}")).await.must(1, &["no open finding has the id"]);
    shell.run(&read).await.must(1, &["songs/001.wav"]);
    let anew = shell.run("verify findings --json").await.json();
    let id = anew["items"][0]["id"].as_str().unwrap();
    let accepted = shell.run(&format!("verify resolve {id} --accept --json")).await.json();
    assert_eq!(accepted, json!({ "resolved": [id], "refused": [] }));
    shell.run("verify findings").await.must(0, &["None."]);
    shell.run("verify queue --artist nobody").await.must(1, &["no artist is called \"nobody\""]);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_requeued_and_discarded() {
    let cluster = Cluster::start("cli_dead").await;
    let shell = Shell::new(cluster.api.base(), cluster.api.token());
    shell.run("queues dead").await.must(0, &["None."]);
    cluster.set_export_slots("worker-server2-1", 0).await;
    let artist = cluster.add_artist("server2", |root| tree::odd(root, 1)).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("the export on its lane", PATIENCE, depth, |n| *n == 1).await;
    let taken = cluster.take_messages("server2", "export", 1).await.remove(0);
    cluster.publish_raw("server3.upkeep", &taken).await;
    cluster.publish_raw("server2.upkeep", "{\"hello\":1}").await;
    wait::until("two letters", PATIENCE, || cluster.letters(), |l| l.len() == 2).await;

    let id = async |slug: &str| {
        let list = shell.run(&format!("queues dead --server {slug} --json")).await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
        list["items"][0]["id"].as_str().unwrap().to_owned()
    };
    // First of all: what is lost for long is sent again by itself.
    let lost = id("server3").await;
    shell.run(&format!("queues requeue {lost}")).await.must(0, &["handed to the coordinator"]);
    let rubbish = id("server2").await;
    let list = shell.run("queues dead --server server2").await;
    list.must(0, &[&rubbish, "malformed", "server2.upkeep"]);
    assert!(!list.out.contains(&lost), "{list:?}");
    shell.run("queues dead --fault malformed").await.must(0, &[&rubbish]);
    shell.run(&format!("queues requeue {rubbish}")).await.must(1, &["Not possible in this state"]);
    shell.run(&format!("queues discard {rubbish} --yes")).await.must(0, &["is removed"]);
    shell.run(&format!("queues discard {rubbish} --yes")).await.must(1, &[&rubbish]);
    for n in 2..=3 {
        cluster.publish_raw("server2.upkeep", &format!("{{\"hello\":{n}}}")).await;
    }
    wait::until("two more letters", PATIENCE, || cluster.letters(), |l| l.len() == 2).await;
    shell.run("queues requeue --fault other_server").await.must(0, &["No dead message fits."]);
    let malformed = shell.run("queues discard --server server2 --fault malformed").await;
    malformed.must(0, &["Messages removed for good: 2."]);
    shell.run("queues discard --all --yes").await.must(0, &["No dead message fits."]);
    shell.run("queues dead").await.must(0, &["None."]);
    cluster.set_export_slots("worker-server2-1", 2).await;
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.home(&artist).await, "server3", "the lost order was sent again");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_kept_in_a_file_and_a_changed_one_is_refused() {
    let cluster = Cluster::start("cli_report").await;
    let shell = Shell::new(cluster.api.base(), cluster.api.token());
    let artist = cluster.add_artist("server2", |root| tree::odd(root, 1)).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let job = cluster.jobs(&batch).await[0]["id"].as_str().unwrap().to_owned();
    let report = || async { shell.run(&format!("jobs report {job} -o report.json")).await };
    let kept = wait::until("the report", PATIENCE, report, |s| s.code == 0).await;
    kept.must(0, &["The report is in report.json."]);
    assert_eq!(kept.out, "", "it is in the file");

    let check = async |args: &[&str]| {
        let args: Vec<&str> =
            ["verify-report", "report.json"].iter().chain(args).copied().collect();
        said(command(shell.dir.path(), &args)).await
    };
    let key = format!("--key={}", signer(&cluster).public_key_hex());
    check(&[&key]).await.must(0, &["The signature is good", "Server2 -> Server3"]);
    let stranger = format!("--key={}", "0".repeat(64));
    check(&[&stranger]).await.must(1, &["not signed by this key, or changed since"]);
    let file = shell.dir.path().join("report.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("erver3"), "{text}");
    std::fs::write(&file, text.replace("erver3", "erver9")).unwrap();
    check(&[&key]).await.must(1, &["not signed by this key, or changed since"]);
    check(&[]).await.must(1, &["changed since it was signed"]);

    // A move that was over before there were reports has none, and says so.
    cluster.sql("DELETE FROM move_reports").unwrap();
    shell.run(&format!("jobs report {job}")).await.must(1, &["older than reports"]);
    cluster.finish().await;
}
