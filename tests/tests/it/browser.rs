//! An admin in a real Chromium: signs in, chooses artists and a server, moves them, watches.

use fantoccini::Locator;
use serde_json::json;
use std::time::Duration;
use tourbus_tests::{browser::Browser, support::Cluster, tree};

const PATIENCE: Duration = Duration::from_secs(60);

pub async fn sign_in(browser: &Browser, cluster: &Cluster) {
    let (url, email, password) = cluster.admin();
    sign_in_as(browser, &url, &email, &password).await;
}

/// As somebody who steers, and is no admin.
pub async fn sign_in_operator(browser: &Browser, cluster: &Cluster) {
    let (email, password) = ("operator@example.org", "several plain words");
    let account = json!({ "email": email, "password": password, "role": "operator" });
    let (status, made) = cluster.api.post("/accounts", &account).await.unwrap();
    assert_eq!(status, 201, "{made}");
    sign_in_as(browser, &cluster.admin().0, email, password).await;
}

pub async fn sign_in_as(browser: &Browser, url: &str, email: &str, password: &str) {
    browser.client.goto(&format!("{url}/sign-in")).await.unwrap();
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.click("form.card button.primary").await;
    browser.find("a[href='/move']").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_moves_the_artists_that_match_and_watches_them_arrive() {
    let cluster = Cluster::start("browser").await;
    let mut artists = Vec::new();
    for n in 0..12 {
        artists.push(cluster.add_artist("master", |root| tree::odd(root, n)).await);
    }
    let before: Vec<_> = artists.iter().map(|a| cluster.snapshot("master", a)).collect();
    let browser = Browser::start(1280, false).await;
    sign_in(&browser, &cluster).await;
    browser.click("a[href='/move']").await;

    // `Artist 1`, `Artist 10` and `Artist 11` match.
    browser.fill("#filter", "Artist 1").await;
    browser.find(".list-head[data-filter='Artist 1'][data-matching='3']").await;
    browser.click("#all").await;
    let target = format!("label.server[data-id='{}'] input", cluster.server_id("server2"));
    browser.click(&target).await;
    browser.picture("move-chosen").await;
    browser.click("#move-form button.primary[value='move']").await;

    browser.find("#batch").await;
    // No reload: what the page shows now came over its live feed.
    let done = Locator::XPath("//*[@data-text='moved' and text()='3']");
    browser.client.wait().at_most(PATIENCE).for_element(done).await.unwrap();
    browser.picture("batch-done").await;
    for n in [1, 10, 11] {
        assert_eq!(cluster.home(&artists[n]).await, "server2");
        tree::assert_equal(&before[n], &cluster.snapshot("server2", &artists[n]), "the tree");
    }
    assert_eq!(cluster.home(&artists[2]).await, "master");
    browser.close().await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_cancels_a_batch_on_its_page() {
    let cluster = Cluster::start("browser_cancel").await;
    let artist = cluster.add_artist("master", |root| tree::odd(root, 1)).await;
    let hold = cluster.hold("export.segment_staged");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    hold.reached().await;
    let browser = Browser::start(1280, false).await;
    sign_in(&browser, &cluster).await;
    let (url, ..) = cluster.admin();
    browser.client.goto(&format!("{url}/batches/{batch}")).await.unwrap();
    browser.click("a.danger").await;
    browser.find("main form button.danger").await;
    browser.picture("cancel-confirm").await;
    browser.click("main form button.danger").await;
    hold.release();
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "cancelled");
    assert_eq!(cluster.home(&artist).await, "master");
    browser.close().await;
    cluster.finish().await;
}
