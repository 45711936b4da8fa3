//! Webhooks, watches, and what an artist is told, in the database.

use super::fixture::{Db, MIB, play, step_of, told};
use chrono::{TimeDelta, Utc};
use tourbus_domain::{Input, WebhookEvent};
use tourbus_store::{
    BalanceLook, By, DeliveryQuery, DeliveryRow, DueDelivery, NewWebhook, Tried, TriedBody,
    WatchEvery, WebhookChange,
};
use uuid::Uuid;

fn by() -> By {
    By::named("admin@test")
}

async fn hook(db: &Db, events: &[WebhookEvent]) -> Uuid {
    let new = NewWebhook {
        name: "Ops".to_owned(),
        url: "https://hooks.test/".to_owned(),
        events: events.to_vec(),
        active: true,
        secret: vec![7; 32],
    };
    db.store.create_webhook(&by(), &new, 50).await.unwrap().unwrap()
}

async fn log(db: &Db, hook: Uuid) -> Vec<DeliveryRow> {
    let query = DeliveryQuery { limit: 100, ..DeliveryQuery::default() };
    db.store.webhook_deliveries(hook, &query).await.unwrap()
}

async fn claim(db: &Db) -> Vec<DueDelivery> {
    db.store.claim_webhook_deliveries(100, 30).await.unwrap()
}

async fn settle(db: &Db, due: &DueDelivery, status: Option<u16>, tried: Tried) {
    let error = if status.is_some() { String::new() } else { "away".to_owned() };
    let body = TriedBody { status, latency_ms: 5, answer: "a\0b".to_owned(), error };
    db.store.settle_webhook_delivery(due, &body, &tried).await.unwrap();
}

#[tokio::test]
async fn a_batch_is_told_of_once_by_whoever_wants_it_with_what_it_is() {
    let db = Db::start("webhooks_batch").await;
    let wants = hook(&db, &[WebhookEvent::BatchFinished, WebhookEvent::BatchFailed]).await;
    let other = hook(&db, &[WebhookEvent::JobStuck]).await;
    let off = hook(&db, &[WebhookEvent::BatchFinished]).await;
    let inactive = WebhookChange { active: Some(false), ..WebhookChange::default() };
    assert!(db.store.change_webhook(&by(), off, &inactive).await.unwrap());
    db.store.note_main_url("https://tour.test").await.unwrap();
    let artists = db.artists(0, 3, MIB).await;
    let batch = db.store.enqueue_moves(&db.request(&artists, 1)).await.unwrap().batch_id.unwrap();
    assert!(log(&db, wants).await.is_empty());
    db.work_off().await;
    let rows = log(&db, wants).await;
    assert_eq!((rows.len(), rows[0].event.as_str()), (1, "batch.finished"));
    let body: serde_json::Value = serde_json::from_str(&rows[0].body).unwrap();
    assert_eq!(body["data"]["link"], format!("https://tour.test/batches/{}", batch.0));
    assert_eq!((&body["type"], &body["data"]["jobs"]), (&"batch.finished".into(), &3.into()));
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(log(&db, other).await.is_empty() && log(&db, off).await.is_empty());
    db.finish().await;
}

