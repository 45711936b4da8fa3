//! What an operator steers: dead letters, batches that are paused, lists that are filtered.

use super::fixture::{Db, MIB, play, slug, step_of, told};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use tourbus_domain::{Input, MoveSettings, StepRef};
use tourbus_store::{
    BatchHeld, BatchQuery, BatchStage, By, DeadLetterQuery, JobQuery, NewDeadLetter, NewestCursor,
    Requeueing, SUPERSEDED, UNREADABLE,
};
use uuid::Uuid;

fn operator() -> By {
    By::named("operator@test")
}

fn letter(step: Option<StepRef>, body: &str) -> NewDeadLetter {
    NewDeadLetter {
        fingerprint: body.as_bytes().to_vec(),
        died_at: Utc::now(),
        queue: "tourbus.lane.master.export".to_owned(),
        server_slug: Some(slug(0).to_string()),
        lane: Some("export".to_owned()),
        reason: "rejected".to_owned(),
        fault: if step.is_some() { "expired" } else { "malformed" },
        detail: "a test".to_owned(),
        routing_key: "master.export".to_owned(),
        is_work: true,
        kind: step.map(|s| s.key.kind.to_string()),
        step,
        headers: json!({}),
        body: body.as_bytes().to_vec(),
    }
}

fn all() -> DeadLetterQuery {
    DeadLetterQuery { limit: 100, ..DeadLetterQuery::default() }
}

/// What the coordinator does with those that were requeued, in order.
async fn take_up(db: &Db) {
    for letter in db.store.dead_letters_to_read(100).await.unwrap() {
        assert_eq!(letter.settled_by.as_deref(), Some("operator@test"));
        let note =
            db.store.send_dead_letter_again(&letter, &MoveSettings::default()).await.unwrap();
        db.store.dead_letter_taken_up(letter.id, note).await.unwrap();
    }
}

async fn requeue(db: &Db, id: Uuid) -> Requeueing {
    assert!(db.store.requeue_dead_letter(id, &operator()).await.unwrap());
    assert_eq!(db.store.requeueing(id).await.unwrap(), Requeueing::Pending);
    assert!(!db.store.requeue_dead_letter(id, &operator()).await.unwrap(), "twice is once");
    take_up(db).await;
    db.store.requeueing(id).await.unwrap()
}

#[tokio::test]
async fn a_dead_letter_is_kept_once_and_its_order_sent_again_at_no_cost() {
    let db = Db::start("control_dead").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    let order = db.relay().await.remove(0);
    let step = step_of(&order);
    assert!(db.store.keep_dead_letter(&letter(Some(step), "a"), false).await.unwrap());
    assert!(!db.store.keep_dead_letter(&letter(Some(step), "a"), true).await.unwrap());
    let kept = db.store.dead_letters(&all()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].job_id, kept[0].artist_name.is_some()), (Some(job.0), true));

    assert_eq!(requeue(&db, kept[0].id).await, Requeueing::Done);
    let again = db.relay().await.remove(0);
    assert!(again.epoch > order.epoch);
    assert!(db.store.dead_letters(&all()).await.unwrap().is_empty());
    let steps = db.store.job_steps(job).await.unwrap();
    assert_eq!(steps[0].attempts, 0);
    assert!(!db.store.requeue_dead_letter(kept[0].id, &operator()).await.unwrap());
    let unknown = db.store.requeueing(Uuid::now_v7()).await.unwrap();
    assert_eq!(unknown, Requeueing::Unknown);

    // The same message, after the job has gone on without it.
    assert!(db.store.keep_dead_letter(&letter(Some(step), "b"), false).await.unwrap());
    let late = db.store.dead_letters(&all()).await.unwrap().remove(0).id;
    assert_eq!(requeue(&db, late).await, Requeueing::Refused(SUPERSEDED.to_owned()));
    assert_eq!(db.store.dead_letters(&all()).await.unwrap()[0].note.as_deref(), Some(SUPERSEDED));
    db.tell(&play(&again)).await;
    db.work_off().await;
    assert_eq!(db.state(job).await, "succeeded");
    db.finish().await;
}

