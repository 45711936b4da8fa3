//! No link leads anybody where they may not go, or nowhere.

use super::fixture::{Web, header};
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};

/// More pages than there are sorts of them.
const PAGES_MAX: usize = 400;

/// Where the links of a page lead on this site.
fn links(text: &str) -> impl Iterator<Item = String> {
    let all = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let own = all.filter(|to| to.starts_with('/') && !to.starts_with("/static/"));
    own.map(|to| to.split('#').next().unwrap().replace("&amp;", "&").replace("&#38;", "&"))
}

/// Links that differ in what they ask for only are of one sort.
fn sort(link: &str) -> String {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    format!("{path}?{}", names.collect::<Vec<_>>().join("&"))
}

/// Follows every link from this page on; what did not lead anywhere.
async fn follow_all(web: &Web, role: &str, first: &str) -> (usize, Vec<String>) {
    let cookie = web.sign_in(role).await;
    let mut ahead = VecDeque::from([("/sign-in".to_owned(), first.to_owned())]);
    let (mut seen, mut faults) = (BTreeSet::new(), Vec::new());
    while let Some((from, to)) = ahead.pop_front() {
        if !seen.insert(sort(&to)) {
            continue;
        }
        assert!(seen.len() <= PAGES_MAX, "pages without end: {to}");
        let answer = web.get(&to).header("cookie", &cookie).send().await.unwrap();
        if answer.status().as_u16() >= 400 {
            faults.push(format!("{role}: {from} leads to {to}: {}", answer.status()));
        }
        if header(&answer, "content-type").starts_with("text/html") {
            let text = answer.text().await.unwrap();
            ahead.extend(links(&text).map(|link| (to.clone(), link)));
        }
    }
    (seen.len(), faults)
}

#[tokio::test]
async fn every_link_leads_whoever_sees_it_somewhere() {
    let web = Web::start("web_links").await;
    let artists = web.artists(0, &[("Ada", 1000), ("Bob", 900), ("Cleo", 800)]).await;
    let body = json!({ "artist_ids": artists[..2], "target_server_id": web.servers[1] });
    assert_eq!(web.api_post("/moves", &body).await.0, 202);
    assert_eq!(web.api_post("/verify", &json!({ "artist_ids": artists })).await.0, 202);
    let pause = format!("/servers/{}/lanes/upkeep/pause", web.servers[1]);
    assert_eq!(web.api_post(&pause, &json!({})).await.0, 200);
    let hook = json!({ "name": "Ops", "url": "https://hooks.test/a", "events": ["job.stuck"] });
    assert_eq!(web.api_post("/webhooks", &hook).await.0, 201);
    let (mut faults, mut least) = (Vec::new(), 0);
    for role in ["viewer", "operator", "admin"] {
        let (pages, found) = follow_all(&web, role, "/overview").await;
        assert!(pages > least.max(20), "{role} has seen {pages} sorts of pages");
        least = pages;
        faults.extend(found);
    }
    // An artist has no page of the control room, and no link to one.
    let (pages, found) = follow_all(&web, "artist", "/workshop").await;
    assert!((3..20).contains(&pages), "an artist has seen {pages} sorts of pages");
    faults.extend(found);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    web.finish().await;
}