#[tokio::test]
async fn a_delivery_is_in_one_hand_and_comes_back_when_that_hand_is_gone() {
    let db = Db::start("webhooks_lease").await;
    let hook = hook(&db, &[WebhookEvent::JobStuck]).await;
    let id = db.store.test_webhook(&by(), hook).await.unwrap().unwrap();
    let (one, two) = tokio::join!(claim(&db), claim(&db));
    assert_eq!(one.len() + two.len(), 1, "one of both has it");
    let first = [one, two].concat().remove(0);
    assert_eq!((first.id, first.tries, first.secrets.len()), (id, 1, 1));
    assert!(claim(&db).await.is_empty());
    db.sql("UPDATE webhook_deliveries SET leased_until = now() - interval '1 s'").await.unwrap();
    let second = claim(&db).await.remove(0);
    assert_eq!(second.tries, 2);
    // Whoever was too slow changes nothing of it.
    settle(&db, &first, Some(200), Tried::Delivered).await;
    assert_eq!(log(&db, hook).await[0].state, "pending");
    settle(&db, &second, None, Tried::Again { after_ms: 60_000 }).await;
    let row = log(&db, hook).await.remove(0);
    assert_eq!((row.state.as_str(), row.error.as_deref()), ("pending", Some("away")));
    assert!(row.next_try_at.unwrap() > Utc::now() + TimeDelta::seconds(30));
    assert!(claim(&db).await.is_empty());
    assert!(db.store.webhook(hook).await.unwrap().unwrap().failing_since.is_some());

    // Sent again: at once, counted anew, signed by both secrets after a rotation.
    assert_eq!(db.store.send_delivery_again(&by(), id).await.unwrap(), Some(hook));
    assert!(db.store.rotate_webhook(&by(), hook, &[8; 32]).await.unwrap());
    let again = claim(&db).await.remove(0);
    assert_eq!((again.tries, again.secrets.len(), again.event_id), (1, 2, first.event_id));
    settle(&db, &again, Some(200), Tried::Delivered).await;
    let row = log(&db, hook).await.remove(0);
    assert_eq!((row.state.as_str(), row.answer.as_deref()), ("delivered", Some("ab")));
    let well = db.store.webhook(hook).await.unwrap().unwrap();
    assert!(well.failing_since.is_none() && well.last_success_at.is_some());
    db.finish().await;
}

#[tokio::test]
async fn a_webhook_that_was_switched_off_says_why_and_forgets_it_when_switched_on() {
    let db = Db::start("webhooks_off").await;
    let hook = hook(&db, &[WebhookEvent::JobStuck]).await;
    db.store.test_webhook(&by(), hook).await.unwrap().unwrap();
    let due = claim(&db).await.remove(0);
    settle(&db, &due, None, Tried::SwitchOff("It is gone.".to_owned())).await;
    let row = db.store.webhook(hook).await.unwrap().unwrap();
    assert_eq!((row.active, row.off_note.as_deref()), (false, Some("It is gone.")));
    assert_eq!(db.store.webhooks_amiss().await.unwrap().switched_off, 1);
    let on = WebhookChange { active: Some(true), ..WebhookChange::default() };
    assert!(db.store.change_webhook(&by(), hook, &on).await.unwrap());
    let row = db.store.webhook(hook).await.unwrap().unwrap();
    assert!(row.active && row.off_note.is_none() && row.failing_since.is_none());
    assert_eq!(db.store.webhooks_amiss().await.unwrap().switched_off, 0);
    db.sql("UPDATE webhook_deliveries SET created_at = now() - interval '31 days'").await.unwrap();
    assert_eq!(db.store.prune_webhook_deliveries().await.unwrap(), 1);
    assert!(db.store.delete_webhook(&by(), hook).await.unwrap());
    assert!(!db.store.delete_webhook(&by(), hook).await.unwrap());
    db.finish().await;
}

#[tokio::test]
async fn servers_that_fall_silent_and_come_back_are_told_of_once() {
    let db = Db::start("webhooks_silent").await;
    let hook = hook(&db, &[WebhookEvent::ServerOffline, WebhookEvent::ServerOnline]).await;
    assert_eq!(db.store.tell_silent_servers(60).await.unwrap(), 0);
    db.sql("UPDATE servers SET last_seen_at = now() - interval '2 min' WHERE slug = 'server2'")
        .await
        .unwrap();
    assert_eq!(db.store.tell_silent_servers(60).await.unwrap(), 1);
    assert_eq!(db.store.tell_silent_servers(60).await.unwrap(), 0, "once");
    db.beat(1, 1 << 30, Vec::new()).await;
    assert_eq!(db.store.tell_silent_servers(60).await.unwrap(), 1);
    let events: Vec<String> = log(&db, hook).await.into_iter().map(|d| d.event).collect();
    assert_eq!(events, ["server.online", "server.offline"]);
    db.finish().await;
}