#[tokio::test]
async fn letters_are_discarded_one_by_one_or_all_that_match() {
    let db = Db::start("control_discard").await;
    for n in 0..5 {
        // Five times the same bytes within a second are five letters.
        assert!(db.store.keep_dead_letter(&letter(None, "same"), false).await.unwrap(), "{n}");
    }
    let mut foreign = letter(None, "other");
    foreign.server_slug = Some(slug(1).to_string());
    assert!(db.store.keep_dead_letter(&foreign, false).await.unwrap());
    let first = db.store.dead_letters(&all()).await.unwrap();
    let refused = requeue(&db, first[0].id).await;
    assert_eq!(refused, Requeueing::Refused(UNREADABLE.to_owned()));
    assert!(db.store.discard_dead_letter(first[0].id, &operator()).await.unwrap());
    assert!(!db.store.discard_dead_letter(first[0].id, &operator()).await.unwrap());
    let of_master = DeadLetterQuery { server_slug: Some(slug(0).to_string()), ..all() };
    let all_left = db.store.dead_letters(&all()).await.unwrap();
    let theirs = all_left.iter().filter(|l| l.server_slug.as_deref() == Some("master")).count();
    let discarded = db.store.discard_dead_letters(&of_master, &operator()).await.unwrap();
    assert_eq!(discarded, theirs as u64);
    let left = db.store.dead_letters(&all()).await.unwrap();
    assert!(left.iter().all(|l| l.server_slug.as_deref() == Some("server2")), "{left:?}");
    assert_eq!(left.len(), all_left.len() - theirs);
    let faults = db.store.dead_letter_faults().await.unwrap();
    assert_eq!(faults.iter().map(|(_, n)| *n as usize).sum::<usize>(), left.len());
    db.finish().await;
}

#[tokio::test]
async fn a_paused_batch_begins_nothing_new_and_ends_well_once_resumed() {
    let db = Db::start("control_pause").await;
    let artists = db.artists(0, 6, MIB).await;
    let answer = db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap();
    let batch = answer.batch_id.unwrap();
    let orders = db.relay().await;
    let begun = &orders[0];
    db.tell(&[told(begun, Input::Started(step_of(begun)))]).await;

    let pause = async |pause| db.store.pause_batch(batch, pause, &operator()).await.unwrap();
    assert_eq!(pause(true).await, Some(BatchHeld { asked: true, jobs: 5 }));
    let twice = Some(BatchHeld { asked: false, jobs: 0 });
    assert_eq!(pause(true).await, twice, "twice is once");
    let row = &db.batches().await[0];
    assert_eq!(row.paused_by.as_deref(), Some("operator@test"));
    assert_eq!(db.jobs().await.iter().filter(|j| j.paused).count(), 5);
    // What stood on the lane is void: a worker that takes it is not heard.
    for order in &orders[1..] {
        for outcome in db.tell(&play(order)).await {
            assert!(outcome.unwrap().ignored);
        }
    }
    let voids = db.relay().await;
    assert_eq!(voids.iter().filter(|o| o.lane.as_str() == "upkeep").count(), 5, "{voids:?}");
    assert_eq!(voids.len(), 5);
    db.tell(&play(begun)).await;
    db.work_off().await;
    let row = &db.batches().await[0];
    assert_eq!((row.jobs_succeeded, row.jobs_queued), (1, 5));

    // One of them is wanted now.
    let waiting = db.jobs().await.into_iter().find(|j| j.paused).unwrap();
    db.store.express_job(waiting.id.into(), &operator()).await.unwrap().unwrap();
    db.work_off().await;
    assert_eq!(db.state(waiting.id.into()).await, "succeeded");

    // Another one is; that the batch is paused once more does not hold it back.
    let waiting = db.jobs().await.into_iter().find(|j| j.paused).unwrap();
    db.store.express_job(waiting.id.into(), &operator()).await.unwrap().unwrap();
    assert_eq!(pause(true).await, twice);
    db.work_off().await;
    assert_eq!(db.state(waiting.id.into()).await, "succeeded");

    assert_eq!(pause(false).await, Some(BatchHeld { asked: true, jobs: 3 }));
    db.work_off().await;
    let row = &db.batches().await[0];
    assert_eq!((row.jobs_succeeded, row.paused_at), (6, None));
    assert_eq!(pause(true).await, None, "it has ended");
    db.finish().await;
}

