//! Servers: their checks, draining; and the balance.

use super::{PATIENCE, Shell};
use crate::web::fixture::Web;
use serde_json::{Value, json};
use std::process::Command;
use tourbus_protocol::CheckName;
use tourbus_tests::{support::Cluster, tree, wait};

/// As if its agent had joined, reported and found all of it green.
fn green(web: &Web, slug: &str) {
    let others = CheckName::ALL.into_iter().filter(|c| *c != CheckName::Agent);
    let rows: Vec<String> = others.map(|c| format!("('{}')", c.as_str())).collect();
    let sql = format!(
        "UPDATE servers SET joined_at = now(), agent_seen_at = now() + interval '1 hour' \
             WHERE slug = '{slug}'; \
         INSERT INTO server_checks SELECT s.id, c.name, 'green', 'Well.', '', \
             now() + interval '1 hour' FROM servers s, (VALUES {}) AS c (name) \
             WHERE s.slug = '{slug}'",
        rows.join(", ")
    );
    run(web, &sql);
}

fn run(web: &Web, sql: &str) {
    let ran = Command::new("psql")
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-c", sql, &web.database])
        .output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_checked_and_says_whether_all_is_green() {
    let web = Web::start("cli_check").await;
    let shell = Shell::new(&web.url, "operator");
    let unjoined = Shell::new(&web.url, "admin").run("servers check server3").await;
    unjoined.must(1, &["Waits for the server to join", "No agent has ever reported from server3"]);
    green(&web, "server2");
    let checked = Shell::new(&web.url, "admin").run("servers check server2").await;
    checked.must(0, &["green", "Well."]);
    shell.run("servers check server2").await.must(1, &["Not allowed"]);
    web.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_released_from_quarantine() {
    let web = Web::start("cli_release").await;
    let shell = Shell::new(&web.url, "admin");
    shell.run("servers release server2").await.must(1, &["is not in quarantine"]);
    let quarantine = json!({
        "id": uuid::Uuid::now_v7(), "since": "2026-11-22T10:00:00Z", "failures": 5,
        "error": { "class": "permanent", "code": "disk_error", "message": "The disk fails",
            "remedy": "Mend it." },
    });
    let of = "server_id = (SELECT id FROM servers WHERE slug = 'server2')";
    run(&web, &format!("UPDATE workers SET quarantine = '{quarantine}' WHERE {of}"));
    shell.run("servers").await.must(0, &["quarantined"]);
    Shell::new(&web.url, "viewer").run("servers release server2").await.must(1, &["Not allowed"]);
    shell.run("servers release server2").await.must(0, &["server2 is released"]);
    shell.run("audit --action server.release").await.must(0, &["server.release"]);
    web.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_drained_and_the_balance_is_suggested_and_applied() {
    let cluster = Cluster::start("cli_drain").await;
    let shell = Shell::new(cluster.api.base(), cluster.api.token());
    let mut artists = Vec::new();
    for n in 0..3 {
        artists.push(cluster.add_artist("server2", |root| tree::odd(root, n)).await);
    }
    shell.run("servers drain server2 --to server3 --dry-run").await.must(0, &["3 moves off"]);
    let drained = shell.run("servers drain server2 --to server3 --yes --watch").await;
    drained.must(0, &["3 moves off this server.", "to server3: 3 artists", "All 3 artists moved"]);
    shell.run("servers").await.must(0, &["draining"]);
    let refused = shell.run(&format!("moves queue --artist {} --to server2", artists[0].id)).await;
    refused.must(1, &["Nobody was queued", "drained"]);
    shell.run("servers undrain server2").await.must(0, &["server2 takes artists again."]);
    shell.run("servers undrain server2").await.must(1, &["not being drained"]);

    // All plays are on one server now. What has just moved rests, unless it is said otherwise.
    cluster.sql("UPDATE artists SET plays_30d = 300, plays_total = 300").unwrap();
    let rests = shell.run("balance apply --yes").await;
    rests.must(0, &["Nobody was queued", "no move would help"]);
    let suggested = shell.run("balance --rest-days 0").await;
    suggested.must(0, &["ARTIST", "server3", "PLAYS 30D NOW"]);
    let json = shell.run("balance --rest-days 0 --json").await.json();
    let moves = json["moves"].as_array().unwrap().len();
    assert!(moves > 0, "{json}");
    let applied = shell.run("balance apply --rest-days 0 --yes --reason evenly --json").await;
    let answer = applied.must(0, &[]).json();
    assert_eq!(answer["accepted"], moves, "{answer}");
    let batch = answer["batch_id"].as_str().unwrap();
    cluster.wait_batch(batch, PATIENCE).await;
    shell.run(&format!("batches show {batch}")).await.must(0, &["finished", "evenly"]);
    let homes = || async {
        let list = shell.run("artists --all --json").await.json();
        let home = |a: &Value| a["server_id"].as_str().unwrap().to_owned();
        let mut homes: Vec<String> = list["items"].as_array().unwrap().iter().map(home).collect();
        homes.sort_unstable();
        homes.dedup();
        homes.len()
    };
    wait::until("artists on several servers", PATIENCE, homes, |n| *n > 1).await;
    cluster.finish().await;
}
