//! The Verify page and its API.

use super::fixture::Web;
use serde_json::json;
use tourbus_domain::{
    Finding, FindingKind, Input, MoveSettings, StepRef, StepResult, VerifyReport,
};
use tourbus_store::{Teller, Told};
use uuid::Uuid;

#[tokio::test]
async fn a_reading_is_looked_at_before_it_is_queued() {
    let web = Web::start("web_verify").await;
    let artists = web.artists(1, &[("Ada", 1), ("Bob", 2)]).await;
    let page = web.page("/verify", "viewer").await;
    for part in ["Never verified", "once in 7 days", "Every file that was read is what it was"] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    assert!(!page.contains("See what it takes"), "a viewer does not");
    let (status, _, text) = web.form("/verify", "server=&mb_s=&do=try").await;
    assert_eq!(status, 200);
    assert!(text.contains("<strong>2 artists</strong> would be read"), "{text}");
    assert_eq!(web.api("/batches").await.1["items"], json!([]), "a look queues nothing");
    let (status, _, text) = web.form("/verify", "server=&mb_s=fast&do=try").await;
    assert!(status == 422 && text.contains("is no number of MB/s"), "{status} {text}");
    let (status, _, text) = web.form("/verify", "server=&mb_s=0.5&do=try").await;
    assert!(status == 422 && text.contains("no rate to read at"), "{status} {text}");

    let at = format!("/artists/{}/verify", artists[0]);
    let (status, location, _) = web.form(&at, "").await;
    assert_eq!((status, location), (303, format!("/artists/{}#verify", artists[0])));
    let page = web.page(&format!("/artists/{}", artists[0]), "operator").await;
    assert!(page.contains("Never verified") && page.contains("Being verified"), "{page}");
    let (status, location, _) =
        web.form("/verify", "server=&mb_s=20&reason=Why+not&do=verify").await;
    assert_eq!(status, 303);
    let batch = web.page(&location, "operator").await;
    assert!(batch.contains("Verifying 1 artist") && batch.contains("Why not"), "{batch}");
    let cancel = web.page(&format!("{location}/cancel"), "operator").await;
    assert!(cancel.contains("Cancel 1 reading"), "{cancel}");
    let (_, jobs) = web.api("/jobs?kind=verify").await;
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2, "{jobs}");
    let at = format!("/jobs/{}", jobs["items"][0]["id"].as_str().unwrap());
    assert!(web.page(&at, "viewer").await.contains("Verifying "));
    let (status, _, text) = web.form("/verify", "server=&do=verify").await;
    assert!(status == 200 && text.contains("There is nobody to verify"), "{status} {text}");
    web.finish().await;
}

#[tokio::test]
async fn what_a_request_for_readings_lacks_is_told() {
    let web = Web::start("web_verify_wrong").await;
    for (body, code) in [
        (json!({}), "which_artists"),
        (json!({ "everything": true, "artist_ids": [] }), "which_artists"),
        (json!({ "artist_ids": [] }), "which_artists"),
        (json!({ "everything": true, "rate_bytes_s": 1 }), "bad_rate"),
        (json!({ "server_id": Uuid::nil() }), "no_such_server"),
        (json!({ "everything": true, "colour": "red" }), "wrong_json"),
    ] {
        let (status, problem) = web.ask("POST", "/verify", &body).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some(code)), "{body}: {problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
    let unknown = format!("/verify/findings/{}/resolve", Uuid::nil());
    assert_eq!(web.ask("POST", &unknown, &json!({})).await.0, 404);
    let (status, problem) =
        web.ask("PATCH", "/settings", &json!({ "verify_every_days": 5000 })).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("bad_verify_days")));
    let good = json!({ "verify_every_days": 14, "verify_rate_bytes_s": 20_000_000 });
    assert_eq!(web.ask("PATCH", "/settings", &good).await.0, 200);
    let settings = web.api("/settings").await.1;
    assert_eq!((&settings["verify_every_days"], &settings["sign_up"]), (&json!(14), &json!(true)));
    let page = web.page("/settings", "admin").await;
    assert!(page.contains("name=\"verify_mb_s\" inputmode=\"decimal\" value=\"20\""), "{page}");
    let form = "server_limit=&sign_up=yes&quota_gib=10&verify_every_days=x&verify_mb_s=20";
    let (status, _, text) = web.form("/settings", form).await;
    assert!(status == 422 && text.contains("is no number of days"), "{status} {text}");
    let form = "server_limit=&sign_up=yes&quota_gib=10&verify_every_days=0&verify_mb_s=1.5";
    assert_eq!(web.form("/settings", form).await.0, 200);
    let overview = web.api("/verify").await.1;
    assert_eq!(
        (&overview["every_days"], &overview["rate_bytes_s"]),
        (&json!(0), &json!(1_500_000))
    );
    web.finish().await;
}

