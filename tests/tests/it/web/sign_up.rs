//! Signing up, being known everywhere, leave to upload.

use super::fixture::{PASSWORD, Web, header, json};
use chrono::Utc;
use reqwest::Response;
use serde_json::{Value, json};
use std::process::Command;
use tourbus_domain::ArtistId;
use tourbus_protocol::visitor::{Grant, Visitor, VisitorKey, VisitorKeys};

const GOOD: &str = "a battery of horses";

fn keys() -> VisitorKeys {
    let key = VisitorKey::from_hex(&"07".repeat(32)).unwrap();
    VisitorKeys::from_hex(&[key.public_key_hex()]).unwrap()
}

async fn sign_up(web: &Web, name: &str, slug: &str, email: &str, password: &str) -> Response {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("name", name).append_pair("slug", slug);
    form.append_pair("email", email).append_pair("password", password);
    web.post_form("/sign-up", form.finish()).send().await.unwrap()
}

/// `name=value` of every cookie that an answer sets.
fn cookies(answer: &Response) -> Vec<String> {
    let set = answer.headers().get_all("set-cookie").iter();
    set.map(|v| v.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

async fn grant(web: &Web, artist: &str, token: &str) -> (u16, Value) {
    let path = format!("/api/v1/artists/{artist}/upload-grants");
    json(web.post(&path).bearer_auth(token).send().await.unwrap()).await
}

#[tokio::test]
async fn whoever_signs_up_has_an_artist_and_is_signed_in() {
    let web = Web::start("sign_up").await;
    let answer = sign_up(&web, "The Rooks", "", "Ada@Example.org", GOOD).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/workshop".into()));
    let cookies = cookies(&answer).join("; ");
    assert!(
        cookies.contains("tourbus_master=") && cookies.contains("tourbus_visitor="),
        "{cookies}"
    );
    let workshop = web.get("/workshop").header("cookie", &cookies).send().await.unwrap();
    assert_eq!(header(&workshop, "location"), "/workshop/the-rooks");
    let page = web.get("/workshop/the-rooks").header("cookie", &cookies).send().await.unwrap();
    assert_eq!(page.status(), 200);
    // Nothing of the cluster.
    for path in ["/move", "/servers", "/jobs", "/audit"] {
        let answer = web.get(path).header("cookie", &cookies).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    let (_, log) = web.api("/audit?actor=ada%40example.org").await;
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|i| i["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["session.open", "artist.create", "account.create"]);
    // On the default server, where a job makes the tree.
    let (_, found) = web.api("/artists?filter=rooks").await;
    assert_eq!(found["items"][0]["server_id"], web.servers[0].to_string());
    web.finish().await;
}

#[tokio::test]
async fn what_cannot_be_makes_nothing_and_is_told_where_it_was_typed() {
    let web = Web::start("sign_up_bad").await;
    sign_up(&web, "Rooks", "rooks", "ada@example.org", GOOD).await;
    for (n, (name, slug, email, password, status, says)) in [
        ("", "", "b@example.org", GOOD, 422, "The artist has no name."),
        ("Rooks", "rooks", "b@example.org", GOOD, 409, "Another artist has the address"),
        ("Admin", "", "b@example.org", GOOD, 409, "The site itself uses"),
        ("X", "A b", "b@example.org", GOOD, 422, "lower-case letters"),
        ("X", "", "nobody", GOOD, 422, "is no email address."),
        ("X", "", "ADA@example.org", GOOD, 409, "There is an account with this email"),
        ("X", "", "b@example.org", "short", 422, "too short"),
    ]
    .into_iter()
    .enumerate()
    {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", name)
            .append_pair("slug", slug)
            .append_pair("email", email)
            .append_pair("password", password)
            .finish();
        // From another address each: one may not try for ever.
        let request =
            web.post_form("/sign-up", form).header("x-forwarded-for", format!("192.0.2.{n}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{says}");
        assert!(cookies(&answer).is_empty());
        let page = answer.text().await.unwrap();
        assert!(page.contains(says), "{says}: {page}");
        assert!(page.contains(&format!("value=\"{email}\"")), "what was typed stays");
        assert!(!page.contains(GOOD), "but the password");
    }
    let (_, artists) = web.api("/artists").await;
    assert_eq!(artists["items"].as_array().unwrap().len(), 1);
    let (_, accounts) = web.api("/accounts").await;
    assert_eq!(accounts["items"].as_array().unwrap().len(), 4 + 1);
    web.finish().await;
}

#[tokio::test]
async fn an_admin_can_close_the_door_and_set_quotas() {
    let web = Web::start("sign_up_closed").await;
    let patch = async |path: String, body: Value| {
        let request = web.http.patch(format!("{}/api/v1{path}", web.url)).bearer_auth("admin");
        json(request.json(&body).send().await.unwrap()).await
    };
    let (status, settings) =
        patch("/settings".into(), json!({"sign_up": false, "quota_bytes": 1000})).await;
    assert_eq!((status, &settings["sign_up"]), (200, &json!(false)));
    assert_eq!(sign_up(&web, "X", "", "b@example.org", GOOD).await.status(), 409);
    let artist = web.artists(1, &[("Larks", 1)]).await[0].to_string();
    assert_eq!(grant(&web, &artist, "admin").await.1["quota_bytes"], 1000);
    patch(format!("/artists/{artist}"), json!({"quota_bytes": 5})).await;
    assert_eq!(grant(&web, &artist, "admin").await.1["quota_bytes"], 5);
    patch(format!("/artists/{artist}"), json!({"quota_bytes": null})).await;
    assert_eq!(grant(&web, &artist, "admin").await.1["quota_bytes"], 1000);
    // Whose it is.
    assert_eq!(grant(&web, &artist, "artist").await.0, 403);
    let (status, problem) =
        patch(format!("/artists/{artist}"), json!({"owner": "nobody@test.example"})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("no_account")));
    patch(format!("/artists/{artist}"), json!({"owner": "Artist@test.example"})).await;
    assert_eq!(grant(&web, &artist, "artist").await.0, 200);
    patch(format!("/artists/{artist}"), json!({"owner": null})).await;
    assert_eq!(grant(&web, &artist, "artist").await.0, 403);
    let (status, problem) =
        patch(format!("/artists/{artist}"), json!({"quota_bytes": u64::MAX})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("bad_quota")));
    web.finish().await;
}

#[tokio::test]
async fn leave_is_for_ones_own_artist_on_its_home_for_a_while() {
    let web = Web::start("grants").await;
    let artist = web.artists(1, &[("Larks", 1)]).await[0];
    let id = artist.to_string();
    for (token, status) in [("artist", 403), ("viewer", 403), ("operator", 403), ("x", 401)] {
        assert_eq!(grant(&web, &id, token).await.0, status, "{token}");
    }
    assert_eq!(grant(&web, &ArtistId::new().to_string(), "admin").await.0, 404);
    let (status, given) = grant(&web, &id, "admin").await;
    assert_eq!(status, 200, "{given}");
    let url = given["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://server2.test/artists/a-") && url.ends_with("/uploads"),
        "{url}"
    );
    let claims: Grant = keys().believe(given["token"].as_str().unwrap(), Utc::now()).unwrap();
    assert_eq!((claims.artist, claims.server.as_str()), (artist, "server2"));
    // An artist whose tree is being made has nowhere to upload to.
    let answer = sign_up(&web, "Rooks", "rooks", "ada@example.org", GOOD).await;
    let cookie = cookies(&answer).join("; ");
    let (_, found) = web.api("/artists?filter=rooks").await;
    let path =
        format!("/api/v1/artists/{}/upload-grants", found["items"][0]["id"].as_str().unwrap());
    let ask = web.post(&path).header("cookie", &cookie);
    let (status, problem) = json(ask.header("origin", &web.url).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("being_made")));
    let elsewhere =
        web.post(&path).header("cookie", &cookie).header("origin", "http://server2.test");
    assert_eq!(
        elsewhere.send().await.unwrap().status(),
        403,
        "no page of another server asks for leave"
    );
    web.finish().await;
}

#[tokio::test]
async fn every_server_is_told_who_is_signed_in_for_a_minute() {
    let web = Web::start("visitor").await;
    let form = format!("email=artist%40test.example&password={}", PASSWORD.replace(' ', "+"));
    let answer = web.post_form("/sign-in", form).send().await.unwrap();
    assert_eq!(header(&answer, "location"), "/workshop", "an artist works there");
    let cookie = cookies(&answer).join("; ");
    let ask = async |cookie: &str, origin: &str| {
        let request = web.get("/visitor").header("cookie", cookie).header("origin", origin);
        request.send().await.unwrap()
    };
    let told = ask(&cookie, "http://127.0.0.1:9999").await;
    assert_eq!(header(&told, "access-control-allow-origin"), "http://127.0.0.1:9999");
    assert_eq!(header(&told, "access-control-allow-credentials"), "true");
    let fresh = cookies(&told);
    let text = fresh[0].strip_prefix("tourbus_visitor=").unwrap();
    let visitor: Visitor = keys().believe(text, Utc::now()).unwrap();
    assert_eq!(visitor.name, "artist", "other people's machines are told no address");
    assert!(visitor.expires_at_s - Utc::now().timestamp() <= 60);
    assert_eq!(json(told).await.1, json!({"name": "artist", "artists": []}));
    // The database prolongs a session now and then, and says so once: then the browser is told.
    let older = "UPDATE sessions SET expires_at = expires_at - interval '10 minutes'";
    let aged = Command::new("psql").args(["-X", "-c", older, &web.database]).output().unwrap();
    assert!(aged.status.success(), "{aged:?}");
    let kept = cookies(&ask(&cookie, "http://127.0.0.1:9999").await);
    assert!(kept[0].starts_with("tourbus_master=") && cookie.contains(&kept[0]), "{kept:?}");
    assert_eq!(kept.len(), 2, "{kept:?}");
    let foreign = ask(&cookie, "https://evil.example").await;
    assert_eq!(header(&foreign, "access-control-allow-origin"), "");
    web.post_form("/sign-out", "").header("cookie", &cookie).send().await.unwrap();
    let gone = ask(&cookie, "http://127.0.0.1:9999").await;
    assert_eq!(cookies(&gone), ["tourbus_visitor="]);
    assert_eq!(json(gone).await.1, json!({"name": null, "artists": []}));
    web.finish().await;
}
