//! Servers over the API and on the pages: created, changed, drained, deleted; the server limit.

use super::fixture::Web;
use serde_json::{Value, json};
use tourbus_domain::ServerId;

impl Web {
    async fn create_server(&self, name: &str, port: u16) -> Value {
        let (status, made) = self.ask("POST", "/servers", &server(name, port)).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    fn at(&self, server: usize) -> String {
        format!("/servers/{}", self.servers[server])
    }
}

/// The main domain of these tests is an address, which has no subdomains.
fn server(name: &str, port: u16) -> Value {
    json!({ "name": name, "ip": "192.0.2.7", "url": format!("http://127.0.0.1:{port}") })
}

#[tokio::test]
async fn a_script_creates_changes_and_deletes_a_server() {
    let web = Web::start("web_servers").await;
    let made = web.create_server("Hill Top", 9001).await;
    assert_eq!((&made["slug"], &made["state"]), (&json!("hill-top"), &json!("never")));
    assert_eq!((&made["active"], &made["is_default"]), (&json!(true), &json!(false)));
    let at = format!("/servers/{}", made["id"].as_str().unwrap());
    let patch = json!({ "name": "Hill", "active": false, "url": "http://127.0.0.1:9002/" });
    let (status, changed) = web.ask("PATCH", &at, &patch).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["url"], "http://127.0.0.1:9002");
    assert_eq!((&changed["name"], &changed["slug"]), (&json!("Hill"), &json!("hill-top")));
    // A URL from before the rules stays as it is, and does not keep the rest from being changed.
    let old = web.api(&web.at(1)).await.1["url"].clone();
    let (status, kept) =
        web.ask("PATCH", &web.at(1), &json!({ "url": old, "name": "Valley" })).await;
    assert_eq!((status, &kept["url"], &kept["name"]), (200, &old, &json!("Valley")));

    // Nothing listens where these tests' broker should be: the rest is done when it is back.
    let (status, deleted) = web.ask("DELETE", &at, &Value::Null).await;
    assert_eq!((status, &deleted["revoked"]), (202, &json!(false)), "{deleted}");
    assert_eq!(web.api(&at).await.0, 404);
    assert_eq!(web.ask("DELETE", &at, &Value::Null).await.0, 404);
    let pending = web.store.servers_to_revoke().await.unwrap();
    assert_eq!(pending.iter().map(|(_, slug)| slug.as_str()).collect::<Vec<_>>(), ["hill-top"]);
    for action in ["server.create", "server.modify", "server.delete"] {
        let (_, log) = web.api(&format!("/audit?action={action}&result=done")).await;
        assert_eq!(log["items"][0]["actor"], "admin@test.example", "{action}");
    }
    web.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_with_its_field_and_a_remedy() {
    let web = Web::start("web_servers_bad").await;
    web.create_server("Hill Top", 9001).await;
    let with = |field: &str, value: &str| {
        let mut body = server("Valley", 9002);
        body[field] = json!(value);
        body
    };
    for (body, status, code, field) in [
        (with("name", " "), 422, "bad_name", "name"),
        (with("name", "hill  TOP"), 409, "name_taken", "name"),
        (with("ip", "example.org"), 422, "bad_ip", "ip"),
        (with("ip", "0.0.0.0"), 422, "bad_ip", "ip"),
        (with("url", "127.0.0.1:9002"), 422, "bad_url", "url"),
        (with("url", "http://127.0.0.1:9002/music"), 422, "bad_url", "url"),
        (with("url", "https://server4.example.org"), 422, "outside_domain", "url"),
        (with("url", &web.url), 422, "bad_url", "url"),
        (with("url", "http://127.0.0.1:9001/"), 409, "url_taken", "url"),
    ] {
        let (got, problem) = web.ask("POST", "/servers", &body).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["field"], field, "{problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty(), "{problem}");
    }
    let (_, problem) = web.ask("POST", "/servers", &with("url", "https://a.example.org")).await;
    assert!(problem["detail"].as_str().unwrap().contains("sessions would not hold"), "{problem}");
    let (_, problem) = web.ask("POST", "/servers", &with("name", "Hill Top")).await;
    assert!(problem["detail"].as_str().unwrap().contains("Hill Top"), "{problem}");

    let default = |is: bool| json!({ "is_default": is });
    for (at, body, code) in [
        (web.at(0), default(false), "default_stays"),
        (web.at(0), json!({ "active": false }), "default_inactive"),
        (web.at(1), json!({ "active": false, "is_default": true }), "inactive_default"),
    ] {
        let (status, problem) = web.ask("PATCH", &at, &body).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some(code)), "{problem}");
    }
    web.artists(1, &[("One", 5)]).await;
    for (at, code) in [(web.at(0), "server_is_master"), (web.at(1), "server_has_artists")] {
        let (status, problem) = web.ask("DELETE", &at, &Value::Null).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some(code)), "{problem}");
    }
    assert_eq!(web.ask("PATCH", &web.at(2), &default(true)).await.0, 200);
    let (_, problem) = web.ask("DELETE", &web.at(2), &Value::Null).await;
    assert_eq!(problem["code"], "server_is_default");
    let (_, all) = web.api("/servers").await;
    let defaults = all["items"].as_array().unwrap().iter().filter(|s| s["is_default"] == true);
    assert_eq!(defaults.count(), 1);
    web.finish().await;
}

