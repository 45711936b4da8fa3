//! What people and scripts are told when something is wrong, and what pages say of how a batch
//! went.

use super::fixture::{Web, header, json};
use serde_json::{Value, json};
use tourbus_domain::{
    ErrorClass, Input, JobError, JobId, MoveSettings, StepKey, StepKind, StepRef,
};
use tourbus_store::{JobQuery, Teller, Told};

/// A signed-in admin's browser.
struct Browser<'a> {
    web: &'a Web,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn of(web: &'a Web) -> Self {
        Self { web, cookie: web.sign_in("admin").await }
    }

    async fn page(&self, path: &str) -> (u16, String) {
        let answer = self.web.get(path).header("cookie", &self.cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, form: &str) -> (u16, String, String) {
        let request = self.web.post_form(path, form.to_owned()).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        let location = header(&answer, "location");
        (answer.status().as_u16(), location, answer.text().await.unwrap())
    }
}

/// Moves these artists to the second server; the batch and its jobs.
async fn queue(web: &Web, artists: &[tourbus_domain::ArtistId]) -> (String, Vec<JobId>) {
    let body = json!({"artist_ids": artists, "target_server_id": web.servers[1]});
    let (status, answer) = web.api_post("/moves", &body).await;
    assert_eq!(status, 202, "{answer}");
    let batch = answer["batch_id"].as_str().unwrap().to_owned();
    let query = JobQuery { limit: 100, ..JobQuery::default() };
    let mut jobs = web.store.jobs(&query).await.unwrap();
    jobs.retain(|j| j.batch_id.is_some_and(|b| b.to_string() == batch));
    jobs.sort_by(|a, b| a.artist_name.cmp(&b.artist_name));
    (batch, jobs.iter().map(|j| JobId(j.id)).collect())
}

/// Tells, as a worker, that the step of this kind has failed for good, or (without an error) that
/// it is done.
async fn tell(web: &Web, job: JobId, kind: StepKind, error: Option<JobError>) {
    let steps = web.store.job_steps(job).await.unwrap();
    let step = steps.iter().find(|s| s.kind == kind.as_str()).unwrap();
    let key = StepKey { kind, seq: step.seq as u32 };
    let step = StepRef { job_id: job, key, epoch: step.epoch as u64 };
    let input = match (error, kind) {
        (Some(error), _) => Input::Failed { step, error },
        (None, StepKind::AbandonImport) => {
            Input::Done { step, result: tourbus_domain::StepResult::AbandonImport }
        }
        (None, _) => {
            let result = tourbus_domain::StepResult::AbandonExport { leftovers: None };
            Input::Done { step, result }
        }
    };
    let told = [Told { job_id: job, input, by: Teller::Coordinator }];
    let outcomes = web.store.apply_inputs(&told, &MoveSettings::default()).await.unwrap();
    assert!(outcomes.iter().all(|o| o.as_ref().is_ok_and(|o| !o.ignored)), "{outcomes:?}");
}

async fn undo(web: &Web, job: JobId) {
    for kind in [StepKind::AbandonImport, StepKind::AbandonExport] {
        tell(web, job, kind, None).await;
    }
}

async fn fail(web: &Web, job: JobId, message: &str) {
    let error = JobError::new(ErrorClass::Permanent, "test", message, "Mend it, then retry");
    tell(web, job, StepKind::Export, Some(error)).await;
    undo(web, job).await;
}

#[tokio::test]
async fn a_made_up_cursor_is_refused_by_every_list() {
    let web = Web::start("web_cursors").await;
    let artist = web.artists(0, &[("One", 1)]).await[0];
    let (batch, _) = queue(&web, &[artist]).await;
    // A key with a NUL, a year that the database does not know, a text with a NUL.
    let made_up = [
        "eyJzb3J0IjoibmFtZSIsImtleSI6ImFcdTAwMDAiLCJpZCI6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9",
        "eyJhdCI6IisyNjIwMDAtMDEtMDFUMDA6MDA6MDBaIiwiaWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ",
        "Ilx1MDAwMCI",
    ];
    let lists = [
        "/artists".to_owned(),
        format!("/artists/{artist}/songs"),
        "/jobs".into(),
        "/batches".into(),
        format!("/batches/{batch}/refusals"),
        "/audit".into(),
    ];
    let browser = Browser::of(&web).await;
    for cursor in made_up {
        for list in &lists {
            let (status, problem) = web.api(&format!("{list}?cursor={cursor}")).await;
            let told = (status, problem["code"].as_str());
            assert_eq!(told, (400, Some("bad_cursor")), "{list} {cursor}: {problem}");
        }
        let refusals = format!("/batches/{batch}?refusals={cursor}");
        for page in
            ["/?cursor=", "/move?cursor=", "/jobs?cursor=", "/batches?cursor=", "/audit?cursor="]
        {
            assert_eq!(browser.page(&format!("{page}{cursor}")).await.0, 400, "{page} {cursor}");
        }
        assert_eq!(browser.page(&refusals).await.0, 400, "{cursor}");
    }
    web.finish().await;
}

