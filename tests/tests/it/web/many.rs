//! Many jobs at once: over the API, and by the forms of the list.

use super::fixture::{Web, hidden};
use serde_json::{Value, json};

async fn moves(web: &Web) -> (String, Vec<String>) {
    let artists = web.artists(0, &[("Rook", 5), ("Rookery", 5), ("Owl", 5)]).await;
    let body = json!({ "artist_ids": artists, "target_server_id": web.servers[1] });
    let (_, answer) = web.api_post("/moves", &body).await;
    let batch = answer["batch_id"].as_str().unwrap().to_owned();
    let (_, jobs) = web.api(&format!("/jobs?batch_id={batch}")).await;
    let id = |j: &Value| j["id"].as_str().unwrap().to_owned();
    (batch, jobs["items"].as_array().unwrap().iter().map(id).collect())
}

#[tokio::test]
async fn jobs_are_steered_by_a_filter_or_by_ids_and_each_says_what_came_of_it() {
    let web = Web::start("web_many").await;
    let (batch, ids) = moves(&web).await;
    let rooks = json!({ "filter": { "batch_id": batch, "artist": "rook" } });
    let mut dry = rooks.clone();
    dry["dry_run"] = json!(true);
    let (status, answer) = web.api_post("/jobs/cancel", &dry).await;
    assert_eq!((status, &answer["matched"], &answer["done"]), (200, &json!(2), &json!(0)));
    let (_, answer) = web.api_post("/jobs/express", &rooks).await;
    assert_eq!((&answer["matched"], &answer["done"]), (&json!(2), &json!(2)), "{answer}");
    let (_, answer) = web.api_post("/jobs/cancel", &rooks).await;
    assert_eq!(answer["done"], 2, "{answer}");
    let (_, answer) = web.api_post("/jobs/express", &json!({ "ids": ids })).await;
    assert_eq!((&answer["done"], &answer["refused"]), (&json!(1), &json!(2)), "{answer}");
    let reasons = &answer["refused_reasons"];
    assert_eq!((&reasons[0]["code"], &reasons[0]["jobs"]), (&json!("wrong_state"), &json!(2)));
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 3);
    let audit = web.api("/audit?action=job.cancel").await.1;
    assert_eq!(audit["items"][0]["detail"]["done"], 2, "{audit}");

    for body in [
        json!({}),
        json!({ "ids": [] }),
        json!({ "ids": ids, "filter": {} }),
        json!({ "filter": { "state": "asleep" } }),
        json!({ "filter": { "mood": 1 } }),
    ] {
        let (status, problem) = web.api_post("/jobs/retry", &body).await;
        assert!((400..=422).contains(&status), "{body}: {status} {problem}");
    }
    web.finish().await;
}

#[tokio::test]
async fn the_list_of_jobs_says_what_it_will_do_and_to_how_many_before_it_does() {
    let web = Web::start("web_many_form").await;
    let (_, ids) = moves(&web).await;
    let list = web.page("/jobs?artist=rook&pick=page", "admin").await;
    assert_eq!(list.matches("form=\"select\" name=\"id\"").count(), 2, "{list}");
    assert_eq!(list.matches(" checked").count(), 2);
    let (status, _, text) = web.form("/jobs/cancel", "artist=rook&all=1").await;
    assert_eq!(status, 200);
    assert!(text.contains("Cancel 2 jobs?"), "{text}");
    let state = async |id: &str| web.api(&format!("/jobs/{id}")).await.1["state"].clone();
    for id in &ids {
        assert_eq!(state(id).await, "queued");
    }
    let confirmed = format!("artist=rook&all=1&confirm=1&before={}", hidden(&text, "before"));
    let (_, _, text) = web.form("/jobs/cancel", &confirmed).await;
    assert!(text.contains("2 being undone or called off"), "{text}");
    let owl = web.api("/jobs?artist=owl").await.1["items"][0].clone();
    assert_eq!(owl["state"], "queued");
    let form = format!("id={}&confirm=1", owl["id"].as_str().unwrap());
    let (_, _, text) = web.form("/jobs/express", &form).await;
    assert!(text.contains("1 expedited"), "{text}");
    let form = format!("batch_id={}&all=1", owl["batch_id"].as_str().unwrap());
    let (_, _, text) = web.form("/jobs/cancel", &form).await;
    assert!(text.contains("Cancel 1 job?"), "of a batch alone: {text}");
    assert_eq!(web.form("/jobs/cancel", "batch_id=x&all=1").await.0, 400);
    assert_eq!(web.form("/jobs/retry", "").await.0, 422);
    // What is confirmed is what was counted.
    assert_eq!(web.form("/jobs/retry", "all=1&confirm=1").await.0, 400);
    web.finish().await;
}

#[tokio::test]
async fn a_lane_is_paused_on_its_page_and_stands_on_the_overview() {
    let web = Web::start("web_lane").await;
    let path = format!("/servers/{}/lanes/upkeep", web.servers[1]);
    let page = web.page(&format!("{path}/pause"), "admin").await;
    assert!(page.contains("Pause upkeep of Server 1?") && page.contains("undone"), "{page}");
    let (status, to, _) = web.form(&format!("{path}/pause"), "reason=new+disks").await;
    assert_eq!((status, &*to), (303, "/queues"));
    let overview = web.page("/overview", "admin").await;
    assert!(overview.contains("Lane upkeep of Server 1 is paused"), "{overview}");
    assert!(overview.contains("new disks"));
    let (status, answer) = web.api_post(&format!("{path}/resume"), &Value::Null).await;
    assert_eq!((status, &answer["paused"]), (200, &Value::Null), "{answer}");
    assert!(!web.page("/overview", "admin").await.contains("is paused"));
    web.finish().await;
}
