//! Webhooks, the watch over the balance and the artist's notices, over the API and on the pages.

use super::fixture::Web;
use crate::store::fixture::{play, step_of, told};
use serde_json::{Value, json};
use tourbus_domain::{Input, MoveSettings};
use tourbus_store::{BalanceLook, Tried, TriedBody};

async fn made(web: &Web) -> Value {
    let body = json!({ "name": "Ops", "url": "https://hooks.test/a", "events": ["job.stuck"] });
    let (status, made) = web.api_post("/webhooks", &body).await;
    assert_eq!(status, 201, "{made}");
    made
}

#[tokio::test]
async fn a_script_makes_changes_tests_and_removes_a_webhook_whose_secret_is_told_once() {
    let web = Web::start("web_webhooks").await;
    let made = made(&web).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    let at = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let (_, list) = web.api("/webhooks").await;
    assert_eq!(
        (list["items"][0]["state"].as_str(), list.to_string().contains(&secret)),
        (Some("new"), false)
    );
    let (status, changed) =
        web.ask("PATCH", &at, &json!({ "events": ["batch.failed"], "active": false })).await;
    assert_eq!((status, &changed["state"]), (200, &json!("off")), "{changed}");
    let (status, sent) = web.api_post(&format!("{at}/test"), &json!({})).await;
    assert_eq!(status, 202, "{sent}");
    let (_, log) = web.api(&format!("{at}/deliveries?state=pending")).await;
    assert_eq!(log["items"][0]["id"], sent["delivery_id"], "{log}");
    assert_eq!(log["items"][0]["body"]["type"], "webhook.test");
    let again =
        format!("/webhooks/deliveries/{}/send-again", sent["delivery_id"].as_str().unwrap());
    assert_eq!(web.api_post(&again, &json!({})).await.0, 202);
    let (_, rotated) = web.api_post(&format!("{at}/rotate"), &json!({})).await;
    assert!(rotated["secret"] != json!(secret) && rotated["old_secret_until"].is_string());
    assert_eq!(web.ask("DELETE", &at, &Value::Null).await.0, 204);
    assert_eq!(web.api(&at).await.0, 404);
    for action in ["create", "modify", "test", "resend", "rotate", "delete"] {
        let (_, log) = web.api(&format!("/audit?action=webhook.{action}&result=done")).await;
        assert_eq!(log["items"][0]["actor"], "admin@test.example", "{action}");
        assert!(!log.to_string().contains("whsec_") && !log.to_string().contains("hooks.test"));
    }
    web.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_said_with_its_field() {
    let web = Web::start("web_webhooks_bad").await;
    let good = json!({ "name": "Ops", "url": "https://hooks.test/a", "events": ["job.stuck"] });
    for (field, value) in [
        ("name", json!(" ")),
        ("url", json!("hooks.test")),
        ("url", json!("http://hooks.test/")),
        ("url", json!("https://me:secret@hooks.test/")),
        ("events", json!([])),
        ("events", json!(["job.exploded"])),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let (status, problem) = web.api_post("/webhooks", &bad).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        assert!(!problem["remedy"].as_str().unwrap_or_default().is_empty(), "{problem}");
    }
    let (status, _, page) =
        web.form("/webhooks", "name=Ops&url=ftp%3A%2F%2Fx&event=job.stuck").await;
    assert_eq!(status, 422);
    assert!(page.contains("does not begin with https://") && page.contains("value=\"ftp://x\""));
    let (status, problem) = web.ask("PATCH", "/balance/watch", &json!({ "tolerance": 2 })).await;
    assert_eq!((status, problem["field"].as_str()), (422, Some("tolerance")), "{problem}");
    web.finish().await;
}

#[tokio::test]
async fn an_admin_sees_and_steers_webhooks_on_their_pages() {
    let web = Web::start("web_webhook_pages").await;
    let empty = web.page("/webhooks", "admin").await;
    assert!(empty.contains("Nobody is told yet") && empty.contains("Add Webhook"));
    let form = "name=On+call&url=https%3A%2F%2Fhooks.test%2Fa&event=job.stuck&event=batch.failed";
    let (status, _, shown) = web.form("/webhooks", form).await;
    assert!(status == 200 && shown.contains("whsec_") && shown.contains("shown this once"));
    let id = web.api("/webhooks").await.1["items"][0]["id"].as_str().unwrap().to_owned();
    let at = format!("/webhooks/{id}");
    assert!(!web.page(&at, "admin").await.contains("whsec_"), "never again");
    assert!(web.page(&at, "admin").await.contains("Nothing was sent yet"));
    let (status, to, _) = web.form(&format!("{at}/test"), "").await;
    assert_eq!((status, to), (303, format!("{at}?done=test")));
    let due = web.store.claim_webhook_deliveries(10, 30).await.unwrap().remove(0);
    let body = TriedBody {
        status: Some(410),
        latency_ms: 12,
        answer: "<b>gone</b>".to_owned(),
        error: "it answers 410 Gone".to_owned(),
    };
    let tried = Tried::SwitchOff("It answered 410 Gone.".to_owned());
    web.store.settle_webhook_delivery(&due, &body, &tried).await.unwrap();
    let page = web.page(&at, "admin").await;
    assert!(page.contains("switched off by itself") && page.contains("It answered 410 Gone."));
    assert!(!page.contains("<b>gone</b>") && page.contains("Send again"), "an answer is text");
    let overview = web.page("/overview", "viewer").await;
    assert!(overview.contains("1 webhook was switched off by itself"));
    let (status, to, _) =
        web.form(&format!("/webhooks/deliveries/{}/send-again", due.id), "").await;
    assert_eq!((status, to), (303, format!("{at}?done=again")));
    let save = "name=Night&url=https%3A%2F%2Fhooks.test%2Fb&event=job.stuck&active=yes";
    assert_eq!(web.form(&at, save).await.1, format!("{at}?done=saved"));
    assert!(web.page(&at, "admin").await.contains("Night"));
    assert!(web.form(&format!("{at}/rotate"), "").await.2.contains("whsec_"));
    assert_eq!(web.form(&format!("{at}/delete"), "").await.1, "/webhooks");
    assert!(web.page("/webhooks", "admin").await.contains("Nobody is told yet"));
    web.finish().await;
}

#[tokio::test]
async fn the_log_goes_on_page_after_page() {
    let web = Web::start("web_webhook_log").await;
    let at = format!("/webhooks/{}", made(&web).await["id"].as_str().unwrap());
    for _ in 0..5 {
        web.api_post(&format!("{at}/test"), &json!({})).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = web.api(&format!("{at}/deliveries?limit=2{cursor}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|d| d["id"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5, "each once");
    assert_eq!(web.api(&format!("{at}/deliveries?state=lost")).await.0, 400);
    web.finish().await;
}

#[tokio::test]
async fn the_balance_page_shows_and_sets_the_watch_and_the_overview_alerts() {
    let web = Web::start("web_balance_watch").await;
    let look = BalanceLook { balanced: false, worst: Some((web.servers[1], -0.6)) };
    web.store.keep_balance_look(&look).await.unwrap();
    assert!(!web.page("/overview", "viewer").await.contains("out of balance"), "once is chance");
    web.store.keep_balance_look(&look).await.unwrap();
    let overview = web.page("/overview", "viewer").await;
    assert!(overview.contains("The cluster is out of balance"));
    assert!(overview.contains("Server 1 is 60 % below its share"));
    let viewer = web.page("/balance", "viewer").await;
    assert!(viewer.contains("Out of balance since") && !viewer.contains("watch_tolerance"));
    let (status, to, _) = web.form("/balance/watch", "every=hourly&watch_tolerance=12,5").await;
    assert_eq!((status, to.as_str()), (303, "/balance#watch"));
    let (_, watch) = web.api("/balance/watch").await;
    assert_eq!((&watch["every"], &watch["tolerance"]), (&json!("hourly"), &json!(0.125)));
    assert_eq!(watch["alert_since"], Value::Null, "under another tolerance it counts no more");
    assert_eq!(web.form("/balance/look", "").await.0, 303);
    assert_eq!(web.api("/balance/watch").await.1["wanted"], true);
    web.finish().await;
}

#[tokio::test]
async fn an_artist_reads_in_the_workshop_that_a_move_begins_and_ends() {
    let web = Web::start("web_move_news").await;
    let artist = web.artists(0, &[("The Rooks", 10)]).await[0];
    let at = format!("/workshop/a-{artist}");
    assert!(!web.page(&at, "admin").await.contains("id=\"moving\""));
    let body = json!({ "artist_ids": [artist], "target_server_id": web.servers[1] });
    assert_eq!(web.api_post("/moves", &body).await.1["accepted"], 1);
    let settings = MoveSettings::default();
    let mut first = true;
    loop {
        let lease = web.store.take_due_orders(100).await.unwrap();
        let orders = lease.orders().to_vec();
        lease.settle(&orders.iter().map(|o| o.id).collect::<Vec<_>>(), &[]).await.unwrap();
        if orders.is_empty() {
            break;
        }
        if std::mem::take(&mut first) {
            let started = told(&orders[0], Input::Started(step_of(&orders[0])));
            web.store.apply_inputs(&[started], &settings).await.unwrap();
            let page = web.page(&at, "admin").await;
            assert!(page.contains("Your music is moving to Server 1."), "{page}");
        }
        let events: Vec<_> = orders.iter().flat_map(play).collect();
        web.store.apply_inputs(&events, &settings).await.unwrap();
    }
    let page = web.page(&at, "admin").await;
    assert!(page.contains("Your music has moved to Server 1.") && !page.contains("is moving"));
    let value = page.split("name=\"ended_at\" value=\"").nth(1).unwrap();
    let value = value.split('"').next().unwrap();
    let form = format!("ended_at={}", value.replace(':', "%3A"));
    let (status, to, _) = web.form(&format!("{at}/notice"), &form).await;
    assert_eq!((status, to), (303, at.clone()));
    assert!(!web.page(&at, "admin").await.contains("has moved to"));
    assert_eq!(web.form(&format!("{at}/notice"), "ended_at=x").await.0, 400);
    web.finish().await;
}
