//! The same of many jobs at once; and paused lanes.

use super::fixture::{Db, MIB, slug};
use serde_json::json;
use std::time::Duration;
use tourbus_domain::{JobState, Lane, LanePauses};
use tourbus_protocol::{Heartbeat, Order};
use tourbus_store::{
    BATCHES_PER_ASK_MAX, BatchAsk, BatchHeld, BatchOutcome, BatchQuery, BatchRefused, BatchesWhich,
    By, HeartbeatFrom, JobAsk, JobQuery, JobsWhich, LaneChanged,
};

fn operator() -> By {
    By::named("operator@test")
}

#[tokio::test]
async fn what_fits_is_cancelled_and_retried_whatever_the_page_and_once_more_changes_nothing() {
    let db = Db::start("many_jobs").await;
    let artists = db.artists(0, 7, MIB).await;
    let there = db.artists(2, 2, MIB).await;
    db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap();
    db.store.enqueue_moves(&db.request(&there, 1)).await.unwrap();
    let of_first = JobQuery { server_id: Some(db.servers[0]), ..JobQuery::default() };
    let count =
        async |what, query: &JobQuery| db.store.count_jobs_for(what, query, 100).await.unwrap();
    assert_eq!(count(JobAsk::Cancel, &of_first).await, 7);
    assert_eq!(count(JobAsk::Retry, &of_first).await, 0);
    let fitting = |query: &JobQuery| JobsWhich::Fitting(Box::new(query.clone()));
    let ask = async |what, which: &JobsWhich| {
        let asked = db.store.ask_jobs(what, which, &operator(), json!({})).await.unwrap();
        assert!(!asked.more);
        asked.jobs
    };
    let done = ask(JobAsk::Cancel, &fitting(&of_first)).await;
    assert_eq!(done.len(), 7);
    assert!(done.iter().all(|(_, outcome)| *outcome == Ok(true)), "{done:?}");
    db.work_off().await;
    assert!(ask(JobAsk::Cancel, &fitting(&of_first)).await.is_empty(), "none is left");
    // By their ids, each says why not.
    let ids: Vec<_> = done.iter().map(|(id, _)| *id).collect();
    let again = ask(JobAsk::Cancel, &JobsWhich::Ids(ids)).await;
    assert!(again.len() == 7 && again.iter().all(|(_, o)| o.is_err()), "{again:?}");
    // What somebody has cancelled comes back only when that is said.
    assert!(ask(JobAsk::Retry, &fitting(&of_first)).await.is_empty());
    let cancelled = JobQuery { states: vec![JobState::Cancelled], ..of_first };
    assert_eq!(ask(JobAsk::Retry, &fitting(&cancelled)).await.len(), 7);
    db.work_off().await;
    assert!(db.jobs().await.iter().all(|j| j.state == "succeeded"));
    db.finish().await;
}

