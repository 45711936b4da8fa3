//! The live feed, and the pages that work without it.

use super::fixture::Web;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// An event stream, read as a browser does.
struct Events {
    answer: reqwest::Response,
    /// Only of this batch.
    batch: Option<String>,
    text: String,
}

impl Events {
    async fn open(web: &Web, batch: Option<&str>, last: Option<&str>) -> Self {
        let query = batch.map(|b| format!("?batch_id={b}")).unwrap_or_default();
        let mut request = web.get(&format!("/api/v1/events{query}")).bearer_auth("admin");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { answer, batch: batch.map(str::to_owned), text: String::new() }
    }

    /// Reads as a page does, anew when told to, until it shows the job like this: the id of the
    /// event that did it.
    async fn until(&mut self, web: &Web, job: &str, shown: impl Fn(&Value) -> bool) -> String {
        loop {
            let (id, name, data) = self.next().await;
            let jobs = data["jobs"].as_array().cloned().unwrap_or_default();
            if let Some(batch) = &self.batch {
                assert!(name == "resync" || data["batch"]["id"] == *batch, "{name} {data}");
            }
            if name == "resync" && shown(&web.api(&format!("/jobs/{job}")).await.1) {
                return id;
            }
            if name == "change" && jobs.iter().any(|j| j["id"] == job && shown(j)) {
                return id;
            }
        }
    }

    /// The next event: its id, its name, its data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|l| l.strip_prefix(name));
                    line.map_or("", |l| l.trim_start_matches(':').trim()).to_owned()
                };
                let parsed = (field("id"), field("event"), field("data"));
                self.text = String::from(rest);
                if !parsed.1.is_empty() {
                    return (parsed.0, parsed.1, serde_json::from_str(&parsed.2).unwrap());
                }
                continue;
            }
            let more = tokio::time::timeout(PATIENCE, self.answer.chunk()).await;
            let more = more.expect("an event in time").unwrap().expect("the stream goes on");
            self.text.push_str(&String::from_utf8_lossy(&more));
        }
    }
}

