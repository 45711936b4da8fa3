//! Many batches at once: over the API, and by the forms of the list.

use super::fixture::{Web, hidden};
use serde_json::{Value, json};

/// A batch of its own for each: of one artist, of two, of one. Their ids.
async fn batches(web: &Web) -> Vec<String> {
    let artists = web.artists(0, &[("Rook", 5), ("Owl", 5), ("Lark", 5), ("Wren", 5)]).await;
    let mut ids = Vec::new();
    for (some, to) in [(&artists[..1], 1), (&artists[1..3], 1), (&artists[3..], 2)] {
        let body = json!({ "artist_ids": some, "target_server_id": web.servers[to] });
        let (_, answer) = web.api_post("/moves", &body).await;
        ids.push(answer["batch_id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn state(web: &Web, id: &str) -> Value {
    web.api(&format!("/batches/{id}")).await.1["state"].clone()
}

/// `[matched, done, unchanged, refused, jobs]`
fn counts(answer: &Value) -> [u64; 5] {
    ["matched", "done", "unchanged", "refused", "jobs"]
        .map(|name| answer[name].as_u64().unwrap_or_else(|| panic!("{name}: {answer}")))
}

#[tokio::test]
async fn batches_are_steered_by_a_filter_or_by_ids_and_each_says_what_came_of_it() {
    let web = Web::start("web_many_batches").await;
    let ids = batches(&web).await;
    let to_1 = json!({ "filter": { "server_id": web.servers[1], "state": "open" } });
    let mut dry = to_1.clone();
    dry["dry_run"] = json!(true);
    let (status, answer) = web.api_post("/batches/pause", &dry).await;
    assert_eq!((status, counts(&answer)), (200, [2, 0, 0, 0, 3]), "{answer}");
    assert!(answer["as_of"].is_string());
    assert_eq!(state(&web, &ids[0]).await, "running", "nothing is done");
    let (_, answer) = web.api_post("/batches/pause", &to_1).await;
    assert_eq!(counts(&answer), [2, 2, 0, 0, 3], "{answer}");
    assert_eq!(answer["batches"][0]["id"], json!(ids[1]), "the newest first: {answer}");
    for (id, stands) in ids.iter().zip(["paused", "paused", "running"]) {
        assert_eq!(state(&web, id).await, stands);
    }
    let (_, answer) = web.api_post("/batches/pause", &to_1).await;
    assert_eq!(counts(&answer), [0, 0, 0, 0, 0], "once more changes nothing: {answer}");

    let nobody = uuid::Uuid::nil();
    let some = json!({ "ids": [ids[0], ids[0], ids[2], nobody] });
    let (_, answer) = web.api_post("/batches/resume", &some).await;
    assert_eq!(counts(&answer), [3, 1, 1, 1, 1], "{answer}");
    let reason = &answer["refused_reasons"][0];
    assert_eq!((&reason["code"], &reason["batches"]), (&json!("not_found"), &json!(1)));
    let (_, answer) = web.api_post("/batches/cancel", &json!({ "filter": {} })).await;
    assert_eq!(counts(&answer), [3, 3, 0, 0, 4], "{answer}");
    let (_, answer) = web.api_post("/batches/cancel", &json!({ "ids": [ids[0]] })).await;
    assert_eq!(counts(&answer), [1, 0, 1, 0, 0], "it is being undone already: {answer}");
    let audit = web.api("/audit?action=batch.cancel&object=batch").await.1;
    assert_eq!(audit["items"][1]["detail"]["done"], 3, "they were asked together: {audit}");
    let of_one = web.api(&format!("/audit?action=batch.cancel&object=batch:{}", ids[2])).await.1;
    assert_eq!(of_one["items"][0]["actor"], "admin@test.example", "{of_one}");

    for body in [
        json!({}),
        json!({ "ids": [] }),
        json!({ "ids": ids, "filter": {} }),
        json!({ "filter": { "state": "asleep" } }),
        json!({ "filter": { "mood": 1 } }),
        json!({ "filter": { "since": "+200000-01-01T00:00:00Z" } }),
    ] {
        let (status, problem) = web.api_post("/batches/retry", &body).await;
        assert!((400..=422).contains(&status), "{body}: {status} {problem}");
    }
    let body = json!({ "filter": {}, "include_cancelled": true });
    assert_eq!(web.api_post("/batches/pause", &body).await.0, 422);
    let asked = web.post("/api/v1/batches/cancel").bearer_auth("viewer").json(&body);
    assert_eq!(asked.send().await.unwrap().status(), 403);
    web.finish().await;
}

fn sql(web: &Web, script: &str) {
    let ran = std::process::Command::new("psql")
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-c", script, &web.database])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[tokio::test]
async fn what_breaks_half_way_says_what_was_done_and_goes_on() {
    let web = Web::start("web_many_broken").await;
    let ids = batches(&web).await;
    // The second of three, the newest first.
    sql(
        &web,
        &format!(
            "CREATE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN RAISE EXCEPTION ''boom''; END'; \
             CREATE TRIGGER boom BEFORE UPDATE ON batches FOR EACH ROW \
                 WHEN (OLD.id = '{}') EXECUTE FUNCTION boom();",
            ids[1]
        ),
    );
    let (status, answer) = web.api_post("/batches/pause", &json!({ "filter": {} })).await;
    assert_eq!((status, counts(&answer)), (200, [2, 1, 0, 0, 1]), "{answer}");
    let one =
        |n: usize| (answer["batches"][n]["id"].clone(), answer["batches"][n]["outcome"].clone());
    assert_eq!(one(0), (json!(ids[2]), json!("done")));
    assert_eq!(one(1), (json!(ids[1]), json!("broke_off")));
    assert_eq!((&answer["more"], &answer["broke_off"]["status"]), (&json!(true), &json!(500)));
    let audit = web.api("/audit?action=batch.pause&result=failed").await.1;
    assert_eq!(audit["items"][0]["detail"]["done"], 1, "{audit}");
    // When nothing at all was done, that is an error.
    let (status, _) = web.api_post("/batches/pause", &json!({ "ids": [ids[1]] })).await;
    assert_eq!(status, 500);

    // The page says the same, and goes on with the rest.
    sql(&web, "UPDATE batches SET paused_at = NULL WHERE paused_at IS NOT NULL");
    let all: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    let (_, _, text) = web.form("/batches/pause", &format!("{}&confirm=1", all.join("&"))).await;
    assert!(text.contains("1 paused") && text.contains("It ended early"), "{text}");
    let rest = text.split("Go on with the rest").next().unwrap();
    let rest = &rest[rest.rfind("<form").unwrap()..];
    assert!(!rest.contains(&ids[0]) && rest.contains(&ids[1]) && rest.contains(&ids[2]), "{rest}");
    sql(&web, "DROP TRIGGER boom ON batches");
    let (_, answer) = web.api_post("/batches/pause", &json!({ "filter": {} })).await;
    assert_eq!((&answer["broke_off"], &answer["more"]), (&Value::Null, &json!(false)), "{answer}");
    for id in &ids {
        assert_eq!(state(&web, id).await, "paused");
    }
    web.finish().await;
}

#[tokio::test]
async fn the_list_of_batches_says_what_it_will_do_and_to_how_many_before_it_does() {
    let web = Web::start("web_many_batches_form").await;
    let ids = batches(&web).await;
    let list = web.page("/batches?pick=page", "admin").await;
    assert_eq!(list.matches("form=\"select\" name=\"id\"").count(), 3, "{list}");
    assert_eq!(list.matches(" checked").count(), 3);
    assert!(!web.page("/batches", "viewer").await.contains("name=\"id\""), "a viewer does not");
    let filter = format!("server_id={}&all=1", web.servers[1]);
    let (status, _, text) = web.form("/batches/pause", &filter).await;
    assert_eq!(status, 200);
    assert!(text.contains("Pause 2 batches?"), "{text}");
    assert!(text.contains("Jobs to be held back: 3."), "{text}");
    assert_eq!(state(&web, &ids[0]).await, "running");
    let confirmed = format!("{filter}&confirm=1&before={}", hidden(&text, "before"));
    let (_, _, text) = web.form("/batches/pause", &confirmed).await;
    assert!(text.contains("2 paused") && text.contains("Jobs held back: 3."), "{text}");
    let (_, _, text) = web.form("/batches/pause", &filter).await;
    assert!(text.contains("No batch to pause"), "{text}");

    let form = format!("id={}&id={}", ids[0], ids[2]);
    let (_, _, text) = web.form("/batches/resume", &form).await;
    assert!(text.contains("Resume 1 batch?") && text.contains("1 of those ticked"), "{text}");
    let (_, _, text) = web.form("/batches/resume", &format!("{form}&confirm=1")).await;
    assert!(text.contains("1 going on") && text.contains("1 had been already"), "{text}");
    let (_, _, text) = web.form("/batches/retry", "all=1").await;
    assert!(text.contains("No batch to retry") && text.contains("include_cancelled"), "{text}");
    let (_, _, text) = web.form("/batches/cancel", &format!("{form}&confirm=1")).await;
    assert!(text.contains("2 being undone or called off"), "{text}");
    assert_eq!(web.form("/batches/cancel", "").await.0, 422);
    web.finish().await;
}

#[tokio::test]
async fn a_time_that_no_calendar_has_is_refused_and_not_an_error_of_ours() {
    let web = Web::start("web_years").await;
    for list in ["jobs", "batches", "audit"] {
        for at in ["%2B200000-01-01T00:00:00Z", "-4800-01-01T00:00:00Z", "999999-01-01T00:00:00Z"] {
            for side in ["since", "until"] {
                let (status, problem) = web.api(&format!("/{list}?{side}={at}")).await;
                assert_eq!(status, 400, "{list} {side} {at}: {problem}");
            }
        }
        assert_eq!(web.api(&format!("/{list}?since=2026-11-22T18:00:00Z")).await.0, 200, "{list}");
        let cookie = web.sign_in("admin").await;
        let page = web.get(&format!("/{list}?from=%2B200000-01-01")).header("cookie", &cookie);
        assert_eq!(page.send().await.unwrap().status(), 400, "{list}");
    }
    web.finish().await;
}