#[tokio::test]
async fn the_watch_alerts_at_the_second_look_clears_itself_and_is_missed_when_silent() {
    let db = Db::start("webhooks_balance").await;
    let hook = hook(&db, &[WebhookEvent::OutOfBalance, WebhookEvent::WatchSilent]).await;
    let look = |balanced| BalanceLook { balanced, worst: Some((db.servers[1], 0.4)) };
    assert!(db.store.balance_watch().await.unwrap().due, "it has never looked");
    assert!(!db.store.keep_balance_look(&look(false)).await.unwrap());
    assert!(!db.store.balance_watch().await.unwrap().due);
    assert!(db.store.keep_balance_look(&look(false)).await.unwrap(), "the second in a row");
    assert!(!db.store.keep_balance_look(&look(false)).await.unwrap(), "told already");
    let watch = db.store.balance_watch().await.unwrap();
    assert!(watch.alert_since.is_some() && watch.worst_server.as_deref() == Some("Server 1"));
    assert!(!db.store.keep_balance_look(&look(true)).await.unwrap());
    let watch = db.store.balance_watch().await.unwrap();
    assert_eq!((watch.alert_since, watch.out_runs), (None, 0));
    assert!(!db.store.keep_balance_look(&look(false)).await.unwrap(), "from the beginning");

    let hourly = Some(WatchEvery::Hourly);
    db.store.change_balance_watch(&by(), hourly, Some(0.5)).await.unwrap();
    assert!(!db.store.tell_silent_watch().await.unwrap(), "it has only just been set");
    let age = "UPDATE balance_watch SET run_at = now() - interval '3 h', \
               set_at = now() - interval '3 h'";
    db.sql(age).await.unwrap();
    assert!(db.store.balance_watch().await.unwrap().silent);
    assert!(db.store.tell_silent_watch().await.unwrap());
    assert!(!db.store.tell_silent_watch().await.unwrap(), "once");
    db.store.change_balance_watch(&by(), Some(WatchEvery::Off), None).await.unwrap();
    db.sql(age).await.unwrap();
    let watch = db.store.balance_watch().await.unwrap();
    assert!(!watch.silent && !watch.due, "{watch:?}");
    db.store.want_balance_look(&by()).await.unwrap();
    assert!(db.store.balance_watch().await.unwrap().due, "somebody wants it");
    let events: Vec<String> = log(&db, hook).await.into_iter().map(|d| d.event).collect();
    assert_eq!(events, ["balance.watch_silent", "balance.out_of_balance"]);
    db.finish().await;
}

#[tokio::test]
async fn an_artist_is_told_that_a_move_goes_on_and_how_it_ended_until_it_is_read() {
    let db = Db::start("webhooks_artist").await;
    let artist = db.artists(0, 1, MIB).await[0];
    let news = async || db.store.move_news(artist).await.unwrap();
    db.queue_one(artist, 1).await;
    assert_eq!(news().await.moving_to, None, "it waits");
    let order = db.relay().await.remove(0);
    db.tell(&[told(&order, Input::Started(step_of(&order)))]).await;
    assert_eq!(news().await.moving_to.as_deref(), Some("Server 1"));
    db.tell(&play(&order)).await;
    db.work_off().await;
    let ended = news().await;
    assert_eq!((ended.moving_to, ended.ended_to.as_deref()), (None, Some("Server 1")));
    assert!(ended.arrived);
    db.store.read_move_news(&by(), artist.0, ended.ended_at.unwrap()).await.unwrap();
    assert_eq!(news().await.ended_to, None);
    db.finish().await;
}
