//! Nobody who listens notices a move.

use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::tree;

const ARTISTS: u64 = 100;
const LISTENERS: usize = 4;
const SONG_BYTES: u64 = 200_000;

/// Follows the front door like a browser, reads whole songs, compares every byte.
async fn listen(
    cluster: Arc<Cluster>,
    artists: Arc<Vec<(Artist, Vec<u8>)>>,
    first: usize,
    stop: CancellationToken,
) -> u64 {
    let mut heard = 0;
    let mut n = first;
    while !stop.is_cancelled() {
        let (artist, song) = &artists[n % artists.len()];
        n += 7;
        let got = cluster.hear(artist, "songs/00.mp3").await;
        let got = got.unwrap_or_else(|e| panic!("{} could not be heard: {e:#}", artist.slug));
        assert!(got == song.as_slice(), "{}: wrong bytes", artist.slug);
        heard += 1;
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_artists_move_to_and_fro_and_no_song_is_missed() {
    let cluster = Arc::new(Cluster::start("listeners").await);
    let mut artists = Vec::new();
    for n in 0..ARTISTS {
        let make = |root: &std::path::Path| tree::plain(root, n, 1, SONG_BYTES);
        let artist = cluster.add_artist("master", make).await;
        let song = std::fs::read(cluster.tree("master", &artist).join("songs/00.mp3")).unwrap();
        artists.push((artist, song));
    }
    let artists = Arc::new(artists);
    let stop = CancellationToken::new();
    let listeners: Vec<_> = (0..LISTENERS)
        .map(|n| tokio::spawn(listen(cluster.clone(), artists.clone(), n * 25, stop.clone())))
        .collect();
    let all: Vec<Artist> = artists.iter().map(|(a, _)| a.clone()).collect();
    for target in ["server2", "master", "server3", "server2"] {
        let batch = cluster.move_all(&all, target).await;
        cluster.wait_batch(&batch, Duration::from_secs(120)).await;
    }
    stop.cancel();
    let mut heard = 0;
    for listener in listeners {
        heard += listener.await.unwrap();
    }
    assert!(heard > ARTISTS, "only {heard} songs were heard");
    Arc::into_inner(cluster).unwrap().finish().await;
}

/// The front door remembers where it has sent people, and an old home sends them on.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_found_once_is_found_while_the_database_is_away() {
    let cluster = Cluster::start_private("database_away").await;
    let make = |root: &std::path::Path| tree::plain(root, 1, 1, SONG_BYTES);
    let [stays, goes] =
        [cluster.add_artist("server2", make).await, cluster.add_artist("server2", make).await];
    let song = std::fs::read(cluster.tree("server2", &stays).join("songs/00.mp3")).unwrap();
    let all = [stays, goes];
    let hear_all = async || {
        for artist in &all {
            let heard = cluster.hear(artist, "songs/00.mp3").await;
            let heard = heard.unwrap_or_else(|e| panic!("{}: {e:#}", artist.slug));
            assert!(heard == song, "{}: wrong bytes", artist.slug);
        }
    };
    hear_all().await;
    // What is remembered of this one is old by then.
    let batch = cluster.move_all(&all[1..], "server3").await;
    cluster.wait_batch(&batch, Duration::from_secs(60)).await;
    cluster.pause("postgres");
    for _ in 0..20 {
        hear_all().await;
    }
    cluster.resume("postgres");
    cluster.kill_and_hold("postgres").await;
    for _ in 0..20 {
        hear_all().await;
    }
    cluster.start_again("postgres");
    cluster.finish().await;
}
