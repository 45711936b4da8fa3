//! Following a batch.

use super::{PATIENCE, Shell};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tourbus_tests::{support::Cluster, tree, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_followed_to_its_end() {
    let cluster = Cluster::start("cli_watch").await;
    let shell = Shell::new(cluster.api.base(), cluster.api.token());
    let one = cluster.add_artist("master", |root| tree::odd(root, 1)).await;
    let two = cluster.add_artist("master", |root| tree::odd(root, 2)).await;
    let line = format!("moves queue --artist {} {} --to server2 --watch", one.id, two.slug);
    shell.run(&line).await.must(0, &["2 artists queued", "of 2 artists", "All 2 artists moved"]);
    assert_eq!(cluster.home(&one).await, "server2");
    shell.run("moves watch").await.must(0, &["Nothing is under way"]);
    shell.run("queues").await.must(0, &["lofi-bulk", "server3"]);
    let server = shell.run("servers drain server2 --dry-run").await;
    server.must(0, &["2 moves off this server."]);

    // One that is cancelled meanwhile has not ended well; nor is it lost on who watches that web
    // goes away.
    let hold = cluster.hold("export.done");
    let batch = cluster.move_all(std::slice::from_ref(&one), "server3").await;
    hold.reached().await;
    let mut watching = shell.command(&format!("moves watch {batch} --json"));
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(watching.stderr.take().unwrap()).lines();
    let first = progress.next_line().await.unwrap().unwrap();
    assert!(first.contains("0 of 1 artist moved"), "{first}");
    cluster.kill("web").await;
    let cancel = || async { shell.run(&format!("batches cancel {batch} --yes")).await };
    wait::until("the cancel to be taken", PATIENCE, cancel, |s| s.code == 0).await;
    hold.release();
    let ended = tokio::time::timeout(PATIENCE, watching.wait_with_output()).await.unwrap().unwrap();
    let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.status.code(), &document["jobs_cancelled"]), (Some(1), &json!(1)));
    shell.run(&format!("batches show {batch}")).await.must(0, &["finished", "1: 1 cancelled"]);
    cluster.finish().await;
}
