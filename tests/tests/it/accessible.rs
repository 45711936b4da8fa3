//! Every page, in a real Chromium: what axe-core finds, what it loads, whether it fits, and
//! whether the keyboard is enough.

use crate::{browser::sign_in, lofi, verify};

use serde_json::json;
use std::{path::Path, time::Duration};
use tourbus_tests::{
    axe::{self, Axe},
    browser::Browser,
    support::{Artist, Cluster},
    tree, wait,
};

const MINUTE: Duration = Duration::from_secs(60);
const DOMAIN: &str = "tourbus.localhost";
/// Moves to server2 fail: its worker keeps a reserve that no disk has.
const FULL: &str = "[worker-server2-1.limits]\ndisk_reserve_bytes = 4611686018427387904";
/// A wide screen in the light, the same in the dark, and a phone.
const SCREENS: [(u32, bool, &str); 3] =
    [(1280, false, "light"), (1280, true, "dark"), (390, false, "phone")];

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 30_000)
}

/// What every page has something to show of.
struct Furnished {
    cluster: Cluster,
    heard: Artist,
    moved: String,
    failed: String,
    paused: String,
}

/// A song's artist with a damaged file, a batch of each sort, and a dead letter.
async fn furnished() -> Furnished {
    let cluster = Cluster::start_with("accessible", FULL).await;
    let heard = lofi::artist(&cluster, "server3", &lofi::some(2)).await;
    let mut plain = Vec::new();
    for _ in 0..5 {
        plain.push(cluster.add_artist("master", small).await);
    }
    cluster.publish_raw("server3.upkeep", "{\"hello\":1}").await;
    let failed = cluster.move_all(&plain[..1], "server2").await;
    let moved = cluster.move_all(&plain[1..2], "server3").await;
    lofi::wait_songs(&cluster, &heard, 2, &["made"]).await;
    verify::verify(&cluster, &heard).await;
    verify::rot(&cluster.tree("server3", &heard).join("lofi/001.wav.mp3"));
    verify::verify(&cluster, &heard).await;
    cluster.wait_batch(&failed, MINUTE).await;
    cluster.wait_batch(&moved, MINUTE).await;
    cluster.set_export_slots("worker-master-1", 0).await;
    let paused = cluster.move_all(&plain[2..4], "server3").await;
    let (status, _) =
        cluster.api.post(&format!("/batches/{paused}/pause"), &json!({})).await.unwrap();
    assert_eq!(status, 200);
    wait::until("the dead letter", MINUTE, || cluster.letters(), |l| l.len() == 1).await;
    Furnished { cluster, heard, moved, failed, paused }
}

impl Furnished {
    async fn job(&self, batch: &str) -> String {
        self.cluster.jobs(batch).await[0]["id"].as_str().unwrap().to_owned()
    }

    /// The pages that an admin sees, with names for their pictures.
    async fn pages(&self) -> Vec<(String, String)> {
        let (server, artist) = (self.cluster.server_id("server2"), self.heard.id);
        let (done, failed) = (self.job(&self.moved).await, self.job(&self.failed).await);
        let account = self.cluster.api.get("/accounts").await.unwrap();
        let account = account["items"][0]["id"].as_str().unwrap().to_owned();
        let (moved, paused) = (&self.moved, &self.paused);
        let hook = json!({ "name": "Ops", "url": "https://hooks.example.org/a",
            "events": ["job.stuck"], "active": false });
        let (status, hook) = self.cluster.api.post("/webhooks", &hook).await.unwrap();
        assert_eq!(status, 201, "{hook}");
        let hook = hook["id"].as_str().unwrap();
        let pages = [
            ("webhooks", "/webhooks".to_owned()),
            ("webhook", format!("/webhooks/{hook}")),
            ("lane-pause", format!("/servers/{server}/lanes/export/pause")),
            ("home", "/".to_owned()),
            ("overview", "/overview".to_owned()),
            ("move", "/move".to_owned()),
            ("move-nobody", "/move?filter=nobody".to_owned()),
            ("artist-new", "/artists/new".to_owned()),
            ("artist", format!("/artists/{artist}")),
            ("balance", "/balance?tolerance=1".to_owned()),
            ("balance-even", "/balance?tolerance=100".to_owned()),
            ("batches", "/batches".to_owned()),
            ("batches-none", "/batches?requested_by=nobody".to_owned()),
            ("batch-done", format!("/batches/{moved}")),
            ("batch-failed", format!("/batches/{}", self.failed)),
            ("batch-paused", format!("/batches/{paused}")),
            ("batch-cancel", format!("/batches/{paused}/cancel")),
            ("jobs", "/jobs".to_owned()),
            ("jobs-none", "/jobs?artist=nobody".to_owned()),
            ("job-done", format!("/jobs/{done}")),
            ("job-failed", format!("/jobs/{failed}")),
            ("servers", "/servers".to_owned()),
            ("server", format!("/servers/{server}")),
            ("server-new", "/servers/new".to_owned()),
            ("servers-modify", "/servers/modify".to_owned()),
            ("server-modify", format!("/servers/{server}/modify")),
            ("servers-delete", "/servers/delete".to_owned()),
            ("server-delete", format!("/servers/{server}/delete")),
            ("server-drain", format!("/servers/{server}/drain")),
            ("settings", "/settings".to_owned()),
            ("audit", "/audit".to_owned()),
            ("audit-none", "/audit?actor=nobody".to_owned()),
            ("queues", "/queues".to_owned()),
            ("dead", "/queues/dead".to_owned()),
            ("dead-none", "/queues/dead?server=server2".to_owned()),
            ("lofi", "/lofi".to_owned()),
            ("verify", "/verify".to_owned()),
            ("account", "/account".to_owned()),
            ("accounts", "/accounts".to_owned()),
            ("account-new", "/accounts/new".to_owned()),
            ("account-one", format!("/accounts/{account}")),
            ("account-delete", format!("/accounts/{account}/delete")),
            ("workshops", "/workshop".to_owned()),
            ("nothing", "/nowhere".to_owned()),
            ("no-job", format!("/jobs/{}", uuid::Uuid::nil())),
        ];
        pages.into_iter().map(|(name, path)| (name.to_owned(), path)).collect()
    }
}

