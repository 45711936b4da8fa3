//! The pages of the control room, as forms are posted to them.

use super::fixture::Web;
use serde_json::json;

#[tokio::test]
async fn a_suggestion_is_edited_and_queued_as_one_batch() {
    let web = Web::start("page_balance").await;
    web.artists(0, &[("Ada", 1000), ("Bob", 900), ("Cleo", 800)]).await;
    let page = web.page("/balance?tolerance=10", "admin").await;
    assert!(page.contains("Suggested moves") && page.contains("Queue these moves"), "{page}");
    let values: Vec<String> = page
        .split("name=\"move\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace(':', "%3A"))
        .collect();
    assert!(values.len() >= 2, "{page}");
    let viewer = web.page("/balance", "viewer").await;
    assert!(!viewer.contains("Queue these moves"), "a viewer does not");
    let (status, _, text) = web.form("/balance", "tolerance=10&reason=x").await;
    assert!(
        status == 422 && text.contains("role=\"alert\""),
        "{status}: nobody was chosen: {text}"
    );

    // All but the first.
    let chosen: Vec<String> = values[1..].iter().map(|v| format!("move={v}")).collect();
    let (status, location, _) =
        web.form("/balance", &format!("{}&reason=Evenly", chosen.join("&"))).await;
    assert!(status == 303 && location.starts_with("/batches/"), "{status} {location}");
    let batch = web.page(&location, "operator").await;
    assert!(batch.contains("Evenly"), "{batch}");
    let (_, jobs) = web.api("/jobs").await;
    assert_eq!(jobs["items"].as_array().unwrap().len(), chosen.len(), "{jobs}");
    web.finish().await;
}

#[tokio::test]
async fn a_batch_is_paused_and_resumed_and_lists_keep_their_filters() {
    let web = Web::start("page_pause").await;
    let artists = web.artists(0, &[("Ada", 10)]).await;
    let body = json!({ "artist_ids": artists.iter().map(|a| a.0).collect::<Vec<_>>(),
        "target_server_id": web.servers[1].0 });
    let (status, queued) = web.api_post("/moves", &body).await;
    assert_eq!(status, 202, "{queued}");
    let at = format!("/batches/{}", queued["batch_id"].as_str().unwrap());
    assert_eq!(web.form(&format!("{at}/pause"), "").await.0, 303);
    let page = web.page(&at, "operator").await;
    assert!(page.contains("Paused by <span data-text=\"paused-by\">admin@test.example"), "{page}");
    let overview = web.page("/overview", "operator").await;
    assert!(overview.contains("1 batch is paused"), "{overview}");
    assert_eq!(
        overview.matches("<td class=\"n\" data-label=\"Artists\">").count(),
        web.servers.len()
    );
    assert!(web.page("/batches?state=paused", "operator").await.contains(&at), "in the list");
    assert_eq!(web.form(&format!("{at}/resume"), "").await.0, 303);
    assert!(!web.page("/batches?state=paused", "operator").await.contains(&at), "not any more");

    // A move that has not ended has no report.
    let job = web.api("/jobs").await.1["items"][0]["id"].as_str().unwrap().to_owned();
    let page = web.page(&format!("/jobs/{job}"), "operator").await;
    assert!(!page.contains("Download the report"), "{page}");
    web.finish().await;
}
