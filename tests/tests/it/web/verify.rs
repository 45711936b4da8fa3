//! The Verify page and its API.

use super::fixture::Web;
use serde_json::json;
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
    let job = web.page(&format!("/jobs/{}", jobs["items"][0]["id"].as_str().unwrap()), "viewer");
    assert!(job.await.contains("Verifying "));
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
