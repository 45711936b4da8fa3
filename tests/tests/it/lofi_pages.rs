//! LOFI in a real Chromium: an admin converts in bulk and mends what failed; a listener hears it.

use crate::browser::sign_in;
use crate::lofi::{Given, artist, some, wait_songs};
use fantoccini::Locator;
use serde_json::Value;
use std::{fs, time::Duration};
use tourbus_tests::{browser::Browser, song, support::Cluster, wait};

const PATIENCE: Duration = Duration::from_secs(60);

async fn ask(browser: &Browser, script: &str) -> Value {
    browser.client.execute(script, Vec::new()).await.unwrap()
}

/// Nothing on the page is wider than the screen.
async fn fits(browser: &Browser, name: &str) {
    browser.picture(name).await;
    let wide = ask(browser, "return document.documentElement.scrollWidth - innerWidth;").await;
    assert!(wide.as_i64().unwrap() <= 0, "{name}: {wide} px too wide");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_converts_in_bulk_and_mends_what_failed() {
    let cluster = Cluster::start("lofi_admin").await;
    let mut given = some(6);
    given.push(Given {
        name: "broken.mp3".to_owned(),
        bytes: b"this is a diary, not a song\n".repeat(100),
        fresh: true,
    });
    let one = artist(&cluster, "server2", &given).await;
    wait_songs(&cluster, &one, 7, &["made", "failed"]).await;
    let browser = Browser::start(1280, false).await;
    sign_in(&browser, &cluster).await;
    browser.click("a[href='/lofi']").await;
    assert_eq!(browser.text("#lofis").await, "6");
    let failures = browser.text("#failures").await;
    assert!(failures.contains("songs/broken.mp3") && failures.contains("not a song"), "{failures}");
    fits(&browser, "lofi").await;

    // The file is mended, and tried again from the page.
    let file = cluster.tree("server2", &one).join("songs/broken.mp3");
    fs::write(file, song::wav(1, 0.05)).unwrap();
    browser.click("#retry-all").await;
    wait_songs(&cluster, &one, 7, &["made"]).await;
    let made = Locator::XPath("//*[@id='lofis' and text()='7']");
    browser.client.wait().at_most(PATIENCE).for_element(made).await.unwrap();

    // All anew: a look first, then the batch, live.
    browser.click("input[value='all']").await;
    browser.click("#try").await;
    assert!(browser.text("#plan").await.contains("7 songs"));
    fits(&browser, "lofi-plan").await;
    browser.click("#convert-now").await;
    let all = Locator::XPath("//h1[text()='Converted 7 songs']");
    browser.client.wait().at_most(PATIENCE).for_element(all).await.unwrap();
    fits(&browser, "lofi-batch").await;
    let (main, ..) = cluster.admin();
    browser.client.goto(&format!("{main}/artists/{}", one.id)).await.unwrap();
    browser.find("[data-song]").await;
    fits(&browser, "artist-admin").await;
    browser.close().await;
    for (width, dark, name) in [(390, false, "phone"), (1280, true, "dark")] {
        let browser = Browser::start(width, dark).await;
        sign_in(&browser, &cluster).await;
        for (path, page) in
            [("/lofi".to_owned(), "lofi"), (format!("/artists/{}", one.id), "artist")]
        {
            browser.client.goto(&format!("{main}{path}")).await.unwrap();
            fits(&browser, &format!("{page}-{name}")).await;
        }
        browser.close().await;
    }
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_the_lofi_of_each_server() {
    let cluster = Cluster::start("lofi_heard").await;
    let browser = Browser::start(1280, false).await;
    let (main, ..) = cluster.admin();
    for server in ["server2", "server3"] {
        let given = [Given { name: "one.wav".to_owned(), bytes: song::wav(20, 0.05), fresh: true }];
        let one = artist(&cluster, server, &given).await;
        let song = wait_songs(&cluster, &one, 1, &["made"]).await.remove(0);
        let by = song["lofi"]["by"].as_str().unwrap();
        assert_eq!(by, format!("{server}-1"), "another server's worker made it");
        browser.client.goto(&format!("{main}/a/{}", one.slug)).await.unwrap();
        browser.click("#songs li:first-child button").await;
        let state = || async {
            let script = "const a = document.querySelector('#player audio'); \
                          return [a.currentTime, a.error && a.error.message, a.currentSrc];";
            ask(&browser, script).await
        };
        let heard = |s: &Value| s[0].as_f64().unwrap() > 1.0 && s[1].is_null();
        let state = wait::until("the LOFI to play", PATIENCE, state, heard).await;
        let source = state[2].as_str().unwrap();
        assert!(source.ends_with("/lofi/one.wav.mp3"), "{source}");
        assert!(source.contains(server), "{source}");
    }
    browser.close().await;
    cluster.finish().await;
}
