//! Queuing conversions: which songs, once each, and what follows from what servers tell.

use super::fixture::{Db, slug};
use serde_json::json;
use std::collections::BTreeSet;
use tourbus_domain::{ArtistId, Input, JobState, ServerId};
use tourbus_protocol::{Catalogue, CatalogueSong, TreePath};
use tourbus_store::{
    By, CatalogueOutcome, LofiRefusal, LofiRequest, LofiSongs, LofiWhich, ProfileError, Teller,
    Told,
};
use uuid::Uuid;

fn request(songs: LofiSongs) -> LofiRequest {
    LofiRequest {
        by: By::named("admin@test"),
        songs,
        profile: None,
        which: LofiWhich::All,
        express: false,
        reason: String::new(),
        dry_run: false,
    }
}

fn told(artist_id: ArtistId, revision: u64, songs: &[(Uuid, bool, bool)]) -> Catalogue {
    let song = |(id, has_lofi, awaits_lofi): &(Uuid, bool, bool)| CatalogueSong {
        id: *id,
        path: TreePath::new(format!("songs/{id}.mp3")).unwrap(),
        title: "Song".to_owned(),
        bytes: 7,
        duration_ms: 1000,
        lofi: None,
        has_lofi: *has_lofi,
        awaits_lofi: *awaits_lofi,
    };
    let songs = songs.iter().map(song).collect();
    Catalogue { artist_id, revision, name: String::new(), bytes: 100, songs }
}

/// Artists of server 1 with so many songs each, none converted, and no job yet.
async fn bare(db: &Db, artists: usize, songs: usize) -> (Vec<ArtistId>, Vec<Uuid>) {
    let artists = db.artists(1, artists, 10).await;
    let mut all = Vec::new();
    for artist in &artists {
        let ids: Vec<Uuid> = (0..songs).map(|_| Uuid::now_v7()).collect();
        let songs: Vec<_> = ids.iter().map(|id| (*id, false, false)).collect();
        db.store.apply_catalogue(&slug(1), &told(*artist, 1, &songs)).await.unwrap();
        all.extend(ids);
    }
    db.sql("DELETE FROM outbox").await.unwrap();
    db.sql("DELETE FROM jobs WHERE kind = 'lofi'").await.unwrap();
    (artists, all)
}

