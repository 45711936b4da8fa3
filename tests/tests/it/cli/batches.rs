//! Batches: lists of them, and the same of many at once.

use super::Shell;
use crate::web::fixture::Web;
use serde_json::Value;
use tourbus_domain::ArtistId;

/// Moves each of these in a batch of its own. The batches' ids.
async fn queued(shell: &Shell, artists: &[ArtistId], to: &str) -> Vec<String> {
    let mut batches = Vec::new();
    for artist in artists {
        let line = format!("moves queue --artist {artist} --to {to} --json");
        let answer = shell.run(&line).await.json();
        batches.push(answer["batch_id"].as_str().unwrap().to_owned());
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn many_batches_are_steered_by_their_ids_or_by_a_filter() {
    let web = Web::start("cli_batches").await;
    let artists = web.artists(0, &[("Rook", 5), ("Owl", 5), ("Lark", 5)]).await;
    let shell = Shell::new(&web.url, "admin");
    let ids = queued(&shell, &artists[..2], "server2").await;
    let third = queued(&shell, &artists[2..], "server3").await.remove(0);

    let (a, b) = (&ids[0][..13], &ids[1]);
    shell
        .run(&format!("batches pause {a} {b}"))
        .await
        .must(0, &["Batches paused: 2, with 2 jobs."]);
    let state = async |state: &str| {
        let list = shell.run(&format!("batches --state {state} --json")).await.json();
        let id = |b: &Value| b["id"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(state("paused").await, [ids[1].clone(), ids[0].clone()]);
    assert_eq!(state("open").await.len(), 3);
    shell.run("batches list --state finished").await.must(0, &["None."]);
    let again = shell.run(&format!("batches pause {a} {b} {a}")).await;
    again.must(0, &["Batches paused: 0", "2 had been already."]);

    shell.run("batches resume --server server3").await.must(0, &["No batch fits"]);
    let resumed =
        shell.run("batches resume --by admin@test.example --since 1h --json").await.json();
    assert_eq!((&resumed["done"], &resumed["jobs"]), (&2.into(), &2.into()), "{resumed}");
    assert!(state("paused").await.is_empty());

    let nobody = uuid::Uuid::nil();
    let some = shell.run(&format!("batches cancel {third} {nobody} --yes")).await;
    some.must(1, &["Batches being undone or called off: 1, with 1 job.", "1 not: No batch has"]);
    shell.run("batches cancel --all --yes").await.must(0, &["called off: 2, with 2 jobs."]);
    shell.run("batches cancel --all --yes").await.must(0, &["No batch fits"]);
    let early = shell.run(&format!("batches retry {a} {b} --include-cancelled")).await;
    early
        .must(1, &["Batches tried again: 0", "2 not: What is to be retried is still being undone"]);
    shell.run("audit --action batch.cancel").await.must(0, &["batch.cancel", "batch:"]);

    let viewer = Shell::new(&web.url, "viewer");
    viewer.run("batches pause --all").await.must(1, &["Not allowed"]);
    web.finish().await;
}