#[tokio::test]
async fn when_the_server_limit_is_reached_nobody_creates_a_server() {
    let web = Web::start("web_server_limit").await;
    let (_, settings) = web.api("/settings").await;
    assert_eq!(
        settings,
        json!({ "sign_up": true, "quota_bytes": 10_737_418_240_u64, "server_limit": null, "servers": 2,
            "lofi_profile": "standard", "verify_every_days": 7, "verify_rate_bytes_s": 50_000_000 })
    );
    assert!(web.page("/servers", "admin").await.contains("Create Server"));
    assert!(!web.page("/servers", "operator").await.contains("Create Server"));

    let (status, _, _) = web.form("/settings", "server_limit=2&sign_up=1&quota_gib=10").await;
    assert_eq!(status, 200);
    assert_eq!(web.api("/settings").await.1["server_limit"], 2);
    let (status, problem) = web.ask("POST", "/servers", &server("More", 9001)).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("server_limit_reached")));
    assert!(problem["detail"].as_str().unwrap().contains("at most 2"), "{problem}");
    assert!(!web.page("/servers", "admin").await.contains("Create Server"));
    let (status, _, text) =
        web.form("/servers", "name=More&ip=192.0.2.7&url=http://127.0.0.1:9001&active=1").await;
    assert!(status == 409 && text.contains("server limit is reached"), "{status} {text}");

    for (form, message) in [("server_limit=many", "no number"), ("server_limit=99999", "more than")]
    {
        let form = format!("{form}&sign_up=1&quota_gib=10");
        let (status, _, text) = web.form("/settings", &form).await;
        assert!(status == 422 && text.contains(message), "{status} {text}");
    }
    let (status, settings) = web.ask("PATCH", "/settings", &json!({ "server_limit": null })).await;
    assert_eq!((status, &settings["server_limit"]), (200, &Value::Null));
    web.create_server("More", 9001).await;
    web.finish().await;
}

