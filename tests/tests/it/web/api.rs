//! The JSON API and the front door.

use super::fixture::{SLUGS, Web, header, json};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_of_every_order_show_each_artist_once() {
    let web = Web::start("web_pages").await;
    // Ties in every key: only the id tells them apart.
    let named: Vec<(String, u64)> =
        (0..23_u64).map(|n| (format!("Band {}", n % 5), n % 4 * 100)).collect();
    let named: Vec<(&str, u64)> = named.iter().map(|(n, p)| (n.as_str(), *p)).collect();
    web.artists(0, &named).await;
    for key in ["name", "plays_total", "plays_30d", "bytes"] {
        for sort in [key.to_owned(), format!("-{key}")] {
            let mut seen: Vec<Value> = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/artists?sort={sort}&limit=4{cursor}");
                let (status, page) = web.api(&path).await;
                assert_eq!(status, 200, "{page}");
                seen.extend(page["items"].as_array().unwrap().iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            let unique: BTreeSet<&str> = seen.iter().map(|a| a["id"].as_str().unwrap()).collect();
            assert_eq!((seen.len(), unique.len()), (23, 23), "{sort}");
            // Numbers, else texts: of the two, one is always empty.
            let value = |a: &Value| (a[key].as_i64(), a[key].as_str().map(str::to_owned));
            let mut values: Vec<_> = seen.iter().map(value).collect();
            if sort.starts_with('-') {
                values.reverse();
            }
            let sorted = values.is_sorted();
            assert!(sorted, "{sort}");
        }
    }
    web.finish().await;
}

#[tokio::test]
async fn a_filter_is_a_text_in_any_case() {
    let web = Web::start("web_filter").await;
    let all = web
        .artists(1, &[("100% Noise", 1), ("100 Noises", 1), ("Under_score", 1), ("Ünder", 1)])
        .await;
    let found = async |filter: &str| {
        let (status, page) = web.api(&format!("/artists?filter={filter}")).await;
        assert_eq!(status, 200, "{page}");
        ids(&page)
    };
    assert_eq!(found("100%25").await, [all[0].to_string()]);
    assert_eq!(found("r_s").await, [all[2].to_string()]);
    assert_eq!(found("NOISE").await.len(), 2);
    assert_eq!(found("%C3%9C").await, [all[3].to_string()]);
    assert_eq!(found("%5C").await, [] as [String; 0]);
    let (_, other) = web.api(&format!("/artists?server_id={}", web.servers[0])).await;
    assert_eq!(ids(&other), [] as [String; 0]);
    let (_, songs) = web.api(&format!("/artists/{}/songs?limit=1", all[0])).await;
    assert_eq!(songs["items"][0]["path"], "0.mp3");
    assert!(songs["next_cursor"].is_string());
    web.finish().await;
}

#[tokio::test]
async fn bad_input_is_told_what_where_and_how_to_mend_it() {
    let web = Web::start("web_bad_input").await;
    let target = web.servers[1];
    let gets = [
        ("/artists?limit=0", 400, "bad_limit"),
        ("/artists?limit=x", 400, "bad_query"),
        ("/artists?cursor=nonsense", 400, "bad_cursor"),
        ("/artists?colour=red", 400, "bad_query"),
        ("/artists/7", 400, "bad_id"),
        ("/artists/00000000-0000-7000-8000-000000000000", 404, "not_found"),
        ("/jobs?state=flying", 400, "bad_state"),
        ("/jobs?kind=paint", 400, "bad_kind"),
        ("/nothing", 404, "no_such_route"),
        ("/queues", 503, "broker_unknown"),
    ];
    for (path, status, code) in gets {
        let (got, problem) = web.api(path).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty(), "{path}");
    }
    let posts = [
        (json!({"target_server_id": target}), "which_artists"),
        (json!({"target_server_id": target, "artist_ids": [], "selector": {}}), "which_artists"),
        (json!({"target_server_id": target, "artist_ids": []}), "no_artists"),
        (json!({"target_server_id": target, "artist_ids": ["x"]}), "wrong_json"),
        (json!({"target_server_id": target, "selector": {"name": "x"}}), "wrong_json"),
        (json!({"artist_ids": []}), "wrong_json"),
    ];
    for (body, code) in posts {
        let (status, problem) = web.api_post("/moves", &body).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some(code)), "{body}: {problem}");
    }
    let number = json!({"target_server_id": target, "artist_ids": [7]});
    let said = web.api_post("/moves", &number).await.1["detail"].as_str().unwrap().to_owned();
    assert!(said.contains("artist_ids[0]: ") && !said.contains("deserialize"), "{said}");
    let cut = web.post("/api/v1/moves").bearer_auth("admin").body("{\"artist_ids\": [");
    let cut = cut.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(header(&cut, "content-type"), "application/problem+json");
    assert_eq!(json(cut).await.0, 400);
    let huge = web.post("/api/v1/moves").bearer_auth("admin").body(vec![b' '; 3 << 20]);
    let huge = huge.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(json(huge).await.1["code"], "too_large");
    web.finish().await;
}

