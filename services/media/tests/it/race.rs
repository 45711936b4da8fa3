use crate::shop::{ELSEWHERE, Shop, noise};
use reqwest::StatusCode;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long the artist comes and goes.
const FOR: Duration = Duration::from_secs(3);
const LISTENERS: usize = 6;

/// While an artist is retired and promoted as fast as the disk allows, every answer is the song
/// or the way to it, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn no_moment_of_a_move_is_an_error() {
    let shop = Arc::new(Shop::open().await);
    let bytes = noise(20_000);
    shop.put("songs/a.mp3", &bytes);
    let over = Arc::new(AtomicBool::new(false));
    let mover = {
        let (shop, over) = (Arc::clone(&shop), Arc::clone(&over));
        tokio::task::spawn_blocking(move || {
            let (start, mut moves) = (Instant::now(), 0u64);
            while start.elapsed() < FOR {
                shop.retire();
                shop.promote();
                moves += 1;
            }
            over.store(true, Relaxed);
            moves
        })
    };
    let (here, away) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut listeners = tokio::task::JoinSet::new();
    for n in 0..LISTENERS {
        let (shop, over, bytes) = (Arc::clone(&shop), Arc::clone(&over), bytes.clone());
        let (here, away) = (Arc::clone(&here), Arc::clone(&away));
        listeners.spawn(async move {
            while !over.load(Relaxed) {
                let response = if n == 0 {
                    let url = format!("http://{}/artists/the-larks", shop.address);
                    shop.client.get(url).send().await.unwrap()
                } else {
                    shop.get("songs/a.mp3").await
                };
                match response.status() {
                    StatusCode::OK => {
                        let got = response.bytes().await.unwrap();
                        assert!(n == 0 || got == bytes, "wrong bytes");
                        here.fetch_add(1, Relaxed);
                    }
                    StatusCode::PERMANENT_REDIRECT => {
                        let to = response.headers()["location"].to_str().unwrap();
                        assert!(to.starts_with(ELSEWHERE), "{to}");
                        away.fetch_add(1, Relaxed);
                    }
                    other => panic!("{other}: {}", response.text().await.unwrap()),
                }
            }
        });
    }
    let count = mover.await.unwrap();
    while let Some(listener) = listeners.join_next().await {
        listener.unwrap();
    }
    let (here, away) = (here.load(Relaxed), away.load(Relaxed));
    assert!(count > 50 && here > 50 && away > 0, "{count} moves, {here} here, {away} away");
}
