//! An admin makes a webhook, tries it, sends again what did not arrive, and removes it, on its
//! pages.

use super::{MINUTE, Person};
use crate::webhooks::{QUICK, Receiver};
use fantoccini::Locator;
use serde_json::json;
use tourbus_tests::{support::Cluster, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_tried_given_another_secret_switched_off_and_removed() {
    let cluster = Cluster::start_with("page_webhooks", QUICK).await;
    let receiver = Receiver::start().await;
    let admin = Person::admin(&cluster).await;
    admin.open("/servers").await;
    admin.press("Webhooks").await;
    admin.is_told("Nobody is told yet.").await;
    admin.put("#name", "On call").await;
    admin.put("#url", "ftp://hooks.example.org/a").await;
    admin.click("input[name='event'][value='job.stuck']").await;
    admin.press("Add Webhook").await;
    // What is wrong is told where it is, and nothing of what was typed is lost.
    let told = admin.browser.text("[role='alert']").await;
    assert!(told.contains("https://"), "{told}");
    admin.browser.find("[role='alert'] + #url[aria-invalid='true']").await;
    admin.is_on_screen("[role='alert']").await;
    assert_eq!(admin.typed("#url").await, "ftp://hooks.example.org/a");
    assert_eq!(admin.typed("#name").await, "On call");
    assert_eq!(admin.count("input[name='event']:not(:checked)").await, 1);
    admin.browser.picture("webhook-refused").await;
    admin.put("#url", &receiver.url()).await;
    admin.press("Add Webhook").await;
    let secret = admin.browser.text("#secret").await;
    admin.press("Send a test").await;
    let told = receiver.wait_for("webhook.test").await;
    assert!(told.is_signed_by(&secret), "{told:?}");
    let log = "section.letter";
    admin.reads(log, "the test in the log", |t| t.contains("delivered")).await;
    assert!(admin.browser.text(log).await.starts_with("webhook.test"));
    assert_eq!(admin.count("#secret").await, 0, "it is shown once");

    admin.press("New secret…").await;
    admin.press("Make a new secret").await;
    let fresh = admin.browser.text("#secret").await;
    assert_ne!(fresh, secret);
    admin.is_told("Old secret signs until").await;
    admin.press("Send a test").await;
    let got = || async { receiver.got() };
    let got = wait::until("the second test", MINUTE, got, |g| g.len() == 2).await;
    assert!(got[1].is_signed_by(&fresh) && got[1].is_signed_by(&secret), "{got:?}");
    admin.press("Message").await;
    admin.is_told("\"type\": \"webhook.test\"").await;

    admin.click("input[name='active']").await;
    admin.press("Save").await;
    admin.is_told("Saved.").await;
    assert_eq!(admin.browser.text("h1 .state").await, "off");
    admin.press("Remove…").await;
    admin.is_told("On call is told nothing more").await;
    admin.press("Remove this webhook").await;
    admin.is_told("Nobody is told yet.").await;
    admin.leave().await;
    cluster.finish().await;
}

/// Tells the webhook to send there from now on.
async fn direct(cluster: &Cluster, hook: &str, url: &str) {
    let (status, answer) = cluster.api.patch(hook, &json!({ "url": url })).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_is_sent_again_and_the_log_is_narrowed_to_a_state() {
    let cluster = Cluster::start_with("page_deliveries", QUICK).await;
    let receiver = Receiver::start().await;
    let body = json!({ "name": "Ops", "url": receiver.url(), "events": ["job.stuck"] });
    let (status, made) = cluster.api.post("/webhooks", &body).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let hook = format!("/webhooks/{}", made["id"].as_str().unwrap());
    // Nothing is sent there, for that address is not allowed.
    let elsewhere = receiver.url().replace("127.0.0.1", "127.0.0.2");
    direct(&cluster, &hook, &elsewhere).await;
    let admin = Person::admin(&cluster).await;
    let newest = "section.letter";
    admin.open(&hook).await;
    admin.press("Send a test").await;
    admin.reads(newest, "the test to be given up", |t| t.contains("no public address")).await;
    let title = "section.letter h3";
    assert!(admin.browser.text(title).await.contains("failed"));

    direct(&cluster, &hook, &receiver.url()).await;
    admin.click("section.letter form[action$='/send-again'] button").await;
    admin.is_told("It is on its way again").await;
    let told = receiver.wait_for("webhook.test").await;
    assert!(told.is_signed_by(made["secret"].as_str().unwrap()), "{told:?}");
    admin.reads(newest, "the test in the log", |t| t.contains("delivered")).await;
    assert_eq!(admin.count(newest).await, 1, "it is the same delivery");
    let log = cluster.api.all(&format!("{hook}/deliveries")).await.unwrap();
    assert_eq!((log.len(), &log[0]["state"]), (1, &json!("delivered")), "{log:?}");

    // One of each state.
    direct(&cluster, &hook, &elsewhere).await;
    admin.press("Send a test").await;
    admin.reads(newest, "another to be given up", |t| t.contains("no public address")).await;
    assert_eq!(admin.count(newest).await, 2);
    for (state, n) in [("failed", 1), ("delivered", 1), ("pending", 0)] {
        admin.browser.choose("#state", state).await;
        admin.press("Show").await;
        admin.browser.find(&format!("#state option[value='{state}'][selected]")).await;
        assert_eq!(admin.count(newest).await, n, "{state}");
        let fits = format!("//h3[contains(., 'webhook.test {state}')]");
        let fits = admin.browser.client.find_all(Locator::XPath(&fits)).await.unwrap();
        assert_eq!(fits.len() as u64, n, "{state}");
    }
    admin.is_told("No delivery is pending.").await;
    admin.press("Clear").await;
    admin.browser.find(newest).await;
    assert_eq!(admin.count(newest).await, 2);
    assert_eq!(receiver.got().len(), 1);
    admin.leave().await;
    cluster.finish().await;
}
