//! Dead letters are read, requeued and discarded, one by one and all that match.

use super::{MINUTE, Person};
use crate::{operator::lose_an_export, quarantine::several};
use tourbus_tests::{support::Cluster, tree, wait};

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_read_requeued_and_discarded_by_one_and_by_the_filter() {
    let patient = "[coordinator]\nrescue_after_ms = 600000";
    let cluster = Cluster::start_with("page_letters", patient).await;
    let artists = several(&cluster, "server2", 1).await;
    let before = cluster.snapshot("server2", &artists[0]);
    let batch = lose_an_export(&cluster, &artists).await;
    for n in 1..=3 {
        cluster.publish_raw("server3.upkeep", &format!("{{\"hello\":{n}}}")).await;
    }
    wait::until("four letters", MINUTE, || cluster.letters(), |l| l.len() == 4).await;
    let operator = Person::operator(&cluster).await;
    operator.open("/queues").await;
    operator.press("Dead letters").await;
    assert_eq!(operator.count("section.letter").await, 4);

    // One of those that nobody can read.
    let rubbish = "section[aria-label^='Order: unreadable']";
    operator.click(&format!("{rubbish} details summary")).await;
    let body = operator.browser.text(&format!("{rubbish} details[open] pre")).await;
    assert!(body.contains("\"hello\":"), "{body}");
    operator.click("button[aria-label^='Requeue: Order: unreadable']").await;
    let why = operator.browser.text("p.notice[role='alert']").await;
    assert!(why.contains("find out who sent it, then discard it"), "{why}");
    assert_eq!(operator.count("section.letter").await, 4, "it is still there");
    operator.click("button[aria-label^='Discard: Order: unreadable']").await;
    assert_eq!(operator.browser.text("p.notice[role='status']").await, "Discarded 1 letter.");
    assert_eq!(operator.count("section.letter").await, 3);

    // All that were for another server: the one that a move waits for.
    operator.browser.choose("#fault", "other_server").await;
    operator.press("Show").await;
    operator.browser.find("#fault option[value='other_server'][selected]").await;
    assert_eq!(operator.count("section.letter").await, 1);
    operator.press("Requeue all of these").await;
    let said = operator.browser.text("p.notice[role='status']").await;
    assert!(said.starts_with("1 letter will be requeued."), "{said}");
    cluster.set_export_slots("worker-server2-1", 2).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artists[0]).await, "server3");
    tree::assert_equal(&before, &cluster.snapshot("server3", &artists[0]), "the moved tree");

    operator.press("Clear").await;
    operator.press("Discard all 2…").await;
    operator.browser.picture("letters-discard").await;
    operator.is_told("They leave this list for good.").await;
    operator.press("Discard them").await;
    operator.is_told("Discarded 2 letters.").await;
    operator.is_told("No dead letters.").await;
    assert_eq!(cluster.dead_letters().await, 0);
    operator.leave().await;
    cluster.finish().await;
}
