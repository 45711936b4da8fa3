//! Plays, from a listener to the counters, while processes die.

use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::{tree, wait};

const SONG_BYTES: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// `plays_total` as the API has it; a new artist of the harness has 1000 and its number.
async fn plays(cluster: &Cluster, artist: &Artist) -> Option<u64> {
    cluster.api.get(&format!("/artists/{}", artist.id)).await.ok()?["plays_total"].as_u64()
}

async fn wait_for(cluster: &Cluster, artist: &Artist, want: u64) {
    let read = || plays(cluster, artist);
    wait::until("the plays", PATIENCE, read, |n| n.is_some_and(|n| n >= want)).await;
    assert_eq!(plays(cluster, artist).await, Some(want), "counted twice");
}

/// One listener: hears a song, however often it takes.
async fn hear(cluster: &Cluster, artist: &Artist, agent: &str, range: Option<&str>) -> u16 {
    let address = cluster.media_address("server2");
    let url = format!("http://{address}/artists/{}/media/songs/00.mp3", artist.slug);
    let client = tourbus_http::plain().unwrap().user_agent(agent).build().unwrap();
    loop {
        let mut request = client.get(&url);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let heard = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            answer.bytes().await.map(|_| status)
        };
        match heard.await {
            Ok(status) => return status,
            // The service was killed: a player tries again.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_play_is_once_per_listener_and_song_when_audio_was_sent() {
    let cluster = Cluster::start("plays_once").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 2, 600_000)).await;
    let before = plays(&cluster, &artist).await.unwrap();
    let url = format!(
        "http://{}/artists/{}/media/songs/00.mp3",
        cluster.media_address("server2"),
        artist.slug
    );
    let http = tourbus_http::plain().unwrap().build().unwrap();
    let head = http.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    // A look at the beginning is no play; neither are the ranges of one play several.
    assert_eq!(hear(&cluster, &artist, "looker", Some("bytes=0-999")).await, 206);
    for range in ["bytes=0-99999", "bytes=100000-299999", "bytes=300000-599999"] {
        assert_eq!(hear(&cluster, &artist, "player", Some(range)).await, 206);
    }
    for _ in 0..3 {
        assert_eq!(hear(&cluster, &artist, "player", None).await, 200);
    }
    assert_eq!(hear(&cluster, &artist, "another", None).await, 200);
    wait_for(&cluster, &artist, before + 2).await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_counts_nobody_twice() {
    let cluster = Cluster::start("plays_restart").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, SONG_BYTES)).await;
    let before = plays(&cluster, &artist).await.unwrap();
    hear(&cluster, &artist, "one", None).await;
    cluster.kill("media-server2").await;
    hear(&cluster, &artist, "one", None).await;
    wait_for(&cluster, &artist, before + 1).await;
    // Delivered by now, and still known.
    cluster.kill("media-server2").await;
    hear(&cluster, &artist, "one", None).await;
    hear(&cluster, &artist, "two", None).await;
    wait_for(&cluster, &artist, before + 2).await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plays_made_while_the_master_is_away_count_when_it_returns() {
    let cluster = Cluster::start_private("plays_away").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, SONG_BYTES)).await;
    let before = plays(&cluster, &artist).await.unwrap();
    for process in ["coordinator", "web", "postgres", "rabbitmq"] {
        cluster.pause(process);
    }
    let page = format!("http://{}/artists/{}", cluster.media_address("server2"), artist.slug);
    let page = tourbus_http::plain().unwrap().build().unwrap().get(page).send().await.unwrap();
    assert_eq!(page.status(), 200);
    for n in 0..20 {
        assert_eq!(hear(&cluster, &artist, &format!("listener {n}"), None).await, 200);
    }
    for process in ["rabbitmq", "postgres", "web", "coordinator"] {
        cluster.resume(process);
    }
    wait_for(&cluster, &artist, before + 20).await;
    cluster.finish().await;
}

/// Everything that counts, carries or applies plays is killed again and again meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_plays_and_many_deaths_and_the_total_is_exact() {
    const LISTENERS: u64 = 4;
    const SONGS_EACH: u64 = 1_000;
    let cluster = Arc::new(Cluster::start_private("plays_deaths").await);
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, SONG_BYTES)).await;
    let before = plays(&cluster, &artist).await.unwrap();
    let stop = CancellationToken::new();
    let killer = {
        let (cluster, stop) = (Arc::clone(&cluster), stop.clone());
        tokio::spawn(async move {
            let victims = ["media-server2", "coordinator", "rabbitmq", "worker-server2-1"];
            for victim in victims.into_iter().cycle().take(10) {
                if stop.is_cancelled() {
                    break;
                }
                cluster.kill(victim).await;
            }
        })
    };
    let listeners: Vec<_> = (0..LISTENERS)
        .map(|n| {
            let (cluster, artist) = (Arc::clone(&cluster), artist.clone());
            tokio::spawn(async move {
                for song in 0..SONGS_EACH {
                    let status = hear(&cluster, &artist, &format!("{n}-{song}"), None).await;
                    assert_eq!(status, 200);
                }
            })
        })
        .collect();
    for listener in listeners {
        listener.await.unwrap();
    }
    stop.cancel();
    killer.await.unwrap();
    wait_for(&cluster, &artist, before + LISTENERS * SONGS_EACH).await;
    Arc::into_inner(cluster).unwrap().finish().await;
}