#[tokio::test]
async fn refusals_carry_names_and_are_added_up() {
    let web = Web::start("web_refused_names").await;
    let here = web.artists(0, &[("Goes", 1)]).await[0];
    let there = web.artists(1, &[("Stays & Sings", 1), ("Stays Too", 1)]).await;
    let unknown = uuid::Uuid::now_v7();
    let body = json!({"artist_ids": [here, there[0], there[1], unknown],
        "target_server_id": web.servers[1], "dry_run": true});
    let (_, answer) = web.api_post("/moves", &body).await;
    let names: Vec<_> = answer["refused"].as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert_eq!(names, [&json!("Stays & Sings"), &json!("Stays Too"), &Value::Null]);
    let reasons = &answer["refused_reasons"];
    assert_eq!(reasons[0]["summary"], "2 already live on Server 1", "{reasons}");
    assert_eq!(
        (&reasons[0]["artists"], &reasons[1]["reason"]),
        (&json!(2), &json!("unknown_artist"))
    );

    let browser = Browser::of(&web).await;
    let form = format!(
        "artist_id={}&artist_id={}&target_server_id={}&action=check",
        there[0], there[1], web.servers[1]
    );
    let (_, _, page) = browser.post("/move", &form).await;
    assert!(
        page.contains("2 already live on Server 1") && page.contains("Stays &#38; Sings"),
        "{page}"
    );
    assert!(page.contains("nothing to move") && !page.contains("cannot move"), "{page}");
    web.finish().await;
}

#[tokio::test]
async fn a_request_that_means_nobody_is_told_why() {
    let web = Web::start("web_nobody").await;
    web.artists(0, &[("One", 1)]).await;
    let target = web.servers[1];
    let unknown = uuid::Uuid::now_v7();
    let cases = [
        (
            json!({"selector": {"filter": "zzz"}, "target_server_id": target}),
            "no_artists",
            "matches",
        ),
        (
            json!({"selector": {"server_id": unknown}, "target_server_id": target}),
            "no_such_server",
            "selector.server_id",
        ),
        (
            json!({"artist_ids": [], "target_server_id": target}),
            "no_artists",
            "`artist_ids` is empty",
        ),
        (json!([]), "wrong_json", "not an object"),
        (json!([null, null, target]), "wrong_json", "not an object"),
    ];
    for (body, code, says) in cases {
        let (status, problem) = web.api_post("/moves", &body).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some(code)), "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert!(problem["remedy"].as_str().unwrap().ends_with('.'), "{problem}");
    }
    web.finish().await;
}

#[tokio::test]
async fn an_error_page_keeps_the_navigation_and_leads_back() {
    let web = Web::start("web_error_pages").await;
    let browser = Browser::of(&web).await;
    let none = "00000000-0000-7000-8000-000000000000";
    let cases = [
        (format!("/batches/{none}"), 404, "To all batches"),
        ("/jobs/7".to_owned(), 400, "To all jobs"),
        ("/nowhere".to_owned(), 404, "To the front page"),
        ("/a/nobody".to_owned(), 404, "To the front page"),
        ("/move?sort=zork".to_owned(), 400, "Open the page without this filter"),
        ("/move?server_id=zork".to_owned(), 400, "Choose a server under Home server."),
        ("/jobs?state=zork".to_owned(), 400, "Open the page without this filter"),
        ("/jobs?group=zork".to_owned(), 400, "Open the page without this filter"),
        ("/batches?state=zork".to_owned(), 400, "Open the page without this filter"),
    ];
    for (path, status, says) in cases {
        let (got, page) = browser.page(&path).await;
        assert_eq!(got, status, "{path}");
        assert!(page.contains(says) && page.contains("admin@test.example"), "{path}: {page}");
        assert!(!page.contains("openapi"), "{path}: {page}");
    }
    let (status, page) = browser.page("/jobs?state=failed,stuck").await;
    assert!(status == 200 && page.contains("No job fits these filters."), "{page}");
    let open = web.get("/a/nobody").send().await.unwrap().text().await.unwrap();
    assert!(open.contains("Sign in") && !open.contains("Sign out"), "{open}");
    web.finish().await;
}

