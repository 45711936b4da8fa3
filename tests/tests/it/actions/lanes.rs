//! A lane is paused and resumed by clicks.

use super::{MINUTE, Person};
use crate::quarantine::several;
use tourbus_tests::{support::Cluster, tree, wait};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_pauses_a_lane_and_what_waits_on_it_goes_when_it_is_resumed() {
    let cluster = Cluster::start("page_lane").await;
    let artists = several(&cluster, "server2", 1).await;
    let before = cluster.snapshot("server2", &artists[0]);
    let operator = Person::operator(&cluster).await;
    operator.open("/queues").await;
    operator.press("Pause export of Server2").await;
    operator.is_told("Pause export of Server2?").await;
    operator.is_told("Messages stay on the lane").await;
    operator.put("#reason", "new disks").await;
    operator.press("Pause export").await;
    let paused = "section[aria-label='Server2'] small.paused";
    let heard = |t: &str| t.contains("new disks") && !t.contains("yet to hear");
    operator.reads(paused, "all workers to have heard", heard).await;
    assert!(operator.browser.text(paused).await.contains("operator@example.org"));

    let batch = cluster.move_all(&artists, "server3").await;
    let row = "section[aria-label='Server2'] tr:has(.paused)";
    let waiting = format!("{row} [data-label='Waiting']");
    operator.reads(&waiting, "the move to wait", |t| t == "1").await;
    operator.browser.picture("queues-paused").await;
    assert_eq!(operator.browser.text(&format!("{row} [data-label='In hand']")).await, "0");
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "queued");

    operator.open("/overview").await;
    operator.is_told("Lane export of Server2 is paused").await;
    operator.is_told("new disks").await;
    operator.press("Look and resume").await;
    operator.press("Resume export of Server2").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artists[0]).await, "server3");
    tree::assert_equal(&before, &cluster.snapshot("server3", &artists[0]), "the moved tree");
    operator.open("/overview").await;
    let told = operator.browser.text("main").await;
    assert!(!told.contains("is paused"), "{told}");
    let depth = || cluster.messages_on("server2", "export");
    wait::until("an empty lane", MINUTE, depth, |n| *n == 0).await;
    operator.leave().await;
    cluster.finish().await;
}
