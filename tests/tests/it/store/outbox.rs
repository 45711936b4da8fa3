//! The outbox, the wake-ups, the suspects.

use super::fixture::{Db, MIB, step_of, told};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;
use tourbus_domain::Input;
use tourbus_store::{By, Teller, Told};
use tourbus_tests::wait;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn two_relays_share_the_outbox_and_lose_nothing() {
    let db = Db::start("outbox_relays").await;
    let artists = db.artists(0, 30, MIB).await;
    db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap();
    let one = db.store.take_due_orders(20).await.unwrap();
    let two = db.store.take_due_orders(20).await.unwrap();
    assert_eq!((one.orders().len(), two.orders().len()), (20, 10));
    let ids = |orders: &[tourbus_store::DueOrder]| orders.iter().map(|o| o.id).collect::<Vec<_>>();
    let mut all: BTreeSet<i64> = ids(one.orders()).into_iter().collect();
    all.extend(ids(two.orders()));
    assert_eq!(all.len(), 30, "no row twice");

    let confirmed = ids(one.orders());
    let waiting = (confirmed[0], Duration::from_mins(5));
    one.settle(&confirmed[1..], &[waiting]).await.unwrap();
    drop(two); // That relay died.
    let mut again = BTreeSet::new();
    // A lease that is dropped lets go of its rows a moment later.
    while again.len() < 10 {
        let relayed = async || db.relay().await;
        let orders = wait::until("what it held is due again", SOON, relayed, |o| !o.is_empty());
        again.extend(orders.await.iter().map(|o| o.id));
    }
    assert!(again.is_subset(&all) && confirmed.iter().all(|id| !again.contains(id)), "{again:?}");
    assert_eq!(db.store.outbox_depth().await.unwrap().rows, 1, "one was put off");
    let wait = db.store.next_order_due_in().await.unwrap().unwrap();
    assert!(wait > Duration::from_mins(4), "{wait:?}");
    db.finish().await;
}

#[tokio::test]
async fn a_try_that_counts_no_more_is_not_published() {
    let db = Db::start("outbox_dead").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    db.store.cancel_job(job, &By::named("a")).await.unwrap().unwrap();
    let kinds: BTreeSet<_> = db.relay().await.iter().map(|o| format!("{:?}", o.order)).collect();
    assert!(kinds.iter().all(|k| !k.starts_with("ExportV1")), "{kinds:?}");
    assert_eq!(db.store.outbox_depth().await.unwrap().rows, 0);
    db.finish().await;
}

#[tokio::test]
async fn commits_wake_relays_and_pages() {
    let db = Db::start("outbox_wake").await;
    let mut orders = db.store.listen_outbox().await.unwrap();
    let mut jobs = db.store.listen_jobs().await.unwrap();
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    timeout(SOON, orders.next()).await.unwrap().unwrap().unwrap();
    let queued = timeout(SOON, jobs.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((queued.jobs.len(), queued.batches.len()), (0, 1));
    db.store.cancel_job(job, &By::named("a")).await.unwrap().unwrap();
    let cancelled = timeout(SOON, jobs.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(cancelled.jobs, [job.0]);
    drop((orders, jobs));
    db.finish().await;
}

#[tokio::test]
async fn a_try_is_suspect_only_when_nobody_names_it_and_nothing_owes_it() {
    let db = Db::start("outbox_suspects").await;
    let artist = db.artists(0, 1, MIB).await[0];
    db.queue_one(artist, 1).await;
    let suspects = async || db.store.suspects(Duration::ZERO, 10).await.unwrap();
    assert!(suspects().await.is_empty(), "the outbox owes it");
    let order = db.relay().await.remove(0);
    let found = suspects().await;
    assert_eq!((found.len(), found[0].step, found[0].running), (1, step_of(&order), false));
    db.tell(&[told(&order, Input::Started(step_of(&order)))]).await;
    assert!(suspects().await[0].running);
    let long = db.store.suspects(Duration::from_mins(1), 10).await.unwrap();
    assert!(long.is_empty(), "it was named a moment ago");

    let rescue = Told {
        job_id: order.job_id,
        input: Input::Rescue(step_of(&order)),
        by: Teller::Coordinator,
    };
    let outcomes = db.tell(&[rescue.clone(), rescue]).await;
    assert!(!outcomes[0].as_ref().unwrap().ignored);
    assert!(outcomes[1].as_ref().unwrap().ignored, "two coordinators rescue once");
    db.finish().await;
}
