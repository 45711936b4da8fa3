//! An admin makes a webhook, tries it, and removes it, on its pages.

use super::{MINUTE, Person};
use crate::webhooks::{QUICK, Receiver};
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