#[tokio::test]
async fn batches_are_retried_on_request_and_what_has_ended_says_so() {
    let db = Db::start("many_batches").await;
    let artists = db.artists(0, 3, MIB).await;
    let mut ids = Vec::new();
    for some in [&artists[..2], &artists[2..]] {
        let answer = db.store.enqueue_moves(&db.request(some, 1)).await.unwrap();
        ids.push(answer.batch_id.unwrap());
    }
    let all = BatchesWhich::Fitting(Box::default());
    let named = BatchesWhich::Ids(ids.clone());
    let count = async |what| {
        let counted = db.store.count_batches_for(what, &all).await.unwrap();
        (counted.batches, counted.jobs)
    };
    let ask = async |what, which| {
        let asked = db.store.ask_batches(what, which, &operator(), json!({})).await;
        assert!(asked.broke_off.is_none() && !asked.more);
        asked.batches.into_iter().map(|b| (b.outcome, b.jobs)).collect::<Vec<_>>()
    };
    let both = |outcome: BatchOutcome| vec![(outcome.clone(), 0), (outcome, 0)];
    assert_eq!(count(BatchAsk::Cancel).await, (2, 3));
    let done = ask(BatchAsk::Cancel, &named).await;
    assert_eq!(done, [(BatchOutcome::Done, 2), (BatchOutcome::Done, 1)]);
    assert_eq!(count(BatchAsk::Cancel).await, (0, 0), "they are being undone");
    let (retry, with) =
        (BatchAsk::Retry { include_cancelled: false }, BatchAsk::Retry { include_cancelled: true });
    let refused = |why| both(BatchOutcome::Refused(why));
    assert_eq!(ask(with, &named).await, refused(BatchRefused::Undoing));
    db.work_off().await;
    // How far they were when they ended is kept, until they go on and end anew.
    let moved = async || {
        let mut progress = db.store.batch_progress(&ids).await.unwrap();
        progress.sort_by_key(|p| p.bytes_moved);
        let kept = db.sql("SELECT count(*) FROM batch_ends").await.unwrap();
        (progress.into_iter().map(|p| (p.bytes_moved, p.bytes_total)).collect::<Vec<_>>(), kept)
    };
    assert_eq!(moved().await, (vec![(0, 0), (0, 0)], "2".to_owned()));
    for what in [BatchAsk::Pause, BatchAsk::Resume, BatchAsk::Cancel] {
        assert_eq!(ask(what, &named).await, refused(BatchRefused::Ended));
        assert_eq!(ask(what, &all).await, []);
    }
    // What somebody has cancelled comes back only when that is said.
    assert_eq!(ask(retry, &named).await, refused(BatchRefused::NothingFailed));
    assert_eq!((ask(retry, &all).await, count(with).await), (Vec::new(), (2, 3)));
    assert_eq!(ask(with, &all).await, [(BatchOutcome::Done, 1), (BatchOutcome::Done, 2)]);
    // A pause that broke off before it told the jobs is made whole by asking again.
    db.sql("UPDATE batches SET paused_at = now(), paused_by = 'x'").await.unwrap();
    assert_eq!(count(BatchAsk::Pause).await, (2, 3));
    let done = ask(BatchAsk::Pause, &all).await;
    assert_eq!(done, [(BatchOutcome::Done, 1), (BatchOutcome::Done, 2)]);
    assert_eq!(count(BatchAsk::Pause).await, (0, 0));
    assert_eq!(ask(BatchAsk::Pause, &named).await, both(BatchOutcome::Unchanged));
    assert_eq!(ask(BatchAsk::Resume, &all).await, done);
    db.work_off().await;
    assert!(db.jobs().await.iter().all(|j| j.state == "succeeded"));
    let each = 5 * MIB as i64;
    assert_eq!(moved().await, (vec![(each, each), (2 * each, 2 * each)], "2".to_owned()));
    db.finish().await;
}

#[tokio::test]
async fn a_pause_that_broke_off_is_made_whole_also_of_what_was_expedited_before() {
    let db = Db::start("many_broken_off").await;
    let artists = db.artists(0, 3, MIB).await;
    let mut request = db.request(&artists, 1);
    request.express = true;
    let batch = db.store.enqueue_moves(&request).await.unwrap().batch_id.unwrap();
    db.sql("UPDATE batches SET paused_at = now(), paused_by = 'x'").await.unwrap();
    let wanted = db.jobs().await[0].id;
    let all = BatchesWhich::Fitting(Box::default());
    let counted = db.store.count_batches_for(BatchAsk::Pause, &all).await.unwrap();
    assert_eq!((counted.batches, counted.jobs), (1, 3));
    let held = db.store.pause_batch(batch, true, &operator()).await.unwrap();
    assert_eq!(held, Some(BatchHeld { asked: false, jobs: 3 }));
    // From here on one is wanted all the same.
    db.store.express_job(wanted.into(), &operator()).await.unwrap().unwrap();
    let counted = db.store.count_batches_for(BatchAsk::Pause, &all).await.unwrap();
    assert_eq!(counted.batches, 0);
    let held = db.store.pause_batch(batch, true, &operator()).await.unwrap();
    assert_eq!(held, Some(BatchHeld { asked: false, jobs: 0 }));
    db.finish().await;
}