/// Pages that are no success, and are to be looked at all the same.
const WRONG: [&str; 4] = ["nothing", "no-job", "artist-nobody", "sign-in-wrong"];

/// A browser that looks at pages, and what it has found.
struct Looker {
    browser: Browser,
    axe: Axe,
    main: String,
    faults: Vec<String>,
}

impl Looker {
    async fn start(main: &str) -> Self {
        let (browser, axe) = (Browser::start(1280, false).await, Axe::load());
        Self { browser, axe, main: main.to_owned(), faults: Vec::new() }
    }

    async fn open(&self, path: &str) {
        self.browser.client.goto(&format!("{}{path}", self.main)).await.unwrap();
    }

    /// The page that is shown, on every screen.
    async fn look(&mut self, name: &str) {
        let script = "return performance.getEntriesByType('navigation')[0].responseStatus;";
        let status = self.browser.ask(script).await.as_u64().unwrap();
        if (status == 200) == WRONG.contains(&name) {
            self.faults.push(format!("{name}: answered with {status}"));
        }
        let loaded = axe::load_faults(&self.browser, DOMAIN).await;
        self.faults.extend(loaded.into_iter().map(|f| format!("{name}: {f}")));
        for (width, dark, screen) in SCREENS {
            self.browser.show(width, dark).await;
            self.browser.picture(&format!("{name}-{screen}")).await;
            let found = self.axe.faults(&self.browser).await;
            self.faults.extend(found.into_iter().map(|f| format!("{name}, {screen}: {f}")));
            let script = "return document.documentElement.scrollWidth - innerWidth;";
            let wide = self.browser.ask(script).await.as_i64().unwrap();
            if wide > 0 {
                self.faults.push(format!("{name}, {screen}: {wide} px too wide"));
            }
        }
        self.browser.show(1280, false).await;
    }

    /// What is open to everybody, and what an artist sees.
    async fn of_artists(&mut self, heard: &Artist) {
        for (name, path) in [
            ("front", "/".to_owned()),
            ("sign-in", "/sign-in".to_owned()),
            ("sign-up", "/sign-up".to_owned()),
            ("artist-page", format!("/a/{}", heard.slug)),
            ("artist-nobody", "/a/nobody".to_owned()),
        ] {
            self.open(&path).await;
            self.look(name).await;
        }
        // Wrong, and then right.
        self.open("/sign-in").await;
        self.browser.fill("#email", "nobody@example.org").await;
        self.browser.fill("#password", "a battery of horses").await;
        self.browser.click("form.card button.primary").await;
        self.browser.find("[role=alert], .notice.bad").await;
        self.look("sign-in-wrong").await;
        self.open("/sign-up").await;
        self.browser.fill("#name", "The Larks").await;
        self.browser.fill("#email", "ada@example.org").await;
        self.browser.fill("#password", "a battery of horses").await;
        self.browser.click("form.card button.primary").await;
        self.browser.find("#bench:not([hidden])").await;
        self.look("workshop").await;
        self.open("/account").await;
        self.look("account-artist").await;
        self.browser.click("form.who button").await;
        self.browser.find("nav a[href='/sign-in']").await;
    }

    fn assert_none(&self) {
        assert!(
            self.faults.is_empty(),
            "{} faults:\n{}",
            self.faults.len(),
            self.faults.join("\n")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_for_everybody_fits_and_is_light() {
    let furnished = furnished().await;
    let (main, ..) = furnished.cluster.admin();
    let mut looker = Looker::start(&main).await;
    looker.of_artists(&furnished.heard).await;
    sign_in(&looker.browser, &furnished.cluster).await;
    for (name, path) in furnished.pages().await {
        looker.open(&path).await;
        looker.look(&name).await;
    }
    // What a form says before it does something.
    looker.open("/verify").await;
    looker.browser.click("#try").await;
    looker.browser.find("#plan").await;
    looker.look("verify-plan").await;
    looker.open("/batches?pick=page").await;
    looker.look("batches-ticked").await;
    looker.browser.click("button[formaction='/batches/retry']").await;
    looker.browser.find("input[name='confirm']").await;
    looker.look("batches-retry").await;
    looker.browser.click("form.buttons button.primary").await;
    looker.browser.click("details summary").await;
    looker.look("batches-retried").await;
    looker.open("/queues/dead").await;
    looker.browser.click(".settle summary").await;
    looker.browser.click(".letter details summary").await;
    looker.look("dead-open").await;
    looker.assert_none();
    looker.browser.close().await;
    furnished.cluster.abandon().await;
}