#[tokio::test]
async fn a_selector_moves_who_matches_but_those_left_out() {
    let web = Web::start("web_selector").await;
    let foxes = web.artists(0, &[("Red Fox", 1), ("Blue Fox", 2), ("Grey Fox", 3)]).await;
    web.artists(0, &[("Wolf", 1)]).await;
    let selector = json!({"filter": "fox", "except_ids": [foxes[1]]});
    let mut body = json!({"selector": selector, "target_server_id": web.servers[1]});
    body["dry_run"] = json!(true);
    let (status, tried) = web.api_post("/moves", &body).await;
    assert_eq!((status, &tried["accepted"], &tried["batch_id"]), (202, &json!(2), &Value::Null));
    body["dry_run"] = json!(false);
    body["artist_ids"] = Value::Null;
    let (_, done) = web.api_post("/moves", &body).await;
    let batch = done["batch_id"].as_str().unwrap();
    let (_, jobs) = web.api(&format!("/jobs?batch_id={batch}&state=queued")).await;
    let moved: BTreeSet<&str> = jobs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|j| j["artist_id"].as_str().unwrap())
        .collect();
    let (red, grey) = (foxes[0].to_string(), foxes[2].to_string());
    assert_eq!(moved, BTreeSet::from([red.as_str(), grey.as_str()]));

    let (_, again) = web.api_post("/moves", &body).await;
    assert_eq!((&again["batch_id"], &again["accepted"]), (&Value::Null, &json!(0)));
    assert_eq!(again["refused"][0]["reason"], "already_moving");
    let (_, batch) = web.api_post(&format!("/batches/{batch}/cancel"), &Value::Null).await;
    assert_eq!(batch["cancelled"], 2, "{batch}");
    web.finish().await;
}

#[tokio::test]
async fn the_front_door_leads_home_and_leaves_the_path_alone() {
    let web = Web::start("web_front_door").await;
    let id = web.artists(2, &[("Somebody", 1)]).await[0];
    let home = format!("http://{}.test/artists/a-{id}", SLUGS[2]);
    let cases = [
        (format!("/a/a-{id}"), home.clone()),
        (format!("/a/a-{id}/"), home.clone()),
        (format!("/a/a-{id}/%FF%00.mp3"), format!("{home}/media/%FF%00.mp3")),
        (
            format!("/a/a-{id}/x/%2e%2E/a%20b%2Fc?d=%20"),
            format!("{home}/media/x/%2e%2E/a%20b%2Fc?d=%20"),
        ),
    ];
    for (path, expected) in cases {
        // Byte for byte: a client library would tidy the path up.
        let (status, location) = raw_get(&web, &path).await;
        assert_eq!((status, location), (302, expected), "{path}");
    }
    let answer = web.get(&format!("/a/a-{id}")).send().await.unwrap();
    assert_eq!(header(&answer, "cache-control"), "no-store");
    for unknown in ["/a/nobody", "/a/NOT-A-SLUG", "/a/%FF"] {
        assert_eq!(raw_get(&web, unknown).await.0, 404, "{unknown}");
    }
    web.finish().await;
}

async fn raw_get(web: &Web, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = web.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text);
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let location = text.lines().find_map(|l| l.strip_prefix("location: ")).unwrap_or_default();
    (status, location.to_owned())
}
