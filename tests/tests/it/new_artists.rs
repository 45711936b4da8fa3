//! A new artist lands on the default server, and is an artist like any other.

use serde_json::{Value, json};
use std::time::Duration;
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::wait;

const PATIENCE: Duration = Duration::from_secs(60);

async fn create(cluster: &Cluster, body: &Value) -> (u16, Value) {
    cluster.api.post("/artists", body).await.expect("an answer")
}

fn artist(made: &Value) -> Artist {
    let text = |key: &str| made[key].as_str().expect("a text").to_owned();
    Artist { id: text("id").parse().expect("an id"), slug: text("slug") }
}

async fn default_server(cluster: &Cluster) -> String {
    let servers = cluster.api.all("/servers").await.expect("servers");
    let default = servers.iter().find(|s| s["is_default"] == true).expect("a default server");
    default["slug"].as_str().expect("a slug").to_owned()
}

async fn ended(cluster: &Cluster, job: &Value) -> Value {
    let path = format!("/jobs/{}", job.as_str().expect("a job holds a new artist"));
    let read = || async { cluster.api.get(&path).await.expect("the job") };
    wait::until("the artist's tree", PATIENCE, read, |j| !j["finished_at"].is_null()).await
}

/// Where the front door leads, and what stands there.
async fn page(cluster: &Cluster, artist: &Artist) -> String {
    let page = cluster.hear(artist, "").await.expect("the artist's page");
    String::from_utf8(page).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_artist_has_a_page_on_the_default_server_and_moves() {
    let cluster = Cluster::start("new_artist").await;
    let (status, made) = create(&cluster, &json!({ "name": "Motörhead & Söhne" })).await;
    assert_eq!((status, made["slug"].as_str()), (201, Some("motorhead-sohne")), "{made}");
    let job = ended(&cluster, &made["operating_job_id"]).await;
    assert_eq!((&job["state"], &job["kind"]), (&json!("succeeded"), &json!("provision")), "{job}");
    let artist = artist(&made);
    let home = cluster.home(&artist).await;
    assert_eq!(home, default_server(&cluster).await);
    assert!(cluster.tree(&home, &artist).join("songs").is_dir());
    assert!(page(&cluster, &artist).await.contains("Motörhead &#38; Söhne"));

    let target = if home == "server2" { "server3" } else { "server2" };
    let batch = cluster.move_all(std::slice::from_ref(&artist), target).await;
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.home(&artist).await, target);
    assert!(page(&cluster, &artist).await.contains("Söhne"));
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_or_reserved_address_makes_nothing() {
    let cluster = Cluster::start("new_refused").await;
    let (status, made) = create(&cluster, &json!({ "name": "Rooks", "slug": "rooks" })).await;
    assert_eq!(status, 201, "{made}");
    ended(&cluster, &made["operating_job_id"]).await;
    for (body, status, code) in [
        (json!({ "name": "Rooks" }), 409, "slug_taken"),
        (json!({ "name": "X", "slug": "admin" }), 409, "slug_reserved"),
        (json!({ "name": "X", "slug": "A/../b" }), 422, "bad_slug"),
        (json!({ "name": " " }), 422, "bad_name"),
        (json!({ "name": "a\u{0}b", "slug": "ab" }), 422, "bad_name"),
    ] {
        let (got, problem) = create(&cluster, &body).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{body}: {problem}");
    }
    let artists = cluster.api.all("/artists").await.expect("artists");
    assert_eq!(artists.len(), 1, "{artists:?}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_write_says_so_and_a_retry_mends_it() {
    let cluster = Cluster::start("new_denied").await;
    let home = default_server(&cluster).await;
    // A file stands where the worker drafts its trees: even root cannot make a directory there.
    let incoming = cluster.hidden(&home, "incoming");
    std::fs::remove_dir(&incoming).expect("an empty directory");
    std::fs::write(&incoming, "").expect("a file in its place");
    let (_, made) = create(&cluster, &json!({ "name": "Rooks" })).await;
    let path = format!("/jobs/{}", made["operating_job_id"].as_str().expect("a job"));
    let read = || async { cluster.api.get(&path).await.expect("the job") };
    let told = |j: &Value| j["steps"][0]["error"].is_object();
    let job = wait::until("a failed try", PATIENCE, read, told).await;
    let message = job["steps"][0]["error"]["message"].as_str().expect("a message");
    assert!(message.contains("incoming"), "{job}");
    std::fs::remove_file(&incoming).expect("the file");
    std::fs::create_dir(&incoming).expect("the directory");
    let job = wait::until("its end", PATIENCE, read, |j| !j["finished_at"].is_null()).await;
    if job["state"] == "failed" {
        let (status, answer) =
            cluster.api.post(&format!("{path}/retry"), &json!({})).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    let done = |j: &Value| j["state"] == "succeeded";
    wait::until("the artist's tree", PATIENCE, read, done).await;
    assert!(cluster.tree(&home, &artist(&made)).is_dir());
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_while_it_makes_a_tree_is_followed_by_another_try() {
    let cluster = Cluster::start_private("new_killed").await;
    let home = default_server(&cluster).await;
    let hold = cluster.hold("provision.drafted");
    let (_, made) = create(&cluster, &json!({ "name": "Rooks" })).await;
    hold.reached().await;
    cluster.kill(&format!("worker-{home}-1")).await;
    hold.release();
    let job = ended(&cluster, &made["operating_job_id"]).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let artist = artist(&made);
    assert!(page(&cluster, &artist).await.contains("Rooks"));
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_server_that_has_not_joined_takes_nobody() {
    let cluster = Cluster::start("new_not_joined").await;
    let body = json!({
        "name": "Server 9", "ip": "127.0.0.1", "url": "http://server9.tourbus.localhost:18099",
        "is_default": true,
    });
    let (status, server) = cluster.api.post("/servers", &body).await.expect("an answer");
    assert_eq!((status, &server["is_default"]), (201, &json!(true)), "{server}");
    let (status, problem) = create(&cluster, &json!({ "name": "Rooks" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("no_default_server")), "{problem}");
    assert!(problem["detail"].as_str().expect("a text").contains("joined"), "{problem}");
    assert!(cluster.api.all("/artists").await.expect("artists").is_empty());

    // It is empty, and even so nothing is drained to itself.
    let master = format!("/servers/{}", cluster.server_id("master"));
    let (status, _) =
        cluster.api.patch(&master, &json!({ "is_default": true })).await.expect("an answer");
    assert_eq!(status, 200);
    let id = server["id"].as_str().expect("an id");
    let drain = json!({ "target_server_ids": [id] });
    let (status, problem) =
        cluster.api.post(&format!("/servers/{id}/drain"), &drain).await.expect("an answer");
    assert_eq!(status, 409, "{problem}");
    let seen = cluster.api.get(&format!("/servers/{id}")).await.expect("the server");
    assert_eq!(seen["draining"], false, "{seen}");
    cluster.finish().await;
}