async fn move_one(web: &Web, name: &str) -> (String, String) {
    let artist = web.artists(0, &[(name, 1)]).await[0];
    let body = json!({"artist_ids": [artist], "target_server_id": web.servers[1]});
    let (_, answer) = web.api_post("/moves", &body).await;
    let batch = answer["batch_id"].as_str().unwrap().to_owned();
    let (_, jobs) = web.api(&format!("/jobs?batch_id={batch}")).await;
    (batch, jobs["items"][0]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn changes_are_told_and_what_was_missed_is_made_good() {
    let web = Web::start("web_live").await;
    let (batch, job) = move_one(&web, "Watched").await;
    let (_, other) = move_one(&web, "Other").await;
    let mut events = Events::open(&web, Some(&batch), None).await;
    // Another batch's change comes first, and is not ours to see.
    web.api_post(&format!("/jobs/{other}/cancel"), &Value::Null).await;
    web.api_post(&format!("/jobs/{job}/express"), &Value::Null).await;
    let id = events.until(&web, &job, |j| j["express"] == true).await;

    // Another stream sees the next change; the one that was away gets it afterwards.
    let mut stays = Events::open(&web, None, None).await;
    drop(events);
    web.api_post(&format!("/jobs/{job}/cancel"), &Value::Null).await;
    let undone = |j: &Value| j["state"] == "rolling_back";
    stays.until(&web, &job, undone).await;
    let mut back = Events::open(&web, Some(&batch), Some(&id)).await;
    back.until(&web, &job, undone).await;

    let mut lost = Events::open(&web, None, Some("00000000-1")).await;
    assert_eq!(lost.next().await.1, "resync");
    web.finish().await;
}

#[tokio::test]
async fn pages_work_without_scripts() {
    let web = Web::start("web_plain").await;
    let artists = web.artists(0, &[("Tom & <Jerry>", 5), ("Solo", 5)]).await;
    let there = web.artists(1, &[("There", 5)]).await[0];
    let cookie = web.sign_in("admin").await;
    let page = async |path: &str| {
        let answer = web.get(path).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    let list = page("/move?filter=tom").await;
    assert!(list.contains("Tom &#38; &#60;Jerry&#62;") && !list.contains("Solo"), "{list}");

    let form = |action: &str| {
        let target = web.servers[1];
        format!(
            "artist_id={}&artist_id={}&artist_id={there}&target_server_id={target}\
             &key=2f3c0f6e-6a4b-4b6e-9f3a-0d8a3a1c9a11&action={action}",
            artists[0], artists[1]
        )
    };
    let post = async |path: &str, form: String| {
        let answer = web.post_form(path, form).header("cookie", &cookie).send().await.unwrap();
        (answer.status().as_u16(), super::fixture::header(&answer, "location"), answer.text().await)
    };
    let (status, _, text) = post("/move", form("check")).await;
    assert_eq!(status, 200);
    assert!(text.unwrap().contains("1 already lives on Server 1"));
    assert_eq!(web.api("/jobs").await.1["items"].as_array().unwrap().len(), 0);
    let (status, batch, _) = post("/move", form("move")).await;
    assert!(status == 303 && batch.starts_with("/batches/"), "{status} {batch}");
    assert_eq!(post("/move", form("move")).await.1, batch, "pressed twice, moved once");

    let shown = page(&batch).await;
    assert!(shown.contains("Solo") && shown.contains("The artist already lives on that server."));
    assert!(page(&format!("{batch}/cancel")).await.contains("Cancel 2 moves"));
    assert_eq!(post(&format!("{batch}/cancel"), String::new()).await.1, batch);
    for path in ["/batches", "/jobs?group=running", "/servers", "/queues", "/audit", "/"] {
        page(path).await;
    }
    web.finish().await;
}

/// How often this process has taken a connection to the database.
async fn acquires(web: &Web) -> u64 {
    let text = web.get("/metrics").send().await.unwrap().text().await.unwrap();
    let name = "tourbus_database_acquires_total";
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

#[tokio::test]
async fn fifty_open_pages_cost_the_database_no_more_than_one() {
    const CHANGES: u64 = 8;
    let web = Web::start("web_watched").await;
    let (batch, _) = move_one(&web, "Watched").await;
    let mut costs = Vec::new();
    for watchers in [1, 50] {
        let mut open = Vec::new();
        for _ in 0..watchers {
            open.push(Events::open(&web, Some(&batch), None).await);
        }
        let before = acquires(&web).await;
        for n in 0..CHANGES {
            let (what, state) =
                if n % 2 == 0 { ("pause", "paused") } else { ("resume", "running") };
            web.api_post(&format!("/batches/{batch}/{what}"), &Value::Null).await;
            for events in &mut open {
                while events.next().await.2["batch"]["state"] != state {}
            }
        }
        costs.push(acquires(&web).await - before);
    }
    // Each page with a query of its own would be 400 more.
    assert!(costs[0] > 0 && costs[1] < costs[0] + 50 * CHANGES / 4, "{costs:?}");
    web.finish().await;
}

/// How often the broker was asked, whatever it said.
async fn polls(web: &Web) -> u64 {
    let text = web.get("/metrics").send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|l| l.starts_with("tourbus_broker_polls_total{"));
    lines.map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn the_broker_is_asked_no_more_often_however_many_look_at_the_queues() {
    let web = Web::start("web_polls").await;
    let cookie = web.sign_in("viewer").await;
    let (before, begun) = (polls(&web).await, std::time::Instant::now());
    for _ in 0..3 {
        let tab = async || {
            let answer = web.get("/queues").header("cookie", &cookie).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        };
        futures_util::future::join_all((0..30).map(|_| tab())).await;
    }
    let asked = polls(&web).await - before;
    // Once in two seconds, and now and then for the history.
    let most = begun.elapsed().as_secs() / 2 + 2;
    assert!(before + asked > 0 && asked <= most, "{asked} polls for 90 pages");
    web.finish().await;
}

#[tokio::test]
async fn what_many_tabs_read_anew_is_made_once_and_after_a_change_anew() {
    const TABS: usize = 40;
    let web = Web::start("web_refreshes").await;
    let (batch, _) = move_one(&web, "Watched").await;
    let cookies = [web.sign_in("admin").await, web.sign_in("viewer").await];
    let at = format!("/batches/{batch}");
    let read = async |cookie: &str, refresh: bool| {
        let mut request = web.get(&at).header("cookie", cookie).header("x-fragment", "head");
        if refresh {
            request = request.header("x-refresh", "1");
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    };
    let all = async |refresh| {
        let before = acquires(&web).await;
        let tabs = (0..TABS).map(|_| read(&cookies[0], refresh));
        let pages = futures_util::future::join_all(tabs).await;
        assert!(pages.iter().all(|page| *page == pages[0] && page.contains("Pause")));
        acquires(&web).await - before
    };
    let (each, shared) = (all(false).await, all(true).await);
    // Slow as the machine may be: made anew at most every second.
    assert!(shared < each / 4, "{each} {shared}");
    // Nobody gets what was made for somebody else, nor what was made before the change they were told of.
    let mut events = Events::open(&web, Some(&batch), None).await;
    let before = read(&cookies[0], true).await;
    assert!(before.contains("/pause") && !read(&cookies[1], true).await.contains("/pause"));
    web.api_post(&format!("{at}/pause"), &Value::Null).await;
    while events.next().await.2["batch"]["state"] != "paused" {}
    let running = "data-show=\"running\"";
    assert!(before.contains(&format!("{running}>")));
    assert!(read(&cookies[0], true).await.contains(&format!("{running} hidden>")));
    // Who is signed out gets nothing that was made before, once the second is over.
    let out = web.post_form("/sign-out", "").header("cookie", &cookies[0]).send().await.unwrap();
    assert_eq!(out.status(), 303);
    let status = || async {
        let request = web.get(&at).header("cookie", &cookies[0]).header("x-refresh", "1");
        request.send().await.unwrap().status().as_u16()
    };
    tourbus_tests::wait::until("signed out", PATIENCE, status, |status| *status != 200).await;
    web.finish().await;
}