#[tokio::test]
async fn what_is_too_much_for_one_request_goes_on_where_it_ended() {
    let db = Db::start("many_rest").await;
    db.sql(
        "INSERT INTO batches (id, kind, requested_by, jobs_total, jobs_queued, created_at)
         SELECT gen_random_uuid(), 'move', 'x', 1, 1, now() - interval '1 us' * (n / 2)
         FROM generate_series(0, 1002) n",
    )
    .await
    .unwrap();
    let ask = async |until| {
        let query = BatchQuery { until, ..BatchQuery::default() };
        let which = BatchesWhich::Fitting(Box::new(query));
        let asked = db.store.ask_batches(BatchAsk::Pause, &which, &operator(), json!({})).await;
        assert!(asked.broke_off.is_none());
        assert!(asked.batches.iter().all(|b| b.outcome == BatchOutcome::Done));
        (asked.batches.len(), asked.more, asked.rest_until)
    };
    let (done, more, rest) = ask(None).await;
    assert_eq!((done, more), (BATCHES_PER_ASK_MAX, true));
    // Paused meanwhile by somebody who lets them go again: what was asked already is not asked anew.
    db.sql("UPDATE batches SET paused_at = NULL, paused_by = NULL").await.unwrap();
    let (done, more, rest) = ask(rest).await;
    assert_eq!((done, more, rest), (3, false, None));
    db.finish().await;
}

fn beat(server: usize, lanes: Option<LanePauses>) -> HeartbeatFrom {
    let beat = Heartbeat {
        running: Vec::new(),
        free_bytes: 1 << 30,
        total_bytes: 1 << 40,
        version: "1".to_owned(),
        pid: 1,
        quarantine: None,
        trusts: Vec::new(),
        lofi_slots: 1,
        limits: None,
        lanes,
    };
    HeartbeatFrom { server: slug(server), worker: "w".to_owned(), beat }
}

#[tokio::test]
async fn a_server_is_told_of_its_paused_lanes_until_its_workers_say_the_same() {
    let db = Db::start("lane_pauses").await;
    let (server, by) = (db.servers[1], operator());
    let pause = |lane| db.store.pause_lane(server, lane, "why", &by);
    assert_eq!(pause(Lane::Export).await.unwrap(), LaneChanged::Changed);
    assert_eq!(pause(Lane::Export).await.unwrap(), LaneChanged::AsItWas);
    let told = async || {
        let orders = db.relay().await;
        let of_lanes = orders.into_iter().filter(|o| o.lane == Lane::Control);
        of_lanes.map(|o| o.order).collect::<Vec<_>>()
    };
    let export = vec![Lane::Export];
    assert_eq!(told().await, [Order::LanesV1 { generation: 1, paused: export.clone() }]);

    // One that knows no pauses is not told again; one that says otherwise is, above what it says.
    let tell = async || db.store.tell_lanes_again(&[], Duration::ZERO).await.unwrap();
    db.store.take_heartbeats(&[beat(1, None)]).await.unwrap();
    assert!(tell().await.is_empty());
    let otherwise = LanePauses { generation: 9, ..LanePauses::default() };
    db.store.take_heartbeats(&[beat(1, Some(otherwise))]).await.unwrap();
    assert!(db.store.tell_lanes_again(&[server], Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(tell().await, [server]);
    assert_eq!(told().await, [Order::LanesV1 { generation: 10, paused: export }]);
    let so = LanePauses { generation: 10, paused: [Lane::Export].into() };
    db.store.take_heartbeats(&[beat(1, Some(so))]).await.unwrap();
    assert!(tell().await.is_empty());
    let row = db.store.lane_pauses().await.unwrap().remove(0);
    assert_eq!((row.workers, row.workers_paused, &*row.reason), (1, 1, "why"));

    assert_eq!(
        db.store.resume_lane(server, Lane::Export, &by).await.unwrap(),
        LaneChanged::Changed
    );
    assert_eq!(told().await, [Order::LanesV1 { generation: 11, paused: Vec::new() }]);
    let nobody = tourbus_domain::ServerId::new();
    let answer = db.store.resume_lane(nobody, Lane::Export, &by).await.unwrap();
    assert_eq!(answer, LaneChanged::NoServer);
    db.finish().await;
}
