//! A batch is steered on its page, several of them by the list.

use super::{MINUTE, Person};
use crate::{
    lanes::{steer, until_heard},
    quarantine::{ONE_TRY, mend, several, spoil},
};
use serde_json::{Value, json};
use tourbus_tests::{support::Cluster, tree, wait};

/// Nothing leaves server2 but by express.
pub(super) async fn hold_back(cluster: &Cluster) {
    steer(cluster, "server2", "export", "pause", json!({})).await;
    until_heard(cluster, "server2", "export").await;
}

pub(super) async fn let_go(cluster: &Cluster) {
    steer(cluster, "server2", "export", "resume", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_move_overtakes_and_the_others_are_paused_and_resumed() {
    let cluster = Cluster::start("page_batch").await;
    hold_back(&cluster).await;
    let artists = several(&cluster, "server2", 3).await;
    let before: Vec<_> = artists.iter().map(|a| cluster.snapshot("server2", a)).collect();
    let batch = cluster.move_all(&artists, "server3").await;
    let operator = Person::operator(&cluster).await;
    operator.open("/batches").await;
    operator.click(&format!("a[href='/batches/{batch}']")).await;
    let one = cluster.jobs(&batch).await[0]["id"].as_str().unwrap().to_owned();
    operator.click(&format!("li[data-job='{one}'] [data-do='express'] button")).await;
    let moved = ".progress-card [data-text='moved']";
    operator.sees(moved, "1").await;
    assert_eq!(cluster.api.get(&format!("/jobs/{one}")).await.unwrap()["state"], "succeeded");

    operator.press("Pause").await;
    operator.sees("p.notice[data-show='paused']", "Paused by operator@example.org").await;
    let_go(&cluster).await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("the lane to be taken up", MINUTE, depth, |n| *n == 0).await;
    let waiting = cluster.jobs(&batch).await;
    let held = waiting.iter().filter(|j| j["state"] == "queued" && j["paused"] == true);
    assert_eq!(held.count(), 2, "{waiting:?}");
    operator.browser.picture("batch-paused-by-hand").await;
    // Who looks what cancelling would do has done nothing yet.
    operator.press("Cancel batch…").await;
    operator.is_told("2 waiting artists stay where they are.").await;
    operator.is_told("1 already moved artist stays on the new server.").await;
    operator.press("Keep moving").await;
    // All that waits is wanted now, though nobody has resumed it.
    operator.press("Expedite…").await;
    operator.is_told("Expedite 2 jobs?").await;
    operator.press("Expedite 2 jobs").await;
    operator.is_told("2 expedited").await;
    operator.open(&format!("/batches/{batch}")).await;
    operator.sees(moved, "3").await;
    operator.sees("#head h1", "Moved 3 artists to Server3").await;
    for (artist, before) in artists.iter().zip(&before) {
        assert_eq!(cluster.home(artist).await, "server3");
        tree::assert_equal(before, &cluster.snapshot("server3", artist), &artist.slug);
    }
    operator.leave().await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_and_what_was_cancelled_is_tried_again() {
    let cluster = Cluster::start_with("page_batch_retry", ONE_TRY).await;
    spoil(&cluster, "server3");
    let artists = several(&cluster, "server2", 2).await;
    let failing = cluster.move_all(&artists, "server3").await;
    let operator = Person::operator(&cluster).await;
    operator.open(&format!("/batches/{failing}")).await;
    operator.sees("#head h1", "No artist moved to Server3, 2 failed").await;
    operator.browser.picture("batch-failed-by-hand").await;
    mend(&cluster, "server3");
    operator.press("Retry failed").await;
    operator.sees("#head h1", "Moved 2 artists to Server3").await;

    hold_back(&cluster).await;
    let later = several(&cluster, "server2", 2).await;
    let cancelled = cluster.move_all(&later, "server3").await;
    operator.open(&format!("/batches/{cancelled}")).await;
    operator.press("Cancel batch…").await;
    operator.press("Cancel 2 moves").await;
    operator.sees("#head h1", "No artist moved to Server3, 2 cancelled").await;
    operator.press("Retry cancelled").await;
    operator.sees("#head h1", "Moving 2 artists to Server3").await;
    let_go(&cluster).await;
    operator.sees("#head h1", "Moved 2 artists to Server3").await;
    for artist in artists.iter().chain(&later) {
        assert_eq!(cluster.home(artist).await, "server3");
    }
    operator.leave().await;
    cluster.finish().await;
}

/// The states of these batches.
async fn states(cluster: &Cluster, batches: &[String]) -> Vec<Value> {
    let mut states = Vec::new();
    for id in batches {
        states.push(cluster.api.get(&format!("/batches/{id}")).await.unwrap()["state"].clone());
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_ticked_or_found_by_the_filter_and_steered_once_it_is_confirmed() {
    let cluster = Cluster::start("page_batches").await;
    hold_back(&cluster).await;
    let artists = several(&cluster, "server2", 4).await;
    let mut batches = Vec::new();
    for some in [&artists[..1], &artists[1..3], &artists[3..]] {
        batches.push(cluster.move_all(some, "server3").await);
    }
    let operator = Person::operator(&cluster).await;

    operator.tick("/batches", &batches[..2]).await;
    operator.press("Pause…").await;
    operator.is_told("Pause 2 batches?").await;
    operator.is_told("Jobs to be held back: 3.").await;
    operator.browser.picture("batches-many").await;
    assert_eq!(states(&cluster, &batches).await, ["running"; 3], "nothing was confirmed");
    operator.press("Pause 2 batches").await;
    operator.is_told("2 paused").await;
    operator.is_told("Jobs held back: 3.").await;
    assert_eq!(states(&cluster, &batches).await, ["paused", "paused", "running"]);

    // Those that the filter finds.
    operator.press("Back to the batches").await;
    operator.browser.choose("#state", "paused").await;
    operator.press("Show").await;
    operator.browser.find("#state option[value='paused'][selected]").await;
    assert_eq!(operator.count("li .pick").await, 2);
    operator.click("#select input[name='all']").await;
    operator.press("Resume…").await;
    operator.is_told("Resume 2 batches?").await;
    operator.is_told("Jobs to be let go: 3.").await;
    operator.press("Resume 2 batches").await;
    operator.is_told("2 going on").await;
    assert_eq!(states(&cluster, &batches).await, ["running"; 3]);

    operator.tick("/batches", &batches[2..]).await;
    operator.press("Cancel…").await;
    operator.is_told("Cancel 1 batch?").await;
    operator.is_told("Jobs to be undone or called off: 1.").await;
    operator.press("Cancel 1 batch").await;
    operator.is_told("1 being undone or called off").await;
    let seen = || states(&cluster, &batches);
    let ended = ["running", "running", "finished"];
    wait::until("one to be cancelled", MINUTE, seen, |s| *s == ended).await;
    assert_eq!(cluster.jobs(&batches[2]).await[0]["state"], "cancelled");
    let_go(&cluster).await;
    for batch in &batches {
        cluster.wait_batch(batch, MINUTE).await;
    }
    for artist in &artists[..3] {
        assert_eq!(cluster.home(artist).await, "server3");
    }
    assert_eq!(cluster.home(&artists[3]).await, "server2");
    operator.leave().await;
    cluster.finish().await;
}
