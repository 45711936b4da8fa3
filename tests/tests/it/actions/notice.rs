//! An artist is told in the workshop that a move goes on and how it ended, and puts that away.

use super::{MINUTE, Person};
use crate::lanes::{steer, until_heard};
use serde_json::{Value, json};
use tourbus_tests::{
    browser::Browser,
    support::{Artist, Cluster},
    wait,
};

/// Somebody who has signed up as an artist, and is in the workshop.
async fn sign_up(cluster: &Cluster) -> (Person, Artist) {
    let browser = Browser::start(1280, false).await;
    let person = Person { browser, main: cluster.admin().0 };
    person.open("/sign-up").await;
    for (field, text) in [
        ("#name", "The Larks"),
        ("#email", "ada@example.org"),
        ("#password", "several plain words"),
    ] {
        person.put(field, text).await;
    }
    person.click("form.card button.primary").await;
    person.browser.find("#bench:not([hidden])").await;
    let artists = || async { cluster.api.all("/artists").await.unwrap() };
    let made = |a: &Vec<Value>| a.len() == 1 && a[0]["operating_job_id"].is_null();
    let artist = wait::until("the artist to be free", MINUTE, artists, made).await.remove(0);
    let text = |key: &str| artist[key].as_str().unwrap().to_owned();
    let artist = Artist { id: text("id").parse().unwrap(), slug: text("slug") };
    (person, artist)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artist_is_told_of_a_move_and_puts_the_notice_away() {
    let cluster = Cluster::start("page_move_notice").await;
    let (ada, artist) = sign_up(&cluster).await;
    let home = cluster.home(&artist).await;
    assert_eq!(ada.count("#moving, #moved").await, 0);
    // All is copied, and nothing makes the last step.
    steer(&cluster, &home, "upkeep", "pause", json!({})).await;
    until_heard(&cluster, &home, "upkeep").await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    ada.sees("#moving", "Your music is moving to Server2.").await;
    assert_eq!(ada.count("#moved").await, 0);
    steer(&cluster, &home, "upkeep", "resume", json!({})).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server2");
    ada.sees("#moved", "Your music has moved to Server2.").await;
    assert_eq!(ada.count("#moving").await, 0);
    ada.browser.picture("workshop-moved").await;

    ada.press("Put this notice away").await;
    ada.browser.find("#bench:not([hidden])").await;
    assert_eq!(ada.count("#moved").await, 0);
    let news = cluster.store().move_news(artist.id).await.unwrap();
    assert!(news.ended_to.is_none() && news.moving_to.is_none(), "{news:?}");
    ada.open(&format!("/workshop/{}", artist.slug)).await;
    ada.browser.find("#bench:not([hidden])").await;
    assert_eq!(ada.count("#moved").await, 0);
    ada.leave().await;
    cluster.finish().await;
}
