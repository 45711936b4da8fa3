//! An operator in a real Chromium finds and mends what has gone wrong: from the overview, by
//! clicks alone. What no page can do (mend a disk, make room on it) the test does in between.

use crate::{browser::sign_in_operator, quarantine};
use fantoccini::Locator;
use std::time::Duration;
use tourbus_tests::{
    browser::Browser,
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);
/// What may need a person here. The disks of the machine that runs the tests may be full, which
/// is another matter.
const TROUBLES: [&str; 5] = ["failed", "quarantine", "dead letter", "offline", "no messages"];

/// What the trees of these artists are.
fn snapshots(cluster: &Cluster, server: &str, artists: &[Artist]) -> Vec<tree::Snapshot> {
    artists.iter().map(|a| cluster.snapshot(server, a)).collect()
}

/// That all of them have moved there, every byte of them.
async fn moved(cluster: &Cluster, to: &str, artists: &[Artist], before: &[tree::Snapshot]) {
    for (artist, before) in artists.iter().zip(before) {
        assert_eq!(cluster.home(artist).await, to);
        tree::assert_equal(before, &cluster.snapshot(to, artist), &artist.slug);
    }
}

/// Somebody who knows the overview only.
struct Operator {
    browser: Browser,
    main: String,
}

impl Operator {
    async fn start(cluster: &Cluster) -> Self {
        let browser = Browser::start(1280, false).await;
        sign_in_operator(&browser, cluster).await;
        Self { browser, main: cluster.admin().0 }
    }

    /// What the overview says needs a person.
    async fn needs(&self) -> String {
        self.browser.client.goto(&format!("{}/overview", self.main)).await.unwrap();
        self.browser.text("section[aria-labelledby='needs-title']").await
    }

    /// Opens the overview until it names this among what needs a person, and follows its link.
    async fn follow(&self, what: &str) {
        wait::until(what, MINUTE, || self.needs(), |told| told.contains(what)).await;
        self.browser.picture(&format!("overview-{}", what.replace(' ', "-"))).await;
        let link = format!("//ul[@class='needs']/li[contains(., '{what}')]/a");
        self.browser.client.find(Locator::XPath(&link)).await.unwrap().click().await.unwrap();
    }

    /// Until the page tells this; it is read anew until then.
    async fn reads(&self, what: &str) {
        let told = || async {
            let text = self.browser.text("main").await;
            if !text.contains(what) {
                self.browser.client.refresh().await.unwrap();
            }
            text
        };
        wait::until(what, MINUTE, told, |text| text.contains(what)).await;
    }

    /// Clicks `Retry` of every job of the list that is shown, `n` in all.
    async fn retry(&self, n: usize) {
        for _ in 0..n {
            self.browser.click("form[data-do='retry']:not([hidden]) button").await;
        }
    }

    /// Until nothing needs a person.
    async fn is_done(&self) {
        let done = |told: &String| !TROUBLES.iter().any(|w| told.contains(w));
        wait::until("nothing that needs a person", MINUTE, || self.needs(), done).await;
    }