async fn count(db: &Db, sql: &str) -> i64 {
    db.sql(sql).await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn songs_are_queued_once_whoever_asks_and_however_often() {
    let db = Db::start("lofi_once").await;
    let (artists, songs) = bare(&db, 3, 4).await;
    let dry = LofiRequest { dry_run: true, ..request(LofiSongs::All) };
    let answer = db.store.enqueue_lofi(&dry).await.unwrap();
    assert_eq!((answer.accepted, answer.batch_id), (12, None));
    assert_eq!(answer.shares[0].audio_ms, 12_000);
    assert_eq!(answer.shares[0].estimate_ms, None, "nothing was ever converted");
    assert_eq!(count(&db, "SELECT count(*) FROM jobs").await, 0);

    let one = request(LofiSongs::Artists(vec![artists[0]]));
    let answer = db.store.enqueue_lofi(&one).await.unwrap();
    assert_eq!((answer.accepted, answer.refused.len()), (4, 0));
    assert!(answer.batch_id.is_some());
    let stranger = Uuid::now_v7();
    let named = request(LofiSongs::Songs(vec![songs[0], songs[11], stranger]));
    let answer = db.store.enqueue_lofi(&named).await.unwrap();
    assert_eq!(answer.accepted, 1);
    let refused: BTreeSet<_> = answer.refused.into_iter().collect();
    let expected = [(stranger, LofiRefusal::Unknown), (songs[0], LofiRefusal::Queued)];
    assert_eq!(refused, BTreeSet::from(expected));

    // Many at once: each song is queued by one of them.
    let all = request(LofiSongs::All);
    let asked = (0..6).map(|_| db.store.enqueue_lofi(&all));
    let answers = futures_util::future::join_all(asked).await;
    let accepted: u64 = answers.into_iter().map(|a| a.unwrap().accepted).sum();
    assert_eq!(accepted, 7);
    assert_eq!(count(&db, "SELECT count(DISTINCT song_id) FROM jobs").await, 12);
    assert_eq!(count(&db, "SELECT count(*) FROM outbox").await, 12);
    assert_eq!(count(&db, "SELECT sum(jobs_queued) FROM batches").await, 12);
    let none = db.store.enqueue_lofi(&all).await.unwrap();
    assert_eq!((none.accepted, none.batch_id), (0, None));

    // When all are made, there is a pace to reckon with.
    db.work_off().await;
    assert_eq!(count(&db, "SELECT count(*) FROM jobs WHERE state = 'succeeded'").await, 12);
    let dry = LofiRequest { dry_run: true, ..request(LofiSongs::All) };
    let share = db.store.enqueue_lofi(&dry).await.unwrap().shares.remove(0);
    assert_eq!(
        share.estimate_ms,
        Some(200),
        "12 s of music at 60 times real time, by one at a time"
    );
    db.finish().await;
}

#[tokio::test]
async fn what_a_server_tells_queues_what_is_new_and_calls_off_what_is_gone() {
    let db = Db::start("lofi_told").await;
    let artist = db.artists(1, 1, 10).await[0];
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let first =
        told(artist, 1, &[(ids[0], false, true), (ids[1], false, false), (ids[2], true, false)]);
    db.store.apply_catalogue(&slug(1), &first).await.unwrap();
    let lane = |song: Uuid| {
        format!(
            "SELECT count(*) FROM steps s JOIN jobs j ON j.id = s.job_id
         WHERE j.song_id = '{song}' AND s.lane = "
        )
    };
    assert_eq!(count(&db, &(lane(ids[0]) + "'lofi'")).await, 1, "nobody hears it until then");
    assert_eq!(count(&db, &(lane(ids[1]) + "'lofi-bulk'")).await, 1);
    assert_eq!(count(&db, "SELECT count(*) FROM jobs").await, 2, "one has its LOFI");
    assert_eq!(count(&db, "SELECT lofis FROM artists").await, 1);
    // Told again, nothing is queued twice; nor is what has failed tried again and again.
    db.sql("UPDATE jobs SET state = 'failed', error = '{}', finished_at = now()").await.unwrap();
    let again = told(artist, 2, &[(ids[0], false, true), (ids[1], false, false)]);
    db.store.apply_catalogue(&slug(1), &again).await.unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM jobs").await, 2);

    db.sql("UPDATE jobs SET state = 'queued', error = NULL, finished_at = NULL").await.unwrap();
    let less = told(artist, 3, &[(ids[1], false, false)]);
    let outcome = db.store.apply_catalogue(&slug(1), &less).await.unwrap();
    let CatalogueOutcome::Applied { gone } = outcome else { panic!("{outcome:?}") };
    assert_eq!(gone.len(), 1);
    let cancel = Told { job_id: gone[0], input: Input::Cancel, by: Teller::Coordinator };
    let done = db.tell(&[cancel]).await;
    assert_eq!(done[0].as_ref().unwrap().state, JobState::Cancelled);
    db.finish().await;
}

#[tokio::test]
async fn a_job_follows_its_artist_and_a_retry_waits_for_no_other() {
    let db = Db::start("lofi_follow").await;
    let (artists, songs) = bare(&db, 1, 2).await;
    db.store.enqueue_lofi(&request(LofiSongs::All)).await.unwrap();
    assert!(db.store.strayed_jobs(10).await.unwrap().is_empty());
    let home = db.servers[2];
    db.sql(&format!("UPDATE artists SET server_id = '{home}' WHERE id = '{}'", artists[0]))
        .await
        .unwrap();
    let strayed = db.store.strayed_jobs(10).await.unwrap();
    assert_eq!(strayed.len(), 2);
    assert!(strayed.iter().all(|(_, to)| *to == ServerId(home.0)));
    let told: Vec<Told> = strayed
        .iter()
        .map(|(job_id, to)| Told {
            job_id: *job_id,
            input: Input::Follow(*to),
            by: Teller::Coordinator,
        })
        .collect();
    db.tell(&told).await;
    assert!(db.store.strayed_jobs(10).await.unwrap().is_empty());
    let sent = "SELECT count(*) FROM outbox WHERE server_slug = 'server2' \
                AND work_order->>'order' = 'lofi_v1'";
    assert_eq!(count(&db, sent).await, 2);
    // What still stands in the outbox for the old home is not worth publishing any more.
    let lease = db.store.take_due_orders(100).await.unwrap();
    let live = lease.orders().iter().filter(|o| o.lane == tourbus_domain::Lane::LofiBulk).count();
    assert_eq!(live, 2);
    drop(lease);

    let open = strayed[0].0;
    let cancel = |job_id| Told { job_id, input: Input::Cancel, by: Teller::Coordinator };
    db.tell(&[cancel(open)]).await;
    let again = db.store.enqueue_lofi(&request(LofiSongs::Songs(songs))).await.unwrap();
    assert_eq!(again.accepted, 1);
    let retry = Told { job_id: open, input: Input::Retry, by: Teller::Coordinator };
    let refused = db.tell(&[retry]).await;
    assert_eq!(refused[0], Err(tourbus_store::InputError::SongHeld));
    assert_eq!(db.store.held_artists().await.unwrap(), [], "no conversion holds an artist");
    db.finish().await;
}

#[tokio::test]
async fn a_profile_that_is_in_use_stays() {
    let db = Db::start("lofi_profiles").await;
    let artist = db.artists(1, 1, 10).await[0];
    let (store, by) = (&db.store, By::named("admin@test"));
    let spec = json!({ "name": "tiny" });
    assert_eq!(store.create_lofi_profile(&by, "tiny", &spec).await.unwrap(), Ok(()));
    let taken = store.create_lofi_profile(&by, "tiny", &spec).await.unwrap();
    assert_eq!(taken, Err(ProfileError::Taken));
    let choose = store.set_artist_lofi_profile(&by, artist, Some("tiny"), false).await.unwrap();
    assert_eq!(choose, Ok(()));
    let unknown = store.set_artist_lofi_profile(&by, artist, Some("huge"), false).await.unwrap();
    assert_eq!(unknown, Err(ProfileError::Unknown));
    let used = store.delete_lofi_profile(&by, "tiny").await.unwrap();
    assert_eq!(used, Err(ProfileError::InUse));
    store.set_artist_lofi_profile(&by, artist, None, false).await.unwrap().unwrap();
    assert_eq!(store.set_lofi_profile(&by, "tiny", false).await.unwrap(), Ok(()));
    assert_eq!(store.lofi_profile().await.unwrap(), "tiny");
    assert_eq!(store.delete_lofi_profile(&by, "tiny").await.unwrap(), Err(ProfileError::InUse));
    store.set_lofi_profile(&by, "classic", true).await.unwrap().unwrap();
    assert_eq!(store.delete_lofi_profile(&by, "tiny").await.unwrap(), Ok(()));
    db.finish().await;
}
