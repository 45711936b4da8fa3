//! An artist in a real Chromium: signs up, uploads, is heard while they move, uploads again.

use fantoccini::{Locator, elements::Element};
use serde_json::Value;
use std::{path::Path, time::Duration};
use tourbus_tests::{
    browser::Browser,
    song,
    support::{Artist, Cluster},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(60);

struct Tab {
    browser: Browser,
}

impl Tab {
    async fn open() -> Self {
        Self { browser: Browser::start(1280, false).await }
    }

    async fn goto(&self, url: &str) {
        self.browser.client.goto(url).await.unwrap();
    }

    async fn find(&self, css: &str) -> Element {
        self.browser.find(css).await
    }

    async fn fill(&self, css: &str, text: &str) {
        self.browser.fill(css, text).await;
    }

    async fn click(&self, css: &str) {
        self.browser.click(css).await;
    }

    async fn ask(&self, script: &str) -> Value {
        self.browser.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Titles in the workshop, top to bottom.
    async fn titles(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('#songs input')].map((i) => i.value);";
        let titles = self.ask(script).await;
        titles.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    async fn wait_titles(&self, want: &[&str]) {
        wait::until("the songs", PATIENCE, || self.titles(), |t| t == want).await;
    }

    async fn upload(&self, files: &[&Path]) {
        let names: Vec<&str> = files.iter().map(|f| f.to_str().unwrap()).collect();
        self.find("#drop").await;
        let input = Locator::Css("#files");
        let input = self.browser.client.find(input).await.unwrap();
        input.send_keys(&names.join("\n")).await.unwrap();
    }

    async fn sign_up(&self, main: &str) {
        self.goto(main).await;
        self.click("a[href='/sign-up']").await;
        self.fill("#name", "The Larks").await;
        self.fill("#email", "ada@example.org").await;
        self.fill("#password", "a battery of horses").await;
        self.browser.picture("sign-up").await;
        self.click("form.card button.primary").await;
        self.find("#bench:not([hidden])").await;
    }

    /// Puts the songs into this order, whichever came first.
    async fn order(&self, want: &[&str]) {
        let mut titles = self.titles().await;
        for (n, title) in want.iter().enumerate() {
            let at = titles.iter().position(|t| t == title).unwrap();
            for up in (n + 1..=at).rev() {
                let button = format!("#songs li:nth-child({}) button[aria-label$=' up']", up + 1);
                self.click(&button).await;
                titles.swap(up, up - 1);
                let expected: Vec<&str> = titles.iter().map(String::as_str).collect();
                self.wait_titles(&expected).await;
            }
        }
        self.wait_titles(want).await;
    }

    /// Who the page at this address says is signed in.
    async fn who(&self, url: &str) -> String {
        self.goto(url).await;
        let script = "return document.querySelector('#who').textContent;";
        let told = || async { self.ask(script).await.as_str().unwrap().trim().to_owned() };
        wait::until("who is signed in", PATIENCE, told, |w| !w.is_empty()).await
    }
}

async fn artist(cluster: &Cluster, slug: &str) -> Artist {
    let found = cluster.api.all("/artists").await.unwrap();
    let one = found.iter().find(|a| a["slug"] == slug).unwrap();
    Artist { id: one["id"].as_str().unwrap().parse().unwrap(), slug: slug.to_owned() }
}

async fn plays(cluster: &Cluster, artist: &Artist) -> u64 {
    let seen = cluster.api.get(&format!("/artists/{}", artist.id)).await.unwrap();
    seen["plays_total"].as_u64().unwrap()
}

/// The pages of an artist as others see them: nothing is wider than the screen.
async fn look(main: &str, width: u32, dark: bool, name: &str) {
    let tab = Tab { browser: Browser::start(width, dark).await };
    let fits = async |page: &str| {
        tab.browser.picture(&format!("{page}-{name}")).await;
        let wide = tab.ask("return document.documentElement.scrollWidth - innerWidth;").await;
        assert!(wide.as_i64().unwrap() <= 0, "{page} at {width}: {wide} px too wide");
    };
    tab.goto(&format!("{main}/sign-up")).await;
    fits("sign-up").await;
    tab.goto(&format!("{main}/sign-in")).await;
    tab.fill("#email", "ada@example.org").await;
    tab.fill("#password", "a battery of horses").await;
    tab.click("form.card button.primary").await;
    tab.find("#bench:not([hidden])").await;
    fits("workshop").await;
    tab.ask("document.querySelector('#songs').scrollIntoView();").await;
    fits("workshop-songs").await;
    tab.goto(&format!("{main}/a/the-larks")).await;
    tab.find("[data-player]").await;
    fits("artist-own").await;
    tab.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artist_signs_up_uploads_is_heard_while_moving_and_uploads_again() {
    let cluster = Cluster::start("workshop").await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, seconds: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, song::wav(seconds, 0.05)).unwrap();
        path
    };
    let songs = [file("01-first.wav", 120), file("02-second.wav", 5), file("03-third.wav", 5)];
    let (main, ..) = cluster.admin();
    let tab = Tab::open().await;
    tab.sign_up(&main).await;
    let artist = artist(&cluster, "the-larks").await;

    tab.upload(&songs.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>()).await;
    wait::until("three songs", PATIENCE, || tab.titles(), |t| t.len() == 3).await;
    tab.browser.picture("workshop").await;
    // In the order in which they were chosen, and in any other.
    tab.wait_titles(&["First", "Second", "Third"]).await;
    tab.order(&["Third", "First", "Second"]).await;
    tab.order(&["First", "Second", "Third"]).await;
    tab.fill("#text", "Birds of a feather.").await;
    tab.click("#page button.primary").await;
    let saved = Locator::XPath("//*[@id='saved' and text()='Saved.']");
    tab.browser.client.wait().at_most(PATIENCE).for_element(saved).await.unwrap();
    assert_eq!(tab.find("#drop").await.attr("hidden").await.unwrap(), None);

    // A listener, in another browser.
    let listener = Tab::open().await;
    let before = plays(&cluster, &artist).await;
    listener.goto(&format!("{main}/a/the-larks")).await;
    // A song is shown once it has its LOFI, made by the server where the artist lives.
    let shown = || async {
        listener.goto(&format!("{main}/a/the-larks")).await;
        listener.ask("return document.querySelectorAll('#songs li').length;").await
    };
    wait::until("the songs to be shown", PATIENCE, shown, |n| *n == 3).await;
    listener.find("[data-player]").await;
    assert!(listener.browser.client.source().await.unwrap().contains("Birds of a feather."));
    listener.find(".wave svg").await;
    listener.click("#songs li:first-child button").await;
    let at = || async {
        let script = "const a = document.querySelector('#player audio'); \
                      return [a.currentTime, a.error && a.error.message, a.paused];";
        listener.ask(script).await
    };
    let heard = |state: &Value, s: f64| state[0].as_f64().unwrap() >= s && state[1].is_null();
    wait::until("the song to play", PATIENCE, at, |s| heard(s, 1.0)).await;
    listener.browser.picture("artist-waveform").await;

    let old = cluster.home(&artist).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!((old.as_str(), cluster.home(&artist).await.as_str()), ("master", "server3"));
    let from = at().await[0].as_f64().unwrap();
    let state = wait::until("the song to go on", PATIENCE, at, |s| heard(s, from + 1.5)).await;
    assert_eq!(state[2], false, "{state}");
    let now = || plays(&cluster, &artist);
    wait::until("the play to count", PATIENCE, now, |n| *n == before + 1).await;

    // The same tab, whose artist is elsewhere by now.
    let fourth = file("04-fourth.wav", 5);
    tab.upload(&[&fourth]).await;
    tab.wait_titles(&["First", "Second", "Third", "Fourth"]).await;
    assert!(cluster.tree("server3", &artist).join("songs/04-fourth.wav").exists());
    assert_eq!(plays(&cluster, &artist).await, before + 1, "once");

    // Known on every server; a minute after signing out, on none.
    for server in ["master", "server3"] {
        let port = cluster.media_address(server).port();
        let host = if server == "master" { String::new() } else { format!("{server}.") };
        let url = format!("http://{host}tourbus.localhost:{port}/artists/the-larks");
        assert!(tab.who(&url).await.contains("The Larks"), "{server}");
        assert!(tab.who(&url).await.contains("Workshop"), "{server}");
    }
    tab.goto(&main).await;
    tab.click(".who button").await;
    tab.find("a[href='/sign-in']").await;
    assert!(tab.who(&format!("{main}/a/the-larks")).await.contains("Sign in"));
    tab.browser.close().await;
    listener.browser.close().await;
    for (width, dark, name) in [(390, false, "phone"), (1280, true, "dark")] {
        look(&main, width, dark, name).await;
    }
    cluster.finish().await;
}
