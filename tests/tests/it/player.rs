//! A listener in a real Chromium: the artist's page and its player, through moves and restarts.

use fantoccini::Locator;
use std::{path::Path, time::Duration};
use tourbus_tests::{browser::Browser, support::Cluster, wait};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough that no browser has all of it at once: 32 MB.
const SECONDS: u32 = 180;

fn song(path: &Path, seconds: u32) -> std::io::Result<()> {
    std::fs::write(path, tourbus_tests::song::wav(seconds, 0.06))
}

struct Listener {
    browser: Browser,
}

impl Listener {
    async fn click(&self, what: &str) {
        self.browser.click(what).await;
    }

    async fn ask(&self, script: &str) -> serde_json::Value {
        let script = format!("const audio = document.querySelector('#player audio'); {script}");
        self.browser.client.execute(&script, Vec::new()).await.unwrap()
    }

    /// Where it is, and all that explains why it might not go on.
    async fn state(&self) -> serde_json::Value {
        let script = "return { at: audio.currentTime, error: audio.error && audio.error.message, \
            paused: audio.paused, network: audio.networkState, ready: audio.readyState, \
            seeking: audio.seeking, src: audio.currentSrc, \
            says: document.getElementById('state').textContent };";
        self.ask(script).await
    }

    /// Until so much of the song has been heard from here on.
    async fn hears(&self, seconds: f64) {
        let at = |state: &serde_json::Value| state["at"].as_f64().unwrap();
        let from = at(&self.state().await);
        let on = |state: &serde_json::Value| at(state) >= from + seconds;
        let state = wait::until("the song to go on", PATIENCE, || self.state(), on).await;
        assert_eq!((&state["paused"], &state["error"]), (&false.into(), &().into()), "{state}");
    }

    async fn goes_to(&self, second: u32) {
        self.ask(&format!("audio.currentTime = {second};")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_plays_on_while_its_artist_moves_and_servers_are_killed() {
    let cluster = Cluster::start("player").await;
    let make = |root: &Path| {
        std::fs::create_dir(root.join("songs"))?;
        std::fs::write(
            root.join("artist.json"),
            br#"{"name": "The Larks", "text": "Since 1999."}"#,
        )?;
        song(&root.join("songs/01-river-of-glass.wav"), SECONDS)?;
        song(&root.join("songs/02-second-thoughts.wav"), 2)?;
        song(&root.join("songs/03-last-one.wav"), 30)
    };
    let artist = cluster.add_artist("server2", make).await;
    let listener = Listener { browser: Browser::start(1280, false).await };
    let page = &listener.browser.client;
    page.goto(&format!("{}/a/{}", cluster.admin().0, artist.slug)).await.unwrap();
    page.wait().at_most(PATIENCE).for_element(Locator::Css("[data-player]")).await.unwrap();
    listener.browser.picture("artist").await;
    listener.click("#songs li:first-child button").await;
    listener.hears(1.0).await;
    listener.browser.picture("artist-plays").await;

    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    listener.hears(1.0).await;
    cluster.wait_batch(&batch, PATIENCE).await;
    listener.hears(1.0).await;
    // Not loaded yet: it is asked for at the old home, and comes from the new one.
    listener.goes_to(SECONDS - 60).await;
    listener.hears(1.0).await;
    // Both break off in the middle of the stream.
    cluster.kill("media-server2").await;
    cluster.kill("media-server3").await;
    listener.goes_to(SECONDS - 100).await;
    listener.hears(1.0).await;

    // One after the other, by itself.
    listener.click("#player [data-do='next']").await;
    let third = Locator::Css("#songs li:nth-child(3)[data-current][data-playing]");
    page.wait().at_most(PATIENCE).for_element(third).await.unwrap();
    listener.hears(0.5).await;
    listener.click("#player [data-do='toggle']").await;
    assert_eq!(listener.ask("return audio.paused;").await, true);
    let named = listener.ask("return document.getElementById('now').textContent;").await;
    assert_eq!(named, "Last one");
    listener.browser.close().await;

    for (width, dark, name) in [(390, false, "artist-phone"), (1280, true, "artist-dark")] {
        let browser = Browser::start(width, dark).await;
        browser.client.goto(&format!("{}/a/{}", cluster.admin().0, artist.slug)).await.unwrap();
        browser.click("#songs li:first-child button").await;
        browser.find("#player[data-playing]").await;
        browser.picture(name).await;
        browser.close().await;
    }
    cluster.finish().await;
}