    /// The batch ends well, every byte has moved, and nothing needs a person any more.
    async fn ends(
        self,
        cluster: Cluster,
        batch: &str,
        to: &str,
        artists: &[Artist],
        before: &[tree::Snapshot],
    ) {
        // A batch that has ended opens again with what is retried in it, and only then.
        self.is_done().await;
        cluster.wait_batch(batch, MINUTE).await;
        moved(&cluster, to, artists, before).await;
        self.is_done().await;
        self.browser.close().await;
        cluster.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_the_move_retried_when_there_is_room() {
    let full = "[worker-server2-1.limits]\ndisk_reserve_bytes = 4611686018427387904";
    let cluster = Cluster::start_with("operator_disk", full).await;
    let artists = quarantine::several(&cluster, "master", 1).await;
    let before = snapshots(&cluster, "master", &artists);
    let batch = cluster.move_all(&artists, "server2").await;
    let operator = Operator::start(&cluster).await;
    operator.follow("last move failed").await;
    operator.reads("reserve").await;
    assert_eq!(cluster.home(&artists[0]).await, "master");
    let roomy = |config: &mut toml::Table| {
        config["limits"]["disk_reserve_bytes"] = 0.into();
    };
    cluster.reconfigure("worker-server2-1", roomy).await;
    operator.retry(1).await;
    operator.ends(cluster, &batch, "server2", &artists, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_quarantine_is_named_released_and_takes_what_it_had_refused() {
    let cluster = Cluster::start_with("operator_quarantine", quarantine::ONE_TRY).await;
    quarantine::spoil(&cluster, "server2");
    let artists = quarantine::several(&cluster, "master", 6).await;
    let before = snapshots(&cluster, "master", &artists);
    let batch = cluster.move_all(&artists, "server2").await;
    let operator = Operator::start(&cluster).await;
    operator.follow("is in quarantine").await;
    let release = "form[action$='/release'] button";
    operator.browser.find(release).await;
    let told = operator.browser.text("main").await;
    assert!(!told.contains(".."), "a sentence ends once: {told}");
    quarantine::mend(&cluster, "server2");
    operator.browser.click(release).await;
    cluster.wait_batch(&batch, MINUTE).await;
    let jobs = cluster.jobs(&batch).await;
    let failed = jobs.iter().filter(|j| j["state"] == "failed").count();
    assert!(failed >= 3, "{failed} have failed");
    let state = || async {
        cluster.api.get(&format!("/servers/{}", cluster.server_id("server2"))).await.unwrap()
    };
    wait::until("the release", MINUTE, state, |s| s["state"] == "online").await;
    operator.follow("last moves failed").await;
    operator.retry(failed).await;
    operator.ends(cluster, &batch, "server2", &artists, &before).await;
}

/// Moves one artist from server2 to server3; its order is delivered to a server that it was not
/// for, which refuses it. Server2 takes no other until it has slots again.
pub async fn lose_an_export(cluster: &Cluster, artists: &[Artist]) -> String {
    cluster.set_export_slots("worker-server2-1", 0).await;
    let batch = cluster.move_all(artists, "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("the export on its lane", MINUTE, depth, |n| *n == 1).await;
    let lost = cluster.take_messages("server2", "export", 1).await.remove(0);
    cluster.publish_raw("server3.upkeep", &lost).await;
    batch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_named_read_and_requeued() {
    // Nobody sends the step again but the operator.
    let patient = "[coordinator]\nrescue_after_ms = 600000";
    let cluster = Cluster::start_with("operator_dead", patient).await;
    let artists = quarantine::several(&cluster, "server2", 1).await;
    let before = snapshots(&cluster, "server2", &artists);
    let batch = lose_an_export(&cluster, &artists).await;
    let operator = Operator::start(&cluster).await;
    operator.follow("dead letter").await;
    operator.reads("Order: export").await;
    operator.browser.click("button[aria-label^='Requeue: Order: export']").await;
    let said = operator.browser.text("p.notice[role='status']").await;
    assert!(said.contains("1 letter"), "{said}");
    cluster.set_export_slots("worker-server2-1", 2).await;
    operator.ends(cluster, &batch, "server3", &artists, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_vanished_from_staging_is_named_and_the_move_retried() {
    let cluster = Cluster::start_with("operator_staging", quarantine::ONE_TRY).await;
    let artists = quarantine::several(&cluster, "master", 1).await;
    let before = snapshots(&cluster, "master", &artists);
    let hold = cluster.hold("export.segment_staged");
    let batch = cluster.move_all(&artists, "server2").await;
    hold.reached().await;
    assert!(cluster.lose_staged().await > 0, "nothing was staged");
    hold.release();
    let operator = Operator::start(&cluster).await;
    operator.follow("last move failed").await;
    operator.reads("staging").await;
    operator.retry(1).await;
    operator.ends(cluster, &batch, "server2", &artists, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_is_named_and_what_waits_goes_when_it_takes_messages_again() {
    let cluster = Cluster::start_private("operator_broker").await;
    let artists = quarantine::several(&cluster, "master", 2).await;
    let before = snapshots(&cluster, "master", &artists);
    cluster.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    let operator = Operator::start(&cluster).await;
    operator.follow("The broker takes no messages").await;
    operator.reads("of memory, and may use").await;
    operator.browser.picture("queues-blocked").await;
    let batch = cluster.move_all(&artists, "server2").await;
    let owed = || async {
        cluster.api.get("/queues/broker").await.unwrap()["outbox_rows"].as_i64().unwrap_or(0)
    };
    wait::until("orders that wait for the broker", MINUTE, owed, |n| *n >= 2).await;
    for job in cluster.jobs(&batch).await {
        assert_eq!(job["state"], "queued", "{job}");
    }
    // On that machine, what the page says.
    let told = operator.browser.text("div.notice code").await;
    let command: Vec<&str> = told.split(' ').collect();
    assert_eq!(command[0], "rabbitmqctl", "{told}");
    cluster.rabbitmqctl(&command[1..]);
    operator.ends(cluster, &batch, "server2", &artists, &before).await;
}
