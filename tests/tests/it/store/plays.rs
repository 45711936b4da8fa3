//! Plays are applied once, whatever is repeated, and only for those who may speak.

use super::fixture::{Db, slug};
use chrono::{NaiveDate, TimeDelta, Utc};
use std::sync::Arc;
use tourbus_domain::ArtistId;
use tourbus_protocol::{PlayCount, TreePath};
use tourbus_store::{PlaysApplied, PlaysFrom};
use uuid::Uuid;

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn count(artist_id: ArtistId, day: NaiveDate, plays: u32) -> PlayCount {
    let path = TreePath::new(&b"songs/1.mp3"[..]).unwrap();
    PlayCount { artist_id, path, day, plays }
}

fn batch(server: usize, counts: Vec<PlayCount>) -> PlaysFrom {
    PlaysFrom { server: slug(server), batch: Uuid::now_v7(), counts }
}

/// `plays_total` and `plays_30d` of an artist.
async fn plays(db: &Db, artist: ArtistId) -> (i64, i64) {
    let row = db.store.artist(artist).await.unwrap().unwrap();
    (row.plays_total, row.plays_30d)
}

#[tokio::test]
async fn a_batch_counts_once_and_totals_agree() {
    let db = Db::start("plays_once").await;
    let artists = db.artists(1, 2, 10).await;
    let told = batch(1, vec![count(artists[0], today(), 5), count(artists[1], today(), 2)]);
    // In one transaction, in the next, and again: as a broker may deliver it.
    let both = [told.clone(), told.clone()];
    let first = db.store.apply_plays(&both).await.unwrap();
    assert_eq!(first, PlaysApplied { plays: 7, foreign: 0, repeated: 1 });
    let again = db.store.apply_plays(&[told]).await.unwrap();
    assert_eq!(again, PlaysApplied { plays: 0, foreign: 0, repeated: 1 });
    assert_eq!(plays(&db, artists[0]).await, (3 + 5, 1 + 5));
    let server = db.store.server(db.servers[1]).await.unwrap().unwrap();
    assert_eq!((server.plays_total, server.plays_30d), (2 * 3 + 7, 2 + 7));
}

#[tokio::test]
async fn a_server_speaks_of_its_own_artists_only() {
    let db = Db::start("plays_foreign").await;
    let artists = db.artists(1, 1, 10).await;
    let applied = db.store.apply_plays(&[batch(2, vec![count(artists[0], today(), 9)])]).await;
    assert_eq!(applied.unwrap(), PlaysApplied { plays: 0, foreign: 9, repeated: 0 });
    assert_eq!(plays(&db, artists[0]).await, (3, 1));
}

#[tokio::test]
async fn what_comes_late_counts_in_the_total_alone_and_days_leave_the_window() {
    let db = Db::start("plays_late").await;
    let artists = db.artists(1, 1, 10).await;
    let days = |n| today() - TimeDelta::days(n);
    let told = vec![
        count(artists[0], days(31), 100),
        count(artists[0], days(29), 10),
        count(artists[0], today(), 1),
    ];
    db.store.apply_plays(&[batch(1, told)]).await.unwrap();
    assert_eq!(plays(&db, artists[0]).await, (3 + 111, 1 + 11));
    assert_eq!(db.store.advance_plays_window().await.unwrap(), 0, "no day has passed");
    let later = today() + TimeDelta::days(2);
    assert_eq!(db.store.advance_plays_window_to(later).await.unwrap(), 2);
    assert_eq!(db.store.advance_plays_window_to(later).await.unwrap(), 0);
    assert_eq!(plays(&db, artists[0]).await, (3 + 111, 1 + 1), "29 days ago is 31 then");
    let server = db.store.server(db.servers[1]).await.unwrap().unwrap();
    assert_eq!(server.plays_30d, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_lose_none() {
    let db = Arc::new(Db::start("plays_many").await);
    let artists = Arc::new(db.artists(1, 20, 10).await);
    let tasks: Vec<_> = (0..8)
        .map(|n: usize| {
            let (db, artists) = (Arc::clone(&db), Arc::clone(&artists));
            tokio::spawn(async move {
                for round in 0..10 {
                    let mut order: Vec<_> = artists.to_vec();
                    order.rotate_left((n * 7 + round) % artists.len());
                    let counts = order.into_iter().map(|a| count(a, today(), 1)).collect();
                    let applied = db.store.apply_plays(&[batch(1, counts)]).await.unwrap();
                    assert_eq!(applied.plays, 20);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for artist in artists.iter() {
        assert_eq!(plays(&db, *artist).await, (3 + 80, 1 + 80));
    }
}