#[tokio::test]
async fn a_form_says_all_that_is_wrong_beside_the_fields_and_keeps_what_was_typed() {
    let web = Web::start("web_server_form").await;
    let form = "name=&ip=nowhere&url=https%3A%2F%2Fa.example.org&active=0&is_default=1";
    let (status, _, text) = web.form("/servers", form).await;
    assert_eq!(status, 422);
    for part in [
        "A server needs a name.",
        "is no IP address",
        "sessions would not hold",
        "value=\"nowhere\"",
        "value=\"https://a.example.org\"",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let (status, location, _) = web
        .form("/servers", "name=Fresh&ip=192.0.2.7&url=http://127.0.0.1:9001&active=1&is_default=0")
        .await;
    assert_eq!(status, 303);
    let id = location.strip_prefix("/servers/").unwrap().to_owned();
    let (_, made) = web.api(&format!("/servers/{id}")).await;
    assert_eq!((&made["name"], &made["slug"]), (&json!("Fresh"), &json!("fresh")));

    let at = format!("/servers/{id}/modify");
    let (status, _, text) = web
        .form(&at, "name=Fresher&ip=192.0.2.8&url=http://127.0.0.1:9001&active=0&is_default=0")
        .await;
    assert!(status == 200 && text.contains("Saved"), "{status} {text}");
    let (_, made) = web.api(&format!("/servers/{id}")).await;
    assert_eq!((&made["name"], &made["active"]), (&json!("Fresher"), &json!(false)));
    let (status, _, text) = web
        .form(&at, "name=Server+1&ip=192.0.2.8&url=http://127.0.0.1:9001&active=1&is_default=0")
        .await;
    assert!(status == 409 && text.contains("There is a server named Server 1 already"), "{text}");
    assert!(text.contains("value=\"Server 1\""), "{text}");
    web.finish().await;
}

#[tokio::test]
async fn a_server_is_drained_and_deleted_on_the_pages() {
    let web = Web::start("web_drain").await;
    web.artists(1, &[("One", 5), ("Two", 7)]).await;
    let spare = web.create_server("Spare", 9001).await;
    let spare = format!("/servers/{}", spare["id"].as_str().unwrap());
    let list = web.page("/servers/delete", "admin").await;
    assert!(list.contains("2 artists live on it") && list.contains("/drain"), "{list}");
    assert!(list.contains(&format!("{spare}/delete")), "{list}");
    let ask = web.page(&format!("{}/drain", web.at(1)), "admin").await;
    assert!(ask.contains("Server 0") && ask.contains("Server 2"), "{ask}");
    let (status, location, _) = web.form(&format!("{}/drain", web.at(1)), "reason=old").await;
    assert_eq!(status, 303);
    assert_eq!(location, format!("{}/drain", web.at(1)));
    let (_, drained) = web.api(&web.at(1)).await;
    assert_eq!(drained["draining"], true);
    let (_, batches) = web.api("/batches").await;
    assert_eq!(batches["items"][0]["jobs_total"], 2);
    assert_eq!(batches["items"][0]["reason"], "old");
    let during = web.page(&format!("{}/drain", web.at(1)), "viewer").await;
    assert!(during.contains("2 artists"), "{during}");
    // A move to it is refused, with the reason.
    let artist = web.artists(0, &[("Three", 1)]).await;
    let ids: Vec<String> = artist.iter().map(ToString::to_string).collect();
    let body = json!({ "artist_ids": ids, "target_server_id": web.servers[1] });
    let (_, refused) = web.api_post("/moves", &body).await;
    assert_eq!(refused["refused"][0]["reason"], "server_draining");
    let (status, stopped) = web.ask("POST", &format!("{}/undrain", web.at(1)), &json!({})).await;
    assert_eq!((status, &stopped["cancelled"]), (200, &json!(2)), "{stopped}");
    let (status, problem) = web.ask("POST", &format!("{}/undrain", web.at(1)), &Value::Null).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("not_draining")));
    let (status, problem) = web.ask("POST", &format!("{}/drain", web.at(0)), &json!({})).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("server_is_default")));
    let body = json!({ "target_server_ids": [ServerId::new()] });
    let (status, problem) = web.ask("POST", &format!("{}/drain", web.at(1)), &body).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("bad_target")), "{problem}");

    let confirm = web.page(&format!("{spare}/delete"), "admin").await;
    assert!(confirm.contains("Delete Spare"), "{confirm}");
    let (status, location, _) = web.form(&format!("{spare}/delete"), "").await;
    assert_eq!((status, location.as_str()), (303, "/servers/delete"));
    assert_eq!(web.api(&spare).await.0, 404);
    let after = web.page("/servers/delete", "admin").await;
    assert!(after.contains("<strong>spare</strong> is deleted"), "the broker is away: {after}");
    // The moves that are being undone still concern these two.
    for (server, why) in [(1, "live on it"), (2, "not ended")] {
        let (status, _, text) = web.form(&format!("{}/delete", web.at(server)), "").await;
        assert!(status == 409 && text.contains(why), "{status} {text}");
    }
    web.finish().await;
}

#[tokio::test]
async fn limits_are_set_whole_and_what_is_wrong_with_them_is_said() {
    let web = Web::start("web_limits").await;
    let at = web.at(1);
    let window = |from: &str, to: &str| json!({ "from": from, "to": to, "bytes_s": 1_000_000 });
    let rate = |windows: Value| json!({ "bandwidth": { "default_bytes_s": 2_000_000, "windows": windows } });
    let always = rate(json!([window("00:00", "24:00")]));
    let (status, server) = web.ask("PATCH", &at, &json!({ "limits": always })).await;
    assert_eq!((status, &server["rate_bytes_s"]), (200, &json!(1_000_000)), "{server}");
    assert_eq!((&server["rate_until"], &server["limits_pending"]), (&json!("24:00"), &json!(true)));
    for (limits, said) in [
        (rate(json!([window("22:00", "06:00"), window("05:00", "07:00")])), "overlap"),
        (rate(json!([window("8", "06:00")])), "no time of day"),
        (json!({ "moves_out_max": 0 }), "moves at once"),
        (json!({ "bandwidth": { "default_bytes_s": 7 } }), "no rate"),
    ] {
        let (status, problem) = web.ask("PATCH", &at, &json!({ "limits": limits })).await;
        assert_eq!((status, &problem["code"]), (422, &json!("bad_limits")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    let (status, server) = web.ask("PATCH", &at, &json!({ "limits": {} })).await;
    assert_eq!((status, &server["rate_bytes_s"]), (200, &Value::Null));
    let (_, log) = web.api("/audit?action=server.modify&result=done").await;
    let detail = &log["items"][0]["detail"]["limits"];
    assert_eq!(detail["was"]["bandwidth"]["default_bytes_s"], 2_000_000, "{log}");
    web.finish().await;
}