/// Plays the worker that has found these in the files of the one artist who is queued.
async fn found(web: &Web, findings: Vec<Finding>) {
    let lease = web.store.take_due_orders(10).await.unwrap();
    let order = lease.orders()[0].clone();
    lease.settle(&[order.id], &[]).await.unwrap();
    let step = StepRef { job_id: order.job_id, key: order.key, epoch: order.epoch };
    let mut report = VerifyReport { files: 7, bytes: 123_456, findings, ..VerifyReport::default() };
    for kind in report.findings.iter().map(|f| f.kind).collect::<Vec<_>>() {
        report.count(kind);
    }
    let done = Input::Done { step, result: StepResult::Verify(report) };
    let by = Teller::Server { slug: order.server.clone(), worker: "w".to_owned() };
    let told = [Input::Started(step), done].map(|input| Told {
        job_id: order.job_id,
        input,
        by: by.clone(),
    });
    let outcomes = web.store.apply_inputs(&told, &MoveSettings::default()).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

fn finding(path: &str, kind: FindingKind) -> Finding {
    Finding {
        path: path.to_owned(),
        kind,
        bytes_expected: (kind != FindingKind::Untracked).then_some(2_000_000),
        bytes_actual: (kind != FindingKind::Missing).then_some(2_000_000),
        offset: (kind == FindingKind::Corrupt).then_some(16 << 20),
        blake3_expected: (kind != FindingKind::Untracked).then(|| "ab".repeat(32)),
        blake3_actual: (kind != FindingKind::Missing).then(|| "cd".repeat(32)),
        state: "s".to_owned(),
        detail: (kind == FindingKind::Unreadable).then(|| "Input/output error".to_owned()),
    }
}

#[tokio::test]
async fn findings_are_shown_with_how_to_mend_them_and_resolved() {
    let web = Web::start("web_findings").await;
    let artist = web.artists(1, &[("Ada & Co", 1)]).await[0];
    let (status, answer) =
        web.ask("POST", "/verify", &json!({ "artist_ids": [artist.0, Uuid::nil()] })).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    assert_eq!(answer["refused"][0]["reason"], "unknown");
    let bad = [
        finding("songs/<b>.mp3", FindingKind::Corrupt),
        finding("songs/lost.mp3", FindingKind::Missing),
        finding("vault/new.zip", FindingKind::Untracked),
        finding("songs/io.mp3", FindingKind::Unreadable),
    ];
    found(&web, bad.to_vec()).await;

    let overview = web.api("/verify").await.1;
    assert_eq!((&overview["open_findings"], &overview["never_verified"]), (&json!(4), &json!(0)));
    let (_, first) = web.api("/verify/findings?limit=3").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest) = web.api(&format!("/verify/findings?limit=3&cursor={cursor}")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &json!(null)));
    let all: Vec<_> = [&first, &rest].iter().flat_map(|p| p["items"].as_array().unwrap()).collect();
    assert!(all.iter().all(|f| f["remedy"].as_str().unwrap().len() > 20), "{all:#?}");

    for at in ["/verify".to_owned(), format!("/artists/{artist}")] {
        let page = web.page(&at, "operator").await;
        assert!(!page.contains("songs/<b>"), "{at}: a path is no markup");
        for part in [
            "the disk lost them",
            "from byte 16777216: was abababababababab, is cdcdcdcdcdcdcdcd",
            "Put the file back from a backup",
            "Input/output error",
            "it had 2.0 MB",
            "Accept",
        ] {
            assert!(page.contains(part), "{at}: {part} is missing:\n{page}");
        }
    }
    let page = web.page(&format!("/artists/{artist}"), "viewer").await;
    assert!(page.contains("4 are not what they were") && !page.contains("Accept all"), "{page}");

    let one = |kind: &str| {
        let found = all.iter().find(|f| f["kind"] == kind).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let at = format!("/verify/findings/{}/resolve", one("untracked"));
    // What was seen is not what was found last.
    let (status, problem) = web.ask("POST", &at, &json!({ "accept": true, "state": "old" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("finding_changed")), "{problem}");
    let (status, _, text) = web.form(&at, "as=accepted&state=old").await;
    assert!(status == 409 && text.contains("Another reading has found something else"), "{text}");
    let all_at = format!("/artists/{artist}/findings");
    assert_eq!(web.form(&all_at, "as=accepted&state=old").await.0, 409);
    assert_eq!(web.api("/verify").await.1["open_findings"], 4, "nothing was accepted");
    let page = web.page("/verify", "operator").await;
    assert!(page.contains("name=\"state\" value=\"s\""), "{page}");
    assert_eq!(web.ask("POST", &at, &json!({ "accept": true, "state": "s" })).await.0, 204);
    let (status, location, _) =
        web.form(&format!("/verify/findings/{}/resolve", one("missing")), "as=mended").await;
    assert_eq!((status, location.as_str()), (303, "/verify?done=mended"));
    assert!(web.page(&location, "operator").await.contains("The next reading looks"));
    let page = web.page(&format!("/artists/{artist}"), "operator").await;
    let form = &page[page.find(&format!("action=\"{all_at}\"")).unwrap()..];
    let seen = form.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    // One of the two that are left cannot be read: that is not accepted.
    assert_eq!(web.form(&all_at, &format!("as=accepted&state={seen}")).await.0, 303);
    assert_eq!(web.api("/verify").await.1["open_findings"], 1);
    assert_eq!(web.form(&all_at, "as=mended").await.0, 303);
    assert_eq!(web.api("/verify/findings").await.1["items"], json!([]));
    let resolved = web.api("/verify/findings?resolved=true").await.1;
    let how: Vec<_> = resolved["items"].as_array().unwrap().iter().collect();
    assert!(how.iter().all(|f| f["resolved_by"] != json!(null)), "{how:#?}");
    assert_eq!(how.iter().filter(|f| f["resolution"] == "accepted").count(), 2);
    let log = web.page("/audit", "admin").await;
    assert!(log.contains("resolved findings") && log.contains("to be verified"), "{log}");
    web.finish().await;
}