#[tokio::test]
async fn lists_are_narrowed_by_artist_person_server_kind_and_time() {
    let db = Db::start("control_lists").await;
    let artists = db.artists(0, 4, MIB).await;
    let first = db.queue_one(artists[0], 1).await;
    let mut request = db.request(&artists[1..3], 2);
    request.by = By::named("other@test");
    db.store.enqueue_moves(&request).await.unwrap();
    let query = || JobQuery { limit: 100, ..JobQuery::default() };
    let ids = async |query: JobQuery| -> Vec<_> {
        db.store.jobs(&query).await.unwrap().into_iter().map(|j| j.id).collect()
    };
    let by_id = JobQuery { artist: Some(artists[0].to_string()), ..query() };
    assert_eq!(ids(by_id).await, [first.0]);
    let name = db.store.artist(artists[0]).await.unwrap().unwrap().name;
    let by_name = JobQuery { artist: Some(name.to_uppercase()), ..query() };
    assert!(ids(by_name).await.contains(&first.0));
    let nobody = JobQuery { artist: Some("100%".to_owned()), ..query() };
    assert!(ids(nobody).await.is_empty());
    let person = JobQuery { requested_by: Some("other@test".to_owned()), ..query() };
    assert_eq!(ids(person).await.len(), 2);
    for (server, n) in [(0, 3), (1, 1), (2, 2)] {
        let of_server = JobQuery { server_id: Some(db.servers[server]), ..query() };
        assert_eq!(ids(of_server).await.len(), n, "server {server}");
    }
    let moves = JobQuery { kind: Some("move".to_owned()), ..query() };
    assert_eq!(ids(moves).await.len(), 3);
    let songs = JobQuery { kind: Some("lofi".to_owned()), ..query() };
    assert!(ids(songs).await.is_empty());
    let earlier = JobQuery { until: Some(Utc::now() - TimeDelta::hours(1)), ..query() };
    assert!(ids(earlier).await.is_empty());
    let later = JobQuery { since: Some(Utc::now() + TimeDelta::hours(1)), ..query() };
    assert!(ids(later).await.is_empty());

    // Page by page, of a server's jobs too, nothing twice and nothing left out.
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = JobQuery { server_id: Some(db.servers[0]), after, limit: 1, ..query() };
        let rows = db.store.jobs(&page).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(NewestCursor { created_at: last.created_at, id: last.id });
        seen.extend(rows.iter().map(|r| r.id));
    }
    assert_eq!(seen, ids(query()).await);

    let of_artist = async |artist: String| {
        let query = BatchQuery { artist: Some(artist), limit: 10, ..BatchQuery::default() };
        db.store.batches(&query).await.unwrap().len()
    };
    assert_eq!(
        (of_artist(artists[0].to_string()).await, of_artist("100%".to_owned()).await),
        (1, 0)
    );
    let lower = name.to_lowercase();
    assert!((1..=3).contains(&of_artist(lower).await));
    let open = BatchQuery { stage: Some(BatchStage::Open), limit: 10, ..BatchQuery::default() };
    assert_eq!(db.store.batches(&open).await.unwrap().len(), 2);
    db.work_off().await;
    assert!(db.store.batches(&open).await.unwrap().is_empty());
    let theirs = BatchQuery { requested_by: Some("other@test".to_owned()), ..open };
    let theirs = BatchQuery { stage: Some(BatchStage::Ended), ..theirs };
    assert_eq!(db.store.batches(&theirs).await.unwrap().len(), 1);
    db.finish().await;
}
