//! Artists move, byte for byte, and what stands in the way is told.

use serde_json::json;
use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::{tree, wait};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_artists_arrive_byte_for_byte() {
    let cluster = Cluster::start("hundred").await;
    let mut artists = Vec::new();
    for n in 0..100 {
        artists.push(cluster.add_artist("master", |root| tree::odd(root, n)).await);
    }
    let before: Vec<_> = artists.iter().map(|a| cluster.snapshot("master", a)).collect();

    let batch = cluster.move_all(&artists, "server2").await;
    cluster.wait_batch(&batch, 3 * MINUTE).await;

    for (artist, before) in artists.iter().zip(&before) {
        let after = cluster.snapshot("server2", artist);
        tree::assert_equal(before, &after, &artist.slug);
        assert_eq!(cluster.home(artist).await, "server2");
        assert!(!cluster.tree("master", artist).exists(), "the old copy is still in place");
    }
    let jobs = cluster.jobs(&batch).await;
    assert!(jobs.iter().all(|j| j["state"] == "succeeded"));
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        let slot = artists.iter().position(|a| job["artist_id"] == a.id.to_string()).unwrap();
        let kept = cluster.hidden("master", "retired").join(id).join("tree");
        tree::assert_equal(&before[slot], &tree::snapshot(&kept).unwrap(), "the retired copy");
    }
    cluster.old_link_forwards(&artists[0], "master", "server2").await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_in_many_chunks_arrives_and_may_return() {
    let cluster = Cluster::start("chunks").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 7, 2, 41 << 20)).await;
    let before = cluster.snapshot("server2", &artist);
    for target in ["server3", "server2", "master", "server2"] {
        let batch = cluster.move_all(std::slice::from_ref(&artist), target).await;
        cluster.wait_batch(&batch, MINUTE).await;
        tree::assert_equal(&before, &cluster.snapshot(target, &artist), target);
    }
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_during_the_copy_arrives_too() {
    let cluster = Cluster::start("changes").await;
    let artist = cluster.add_artist("master", |root| tree::odd(root, 5)).await;
    let hold = cluster.hold("export.done");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    hold.reached().await;
    let root = cluster.tree("master", &artist);
    tree::write_noise(&root.join("songs/new.mp3"), 99, 123_456).unwrap();
    tree::write_noise(&root.join("songs/00.mp3"), 98, 10).unwrap();
    fs::remove_file(root.join("songs/02.mp3")).unwrap();
    fs::remove_dir(root.join("empty/inner/.hidden")).unwrap();
    fs::remove_file(root.join("zero bytes")).unwrap();
    fs::create_dir(root.join("zero bytes")).unwrap();
    fs::remove_file(root.join("latest")).unwrap();
    symlink("songs/new.mp3", root.join("latest")).unwrap();
    let before = cluster.snapshot("master", &artist);
    hold.release();
    cluster.wait_batch(&batch, MINUTE).await;
    tree::assert_equal(&before, &cluster.snapshot("server2", &artist), "the changed tree");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_queued_moves_stand_on_the_export_lane() {
    let cluster = Cluster::start("backlog").await;
    let mut artists = Vec::new();
    for n in 0..300 {
        artists.push(cluster.add_artist("server2", |root| tree::plain(root, n, 1, 100)).await);
    }
    cluster.pause("worker-server2-1");
    let batch = cluster.move_all(&artists, "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("300 messages on the lane", MINUTE, depth, |n| *n == 300).await;

    let path = format!("/batches/{batch}/cancel");
    let (status, body) = cluster.api.post(&path, &json!({})).await.unwrap();
    assert!((200..300).contains(&status), "{status} {body}");
    cluster.resume("worker-server2-1");
    cluster.wait_batch(&batch, 2 * MINUTE).await;
    assert!(cluster.jobs(&batch).await.iter().all(|j| j["state"] == "cancelled"));
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_each_phase_leaves_the_source_as_it_was() {
    let cluster = Cluster::start("cancel").await;
    let points = [
        "export.walked",
        "export.segment_staged",
        "import.fetched",
        "export.done",
        "sync.frozen",
        "promote.verified",
        "promote.renamed",
    ];
    for (n, point) in points.into_iter().enumerate() {
        let artist = cluster.add_artist("master", |root| tree::odd(root, n as u64)).await;
        let before = cluster.snapshot("master", &artist);
        let hold = cluster.hold(point);
        let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
        hold.reached().await;
        let job = cluster.jobs(&batch).await.remove(0);
        let path = format!("/jobs/{}/cancel", job["id"].as_str().unwrap());
        let (status, body) = cluster.api.post(&path, &json!({})).await.unwrap();
        assert!((200..300).contains(&status), "{point}: {status} {body}");
        hold.release();
        cluster.wait_batch(&batch, MINUTE).await;
        assert_eq!(cluster.jobs(&batch).await[0]["state"], "cancelled", "at {point}");
        tree::assert_equal(&before, &cluster.snapshot("master", &artist), point);
        assert_eq!(cluster.home(&artist).await, "master");
        assert!(!cluster.tree("server3", &artist).exists(), "{point}: the target kept a tree");
        cluster.no_leftovers().await;
        // And it can still move.
        let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
        cluster.wait_batch(&batch, MINUTE).await;
        tree::assert_equal(&before, &cluster.snapshot("server3", &artist), point);
    }
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_move_is_refused_with_a_reason_and_the_rest_goes_ahead() {
    let cluster = Cluster::start("refusals").await;
    let plain = |root: &Path| tree::plain(root, 1, 1, 1000);
    let here = cluster.add_artist("master", plain).await;
    let there = cluster.add_artist("server2", plain).await;
    let moving = cluster.add_artist("master", plain).await;
    let huge = cluster.add_artist_claiming("master", plain, 1 << 60).await;
    let hold = cluster.hold("export.walked");
    let first = cluster.move_all(std::slice::from_ref(&moving), "server3").await;
    hold.reached().await;

    let unknown = uuid::Uuid::now_v7().to_string();
    let ids = [&here, &there, &moving, &huge].map(|a| a.id.to_string());
    let mut ids = ids.to_vec();
    ids.push(unknown.clone());
    let body = json!({ "artist_ids": ids, "target_server_id": cluster.server_id("server2") });
    let (status, answer) = cluster.api.post_once("/moves", &body, "key-1").await.unwrap();
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["accepted"], 1);
    let reason = |id: &str| {
        let refused = answer["refused"].as_array().unwrap();
        refused.iter().find(|r| r["artist_id"] == id).map(|r| r["reason"].clone()).unwrap()
    };
    assert_eq!(reason(&there.id.to_string()), "already_there");
    assert_eq!(reason(&moving.id.to_string()), "already_moving");
    assert_eq!(reason(&huge.id.to_string()), "not_enough_space");
    assert_eq!(reason(&unknown), "unknown_artist");

    let (status, again) = cluster.api.post_once("/moves", &body, "key-1").await.unwrap();
    assert_eq!((status, &again), (202, &answer), "the same key must give the same answer");
    hold.release();
    cluster.wait_batch(answer["batch_id"].as_str().unwrap(), MINUTE).await;
    cluster.wait_batch(&first, MINUTE).await;
    assert_eq!(cluster.home(&here).await, "server2");

    let body = json!({ "artist_ids": [there.id.to_string()], "target_server_id": unknown });
    let (status, answer) = cluster.api.post("/moves", &body).await.unwrap();
    assert!(status == 202 || (400..500).contains(&status), "{status} {answer}");
    assert!(answer.to_string().contains("unknown_server"), "{answer}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_kind_we_carry_fails_the_job_by_name_and_frees_the_artist() {
    let cluster = Cluster::start("fifo").await;
    let artist = cluster
        .add_artist("master", |root| {
            tree::plain(root, 3, 1, 1000)?;
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                root.join("songs/pipe"),
                rustix::fs::FileType::Fifo,
                mode,
                0,
            )?;
            Ok(())
        })
        .await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    cluster.wait_batch(&batch, MINUTE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "failed");
    assert_eq!(job["error"]["path"], "songs/pipe", "{job}");
    assert!(!job["error"]["remedy"].as_str().unwrap().is_empty());
    cluster.no_leftovers().await;

    fs::remove_file(cluster.tree("master", &artist).join("songs/pipe")).unwrap();
    let path = format!("/jobs/{}/retry", job["id"].as_str().unwrap());
    let (status, body) = cluster.api.post(&path, &json!({})).await.unwrap();
    assert!((200..300).contains(&status), "{status} {body}");
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server2");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_message_goes_to_the_dead_letters_and_stops_nobody() {
    let cluster = Cluster::start("forged").await;
    let artist: Artist = cluster.add_artist("master", |root| tree::plain(root, 1, 1, 1000)).await;
    cluster.publish_raw("master.export", "{\"hello\":1}").await;
    cluster.publish_raw("master.upkeep", "not even json").await;
    wait::until("two dead letters", MINUTE, || cluster.dead_letters(), |n| *n == 2).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server2");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_behind_our_back_is_kept_and_told() {
    let cluster = Cluster::start("late").await;
    let artist = cluster.add_artist("master", |root| tree::plain(root, 6, 2, 5000)).await;
    let foreign = cluster.tree("server2", &artist).join("foreign.txt");
    fs::create_dir(cluster.tree("server2", &artist)).unwrap();
    fs::write(&foreign, b"not ours").unwrap();
    // The final copy has been taken; somebody who knows no freeze writes on.
    let hold = cluster.hold("promote.verified");
    let renamed = cluster.hold("promote.renamed");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    hold.reached().await;
    let song = cluster.tree("master", &artist).join("songs/00.mp3");
    let mut written = fs::read(&song).unwrap();
    written.extend_from_slice(b"late");
    fs::write(&song, &written).unwrap();
    hold.release();
    // Who set the foreign tree aside does not live to tell.
    renamed.reached().await;
    cluster.kill("worker-server2-1").await;
    renamed.release();
    cluster.wait_batch(&batch, MINUTE).await;

    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "succeeded", "{job}");
    let id = job["id"].as_str().unwrap();
    let seen = cluster.api.get(&format!("/jobs/{id}")).await.unwrap();
    let timeline = seen["timeline"].as_array().unwrap().iter();
    let noticed: Vec<_> = timeline.filter(|e| e["name"] == "noticed").collect();
    let codes: Vec<_> = noticed.iter().map(|e| e["detail"]["notice"]["code"].clone()).collect();
    assert_eq!(codes, ["leftover_tree", "written_after_sync"], "{seen}");
    assert_eq!(noticed[1]["detail"]["notice"]["path"], "songs/00.mp3");

    let kept = cluster.hidden("master", "retired").join(id);
    assert_eq!(fs::read(kept.join("tree/songs/00.mp3")).unwrap(), written);
    let note: serde_json::Value =
        serde_json::from_slice(&fs::read(kept.join("retired.json")).unwrap()).unwrap();
    assert_eq!(note["keep"], true, "{note}");
    let aside = fs::read_dir(cluster.hidden("server2", "retired")).unwrap();
    let aside: Vec<_> = aside.map(|e| e.unwrap().path().join("tree/foreign.txt")).collect();
    assert!(aside.iter().any(|f| f.exists()), "{aside:?}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_a_tree_is_refused_at_once() {
    let cluster = Cluster::start("linked").await;
    let artist = cluster.add_artist("master", |root| tree::plain(root, 6, 1, 500)).await;
    let (place, elsewhere) =
        (cluster.tree("master", &artist), cluster.hidden("master", "elsewhere"));
    fs::rename(&place, &elsewhere).unwrap();
    symlink(&elsewhere, &place).unwrap();
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    cluster.wait_batch(&batch, MINUTE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(
        (&job["state"], &job["error"]["code"]),
        (&json!("failed"), &json!("tree_no_directory"))
    );
    cluster.finish().await;
}
