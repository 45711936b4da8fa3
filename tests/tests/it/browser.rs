//! An admin in a real Chromium: signs in, chooses artists and a server, moves them, watches.

use fantoccini::Locator;
use std::time::Duration;
use tourbus_tests::{browser::Browser, support::Cluster, tree};

const PATIENCE: Duration = Duration::from_secs(60);

pub async fn sign_in(browser: &Browser, cluster: &Cluster) {
    let (url, email, password) = cluster.admin();
    let page = &browser.client;
    page.goto(&format!("{url}/sign-in")).await.unwrap();
    page.find(Locator::Css("#email")).await.unwrap().send_keys(&email).await.unwrap();
    page.find(Locator::Css("#password")).await.unwrap().send_keys(&password).await.unwrap();
    page.find(Locator::Css("form.card button.primary")).await.unwrap().click().await.unwrap();
    page.wait().at_most(PATIENCE).for_element(Locator::Css("a[href='/move']")).await.unwrap();
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
    let page = &browser.client;
    page.find(Locator::Css("a[href='/move']")).await.unwrap().click().await.unwrap();

    // `Artist 1`, `Artist 10` and `Artist 11` match.
    let filter = page.wait().at_most(PATIENCE).for_element(Locator::Css("#filter")).await.unwrap();
    filter.send_keys("Artist 1").await.unwrap();
    let narrowed = Locator::Css(".list-head[data-filter='Artist 1'][data-matching='3']");
    page.wait().at_most(PATIENCE).for_element(narrowed).await.unwrap();
    page.find(Locator::Css("#all")).await.unwrap().click().await.unwrap();
    let target = format!("label.server[data-id='{}'] input", cluster.server_id("server2"));
    page.find(Locator::Css(&target)).await.unwrap().click().await.unwrap();
    browser.picture("move-chosen").await;
    let button = Locator::Css("#move-form button.primary[value='move']");
    page.find(button).await.unwrap().click().await.unwrap();

    page.wait().at_most(PATIENCE).for_element(Locator::Css("#batch")).await.unwrap();
    // No reload: what the page shows now came over its live feed.
    let done = Locator::XPath("//*[@data-text='moved' and text()='3']");
    page.wait().at_most(PATIENCE).for_element(done).await.unwrap();
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
    let page = &browser.client;
    let (url, ..) = cluster.admin();
    page.goto(&format!("{url}/batches/{batch}")).await.unwrap();
    page.find(Locator::Css("a.danger")).await.unwrap().click().await.unwrap();
    let confirm = Locator::Css("main form button.danger");
    page.wait().at_most(PATIENCE).for_element(confirm).await.unwrap();
    browser.picture("cancel-confirm").await;
    page.find(confirm).await.unwrap().click().await.unwrap();
    hold.release();
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "cancelled");
    assert_eq!(cluster.home(&artist).await, "master");
    browser.close().await;
    cluster.finish().await;
}
