//! Files are read back by the form of Verify or from an artist's page, and what is found is settled
//! there.

use super::{MINUTE, Person};
use crate::verify::{rot, verify};
use fantoccini::Locator;
use std::fs;
use tourbus_tests::{support::Cluster, tree};

/// Has all artists of server2 read now, and waits on the page of the batch until it is done.
async fn read_all(operator: &Person, cluster: &Cluster) {
    operator.open("/verify").await;
    operator.browser.choose("#server", &cluster.server_id("server2")).await;
    operator.put("#mb_s", "1000").await;
    operator.put("#reason", "a bad cable").await;
    operator.press("See what it takes…").await;
    operator.is_told("The files of 1 artist would be read.").await;
    operator.press("Verify 1 artist").await;
    let done = Locator::XPath("//h1[starts-with(., 'Verified 1 artist')]");
    operator.browser.client.wait().at_most(MINUTE).for_element(done).await.unwrap();
    operator.is_told("a bad cable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_queued_by_the_form_and_its_findings_are_accepted_or_mended() {
    let cluster = Cluster::start("page_readings").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 4, 4, 30_000)).await;
    verify(&cluster, &artist).await;
    let songs = cluster.tree("server2", &artist).join("songs");
    let [kept, mended] = ["00.mp3", "01.mp3"].map(|name| songs.join(name));
    let (good, at) = (fs::read(&mended).unwrap(), fs::metadata(&mended).unwrap());
    rot(&kept);
    rot(&mended);

    let operator = Person::operator(&cluster).await;
    read_all(&operator, &cluster).await;
    operator.sees("#head", "2 findings").await;
    operator.click("#head a[href='/verify']").await;
    assert_eq!(operator.browser.text("#findings-open").await, "2");
    operator.browser.picture("findings").await;
    operator.is_told("songs/00.mp3").await;
    operator.press("Accept songs/00.mp3 as it is").await;
    assert_eq!(operator.browser.text("#findings-open").await, "1");
    // As its remedy says: put back from a backup.
    operator.is_told("Put the file back from a backup").await;
    fs::write(&mended, good).unwrap();
    let file = fs::File::options().write(true).open(&mended).unwrap();
    file.set_modified(at.modified().unwrap()).unwrap();
    operator.press("Mended: songs/01.mp3").await;
    operator.is_told("The next reading looks").await;
    assert_eq!(operator.browser.text("#findings-open").await, "0");

    read_all(&operator, &cluster).await;
    assert_eq!(operator.count("#head a[href='/verify']").await, 0, "found again");
    operator.open("/verify").await;
    operator.is_told("Every file that was read is what it was.").await;
    operator.leave().await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artist_is_read_on_its_page_and_what_is_found_is_accepted_there() {
    let cluster = Cluster::start("page_artist").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 4, 4, 30_000)).await;
    verify(&cluster, &artist).await;
    let songs = cluster.tree("server2", &artist).join("songs");
    for name in ["00.mp3", "01.mp3", "02.mp3"] {
        rot(&songs.join(name));
    }
    let path = format!("/verify/findings?artist_id={}", artist.id);
    let open = || async { cluster.api.all(&path).await.unwrap().len() };

    let operator = Person::operator(&cluster).await;
    operator.open(&format!("/artists/{}", artist.id)).await;
    operator.press("Verify now").await;
    operator.sees("#verify", "3 are not what they were").await;
    assert_eq!(operator.count("[data-finding]").await, 3);
    operator.browser.picture("artist-findings").await;
    operator.press("Accept songs/00.mp3 as it is").await;
    assert_eq!(operator.count("[data-finding]").await, 2);
    assert_eq!(open().await, 2);
    operator.press("Accept all as they are").await;
    assert_eq!(operator.count("[data-finding]").await, 0);
    assert_eq!(open().await, 0);

    // The next reading takes them as they are.
    operator.press("Verify now").await;
    operator.sees("#verify", "all are what they were").await;
    assert_eq!(operator.count("[data-finding]").await, 0, "found again");
    assert_eq!(open().await, 0);
    operator.leave().await;
    cluster.finish().await;
}
