//! Inputs: what workers and people do to jobs.

use super::fixture::{Db, MIB, play, slug, step_of, told};
use tourbus_domain::{ErrorClass, Input, JobError, JobId, JobState, StepRef};
use tourbus_protocol::Order;
use tourbus_store::{By, InputError, Teller};

#[tokio::test]
async fn a_move_goes_through_although_every_event_comes_twice() {
    let db = Db::start("inputs_move").await;
    let artists = db.artists(0, 20, 4 * MIB).await;
    let answer = db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap();
    let batch = answer.batch_id.unwrap();
    db.work_off().await;

    let row = db.store.batch(batch).await.unwrap().unwrap();
    let counts = (row.jobs_queued, row.jobs_running, row.jobs_succeeded, row.jobs_failed);
    assert_eq!(counts, (0, 0, 20, 0));
    assert!(row.finished_at.is_some());
    let progress = &db.store.batch_progress(&[batch]).await.unwrap()[0];
    assert_eq!((progress.bytes_total, progress.bytes_done), (100 << 20, 100 << 20));
    for artist in db.store.artists_by_ids(&artists).await.unwrap() {
        assert_eq!(artist.server_id, db.servers[1].0, "moved");
        assert_eq!(artist.operating_job_id, None, "free");
        assert_eq!(artist.bytes as u64, 5 * MIB, "as the manifest says");
    }
    let servers = db.store.servers().await.unwrap();
    let (source, target) = (&servers[0], &servers[1]);
    assert_eq!((source.artists, source.bytes, source.plays_total), (0, 0, 0));
    assert_eq!((target.artists, target.bytes, target.plays_total), (20, 100 << 20, 60));
    let timeline = db.store.job_timeline(JobId(db.jobs().await[0].id)).await.unwrap();
    let states: Vec<_> = timeline.iter().filter_map(|e| e.detail["to"].as_str()).collect();
    assert_eq!(states, ["copying", "syncing", "cutover", "retiring", "succeeded"]);
    let steps = db.store.job_steps(JobId(db.jobs().await[0].id)).await.unwrap();
    assert!(steps.iter().all(|s| s.worker.as_deref() == Some("w")), "{steps:?}");
    db.finish().await;
}

#[tokio::test]
async fn events_of_another_server_or_of_nobody_change_nothing() {
    let db = Db::start("inputs_strangers").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    let orders = db.relay().await;
    let [order] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((&order.server, &order.job_id), (&slug(0), &job));

    let mut forged = told(order, Input::Started(step_of(order)));
    forged.by = Teller::Server { slug: slug(2), worker: "w".to_owned() };
    let mut nobody = forged.clone();
    nobody.job_id = JobId::new();
    let late = Input::Started(StepRef { epoch: 99, ..step_of(order) });
    let good = told(order, Input::Started(step_of(order)));
    let outcomes = db.tell(&[forged, nobody, told(order, late), good]).await;
    assert_eq!(outcomes[0], Err(InputError::NotItsStep(slug(2))));
    assert_eq!(outcomes[1], Err(InputError::UnknownJob));
    assert!(outcomes[2].as_ref().unwrap().ignored);
    assert_eq!(outcomes[3].as_ref().unwrap().state, JobState::Copying, "its neighbours count");
    db.finish().await;
}

#[tokio::test]
async fn a_batch_cancel_counts_what_is_past_its_cutover_and_not_what_has_ended() {
    let db = Db::start("inputs_too_late").await;
    let artists = db.artists(0, 4, MIB).await;
    let answer = db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap();
    let batch = answer.batch_id.unwrap();
    let mut first: Vec<JobId> = db.jobs().await.iter().take(2).map(|j| JobId(j.id)).collect();
    // Two go on, until one has moved and the other is being tidied up.
    let (moved, tidying) = (first.remove(0), first.remove(0));
    loop {
        let orders = db.relay().await;
        let events: Vec<_> = orders
            .iter()
            .filter(|o| o.job_id == moved || o.job_id == tidying)
            .filter(|o| o.job_id == moved || !matches!(o.order, Order::RetireV1 { .. }))
            .flat_map(play)
            .collect();
        if events.is_empty() {
            break;
        }
        db.tell(&events).await;
    }
    assert_eq!(
        (db.state(moved).await, db.state(tidying).await),
        ("succeeded".into(), "retiring".into())
    );
    let mut states = db.store.batch_states(batch).await.unwrap();
    states.sort_unstable();
    let expected = [(JobState::Queued, 2), (JobState::Retiring, 1), (JobState::Succeeded, 1)];
    assert_eq!(states, expected);
    let done = db.store.cancel_batch(batch, &By::named("admin@test")).await.unwrap();
    assert_eq!((done.cancelled, done.too_late), (2, 1));
    // What is being undone already is not counted again.
    let again = db.store.cancel_batch(batch, &By::named("admin@test")).await.unwrap();
    assert_eq!((again.cancelled, again.too_late), (0, 1));
    db.work_off().await;
    let retried = db.store.retry_batch(batch, false, &By::named("admin@test")).await.unwrap();
    assert_eq!((retried.retried, retried.refused), (0, 0), "nothing has failed");
    let retried = db.store.retry_batch(batch, true, &By::named("admin@test")).await.unwrap();
    assert_eq!((retried.retried, retried.refused), (2, 0));
    db.finish().await;
}

