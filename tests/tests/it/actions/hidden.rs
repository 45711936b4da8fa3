//! A page that nobody sees holds no stream of changes, and is up to date when it is seen again.

use super::{
    MINUTE, Person,
    batches::{hold_back, let_go},
};
use crate::quarantine::several;
use serde_json::json;
use tourbus_tests::{support::Cluster, wait};

/// Streams of changes that web has open.
async fn streams(http: &reqwest::Client, cluster: &Cluster) -> u64 {
    let answer = http.get(format!("{}/metrics", cluster.url())).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let open = text.lines().find_map(|l| l.strip_prefix("tourbus_sse_clients "));
    open.map_or(0, |n| n.trim().parse::<f64>().unwrap() as u64)
}

/// Until so many streams are open.
async fn until_open(cluster: &Cluster, n: u64) {
    let http = tourbus_http::plain().unwrap().build().unwrap();
    let open = || streams(&http, cluster);
    wait::until(&format!("{n} open streams"), MINUTE, open, |open| *open == n).await;
}

/// Hides the page or shows it again, as far as its scripts know.
async fn set_hidden(operator: &Person, hidden: bool) {
    let script = format!(
        "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
        document.dispatchEvent(new Event('visibilitychange'));"
    );
    operator.browser.ask(&script).await;
}

async fn steer(cluster: &Cluster, batch: &str, what: &str) {
    let path = format!("/batches/{batch}/{what}");
    let (status, answer) = cluster.api.post(&path, &json!({})).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_page_has_no_stream_and_is_up_to_date_when_it_is_shown_again() {
    let cluster = Cluster::start("page_hidden").await;
    hold_back(&cluster).await;
    let artists = several(&cluster, "server2", 1).await;
    let batch = cluster.move_all(&artists, "server3").await;
    let operator = Person::operator(&cluster).await;
    let phase = "ul.jobs .phase";
    operator.open("/batches").await;
    until_open(&cluster, 1).await;
    set_hidden(&operator, true).await;
    until_open(&cluster, 0).await;
    steer(&cluster, &batch, "pause").await;
    let told = operator.browser.text(phase).await;
    assert!(!told.contains("Paused"), "it is read while nobody sees it: {told}");
    set_hidden(&operator, false).await;
    until_open(&cluster, 1).await;
    operator.sees(phase, "Paused").await;

    let notice = "p.notice[data-show='paused']";
    operator.open(&format!("/batches/{batch}")).await;
    operator.sees(notice, "Paused by").await;
    until_open(&cluster, 1).await;
    set_hidden(&operator, true).await;
    until_open(&cluster, 0).await;
    steer(&cluster, &batch, "resume").await;
    assert_eq!(operator.count(&format!("{notice}[hidden]")).await, 0, "nobody sees it");
    set_hidden(&operator, false).await;
    until_open(&cluster, 1).await;
    operator.browser.find(&format!("{notice}[hidden]")).await;
    let_go(&cluster).await;
    operator.sees("#head h1", "Moved 1 artist to Server3").await;
    assert_eq!(cluster.home(&artists[0]).await, "server3");
    operator.leave().await;
    until_open(&cluster, 0).await;
    cluster.finish().await;
}
