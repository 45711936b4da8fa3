//! Balance suggests, a person edits and queues; each move's report is had from its page. The
//! watch over the balance is set, and sent to look.

use super::{MINUTE, Person};
use crate::{control::verify_report, lock_and_key::signer, quarantine::several};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use tourbus_tests::{support::Cluster, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_is_edited_queued_as_one_batch_and_each_move_has_its_report() {
    let cluster = Cluster::start("page_balance").await;
    let artists = several(&cluster, "master", 6).await;
    let admin = Person::admin(&cluster).await;
    admin.open("/overview").await;
    admin.press("Suggest moves").await;
    admin.put("#tolerance", "10").await;
    admin.press("Suggest moves").await;
    admin.browser.find("#tolerance[value='10']").await;
    let suggested = admin.count("#balance input[name='move']").await;
    assert_eq!(suggested, 4, "each server is due two of six");
    let first = "#balance tbody tr:first-child input";
    let stays = admin.typed(first).await.split_once(':').unwrap().0.to_owned();
    admin.click(first).await;
    assert_eq!(admin.browser.text("#chosen").await, "3 of 4 chosen");
    admin.put("#reason", "Evenly").await;
    admin.browser.picture("balance-edited").await;
    admin.press("Queue these moves").await;
    admin.browser.find("#batch").await;
    admin.is_told("“Evenly”").await;
    admin.sees("#head h1", "Moved 3 artists").await;
    let mut at_home = Vec::new();
    for artist in &artists {
        let home = cluster.home(artist).await;
        assert!(home == "master" || artist.id.to_string() != stays, "{} has moved", artist.slug);
        at_home.push(home);
    }
    assert_eq!(at_home.iter().filter(|home| *home == "master").count(), 3);

    // The report, as a person takes it away.
    let dir = tempfile::tempdir().unwrap();
    admin.browser.download_to(dir.path()).await;
    admin.click("li[data-job] a.artist").await;
    admin.browser.find("section.report").await;
    admin.reads("section.report", "the report", |t| t.contains("Download the report")).await;
    admin.press("Download the report").await;
    let json = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
    let seen = || async {
        let files = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path());
        files.filter(json).collect::<Vec<_>>()
    };
    let file = wait::until("the file", MINUTE, seen, |f| f.len() == 1).await.remove(0);
    let key = signer(&cluster).public_key_hex();
    let (good, told) = verify_report(&file, Some(&key));
    assert!(good && told.contains("Evenly"), "{told}");
    let text = fs::read_to_string(&file).unwrap();
    let altered = text.replace("Evenly", "Oddly");
    assert_ne!(altered, text);
    fs::write(&file, altered).unwrap();
    let (good, told) = verify_report(&file, Some(&key));
    assert!(!good, "what was altered is called good: {told}");
    admin.leave().await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_is_set_and_looks_when_somebody_wants_it_to() {
    let cluster = Cluster::start("page_watch").await;
    let watch = || async { cluster.api.get("/balance/watch").await.unwrap() };
    // It looks once by itself, at an empty cluster.
    let first = |w: &Value| w["last_run_at"].is_string();
    let first = wait::until("the first look", MINUTE, watch, first).await["last_run_at"].clone();
    // All plays are on one of three servers.
    several(&cluster, "master", 1).await;
    let admin = Person::admin(&cluster).await;
    admin.open("/balance").await;
    admin.put("#watch_tolerance", "none").await;
    admin.press("Save").await;
    admin.is_told("Write a number from 1 to 100.").await;
    assert_eq!(watch().await["tolerance"], 0.25, "what is refused counts");
    admin.browser.choose("#every", "hourly").await;
    admin.put("#watch_tolerance", "12.5").await;
    admin.press("Save").await;
    admin.browser.find("#watch_tolerance[value='12.5']").await;
    admin.browser.find("#every option[value='hourly'][selected]").await;
    let set = watch().await;
    assert_eq!((&set["every"], &set["tolerance"]), (&json!("hourly"), &json!(0.125)));
    assert_eq!(set["last_run_at"], first, "nobody wants it to look yet");

    admin.press("Look now").await;
    let looked = wait::until("a look", MINUTE, watch, |w| w["last_run_at"] != first).await;
    let at: DateTime<Utc> = looked["last_run_at"].as_str().unwrap().parse().unwrap();
    let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    admin.open("/balance").await;
    admin.browser.find(&format!("#watch time[datetime='{at}']")).await;
    let told = admin.browser.text("#watch").await;
    assert!(told.contains("Last looked") && told.contains("is 200 % above its share"), "{told}");
    admin.browser.picture("balance-watch").await;
    admin.leave().await;
    cluster.finish().await;
}