#[tokio::test]
async fn a_batch_says_how_it_ended_and_what_can_be_retried() {
    let web = Web::start("web_outcome").await;
    let artists = web.artists(0, &[("A", 1), ("B", 1), ("C", 1), ("D", 1)]).await;
    let (batch, jobs) = queue(&web, &artists).await;
    let browser = Browser::of(&web).await;
    let path = format!("/batches/{batch}");
    assert!(browser.page(&path).await.1.contains("<h1>Moving 4 artists to Server 1</h1>"));

    let long = "x".repeat(18_000);
    fail(&web, jobs[0], &format!("cannot open /{long}/end: too long")).await;
    let (_, page) = browser.page(&path).await;
    let position = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(position("<h3>Failed") < position("<h3>Waiting"), "what failed is above what waits");
    assert!(
        page.len() < 20_000 && page.contains("/end: too long. <span>Mend it, then retry.</span>")
    );
    let (_, job) = web.api(&format!("/jobs/{}", jobs[0])).await;
    assert!(job["error"]["message"].as_str().unwrap().len() > 18_000, "the API keeps it whole");
    let (_, shown) = browser.page(&format!("/jobs/{}", jobs[0])).await;
    assert!(shown.contains("The export on Server 0 failed") && !shown.contains("&#34;"), "{shown}");

    let (_, cancelled) = web.api_post(&format!("{path}/cancel"), &Value::Null).await;
    assert_eq!((&cancelled["cancelled"], &cancelled["too_late"]), (&json!(3), &json!(0)));
    let (_, confirm) = browser.page(&format!("{path}/cancel")).await;
    assert!(confirm.contains("There is nothing left to cancel"), "{confirm}");
    for job in &jobs[1..] {
        undo(&web, *job).await;
    }
    let (_, page) = browser.page(&path).await;
    assert!(page.contains("<h1>No artist moved to Server 1, 1 failed, 3 cancelled</h1>"), "{page}");
    assert!(page.contains("data-state=\"failed\""), "{page}");
    assert!(page.contains("x=\"25.00%\" y=\"0\" width=\"75.00%\""), "the bar: {page}");
    let (_, list) = browser.page("/batches").await;
    assert!(list.contains("</span>Failed</span>"), "{list}");

    // One of them moves otherwise: its old job can no longer be retried.
    let (other, _) = queue(&web, &artists[3..]).await;
    let (_, held) = web.api(&format!("/jobs/{}", jobs[3])).await;
    assert_eq!(held["retryable"], false, "another job holds the artist");
    web.api_post(&format!("/batches/{other}/cancel"), &Value::Null).await;
    let all = json!({"include_cancelled": true});
    let (_, early) = web.api_post(&format!("/batches/{other}/retry"), &all).await;
    assert_eq!((&early["retried"], &early["undoing"]), (&json!(0), &json!(1)), "{early}");

    let (_, plain) = web.api_post(&format!("{path}/retry"), &json!({})).await;
    assert_eq!((&plain["retried"], &plain["refused"]), (&json!(1), &json!(0)), "{plain}");
    let (_, all) = web.api_post(&format!("{path}/retry"), &all).await;
    assert_eq!((&all["retried"], &all["refused"]), (&json!(2), &json!(1)), "{all}");
    let answer =
        web.post(&format!("/api/v1{path}/retry")).bearer_auth("admin").send().await.unwrap();
    assert_eq!(json(answer).await.0, 200, "the body may be left out");
    web.finish().await;
}