#[tokio::test]
async fn a_cancelled_move_frees_the_artist_and_can_be_retried() {
    let db = Db::start("inputs_cancel").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    let export = db.relay().await.remove(0);
    db.tell(&[told(&export, Input::Started(step_of(&export)))]).await;
    assert_eq!(db.beat(0, MIB, vec![step_of(&export)]).await, [], "live");

    db.store.cancel_job(job, &By::named("admin@test")).await.unwrap().unwrap();
    assert_eq!(db.state(job).await, "rolling_back");
    assert_eq!(db.beat(0, MIB, vec![step_of(&export)]).await, [step_of(&export)], "void");
    db.work_off().await;
    assert_eq!(db.state(job).await, "cancelled");
    let row = db.store.artist(artist).await.unwrap().unwrap();
    assert_eq!((row.server_id, row.operating_job_id), (db.servers[0].0, None));
    let too_late = db.store.cancel_job(job, &By::named("admin@test")).await.unwrap();
    assert!(matches!(too_late, Err(InputError::Illegal(_))));

    db.beat(0, 1 << 30, Vec::new()).await;
    let other = db.queue_one(artist, 2).await;
    let held = db.store.retry_job(job, &By::named("admin@test")).await.unwrap();
    assert_eq!(held, Err(InputError::ArtistHeld));
    db.work_off().await;
    assert_eq!(db.state(other).await, "succeeded");
    let moved = db.store.retry_job(job, &By::named("admin@test")).await.unwrap();
    assert_eq!(moved, Err(InputError::HomeChanged));

    let back = db.queue_one(artist, 0).await;
    db.work_off().await;
    assert_eq!(db.state(back).await, "succeeded");
    db.store.retry_job(job, &By::named("admin@test")).await.unwrap().unwrap();
    assert_eq!(db.state(job).await, "queued");
    db.work_off().await;
    assert_eq!(db.state(job).await, "succeeded");
    let batches = db.batches().await;
    assert!(batches.iter().all(|b| (b.jobs_succeeded, b.jobs_cancelled) == (1, 0)), "{batches:?}");
    db.finish().await;
}

#[tokio::test]
async fn a_permanent_failure_names_the_file_and_undoes_the_move() {
    let db = Db::start("inputs_failure").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    let export = db.relay().await.remove(0);
    let error =
        JobError::new(ErrorClass::Permanent, "file_unreadable", "it cannot be read", "chmod")
            .at("music/a.mp3");
    let failed = Input::Failed { step: step_of(&export), error };
    db.tell(&[told(&export, failed)]).await;
    db.work_off().await;
    let row = db.store.job(job).await.unwrap().unwrap();
    assert_eq!(row.state, "failed");
    assert_eq!(row.error.unwrap()["path"], "music/a.mp3");
    assert_eq!(db.store.artist(artist).await.unwrap().unwrap().operating_job_id, None);
    let batch = &db.batches().await[0];
    assert_eq!((batch.jobs_failed, batch.jobs_running, batch.jobs_queued), (1, 0, 0));
    db.finish().await;
}

#[tokio::test]
async fn coordinators_that_apply_the_same_events_at_once_do_it_once() {
    let db = Db::start("inputs_twins").await;
    let artists = db.artists(0, 30, MIB).await;
    db.store.enqueue_moves(&db.request(&artists[..15], 1)).await.unwrap();
    db.store.enqueue_moves(&db.request(&artists[15..], 2)).await.unwrap();
    loop {
        let orders = db.relay().await;
        if orders.is_empty() {
            break;
        }
        let events: Vec<_> = orders.iter().flat_map(play).collect();
        let mut reversed: Vec<Vec<_>> = orders.iter().map(play).collect();
        reversed.reverse();
        let reversed = reversed.concat();
        tokio::join!(db.tell(&events), db.tell(&reversed), db.tell(&events));
    }
    for batch in db.batches().await {
        assert_eq!((batch.jobs_succeeded, batch.jobs_running, batch.jobs_queued), (15, 0, 0));
    }
    let servers = db.store.servers().await.unwrap();
    assert_eq!([servers[0].artists, servers[1].artists, servers[2].artists], [0, 15, 15]);
    db.finish().await;
}

#[tokio::test]
async fn express_overtakes_and_voids_the_first_message() {
    let db = Db::start("inputs_express").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let job = db.queue_one(artist, 1).await;
    let first = db.relay().await.remove(0);
    db.store.express_job(job, &By::named("admin@test")).await.unwrap().unwrap();
    let second = db.relay().await.remove(0);
    assert_eq!(second.lane.as_str(), "express");
    assert!(second.epoch > first.epoch);
    assert!(matches!(second.order, Order::ExportV1 { .. }));
    let outcomes = db.tell(&play(&first)).await;
    assert!(outcomes.iter().all(|o| o.as_ref().unwrap().ignored));
    assert!(db.store.job(job).await.unwrap().unwrap().express);
    db.finish().await;
}
