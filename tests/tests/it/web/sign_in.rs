//! Who may do what.

use super::fixture::{Web, header, json};
use serde_json::json;
use std::time::Duration;
use tourbus_tests::wait;

#[tokio::test]
async fn nothing_is_open_that_should_not_be() {
    let web = Web::start("web_closed").await;
    let some = "00000000-0000-7000-8000-000000000000";
    let document = serde_json::to_value(tourbus_web::openapi()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let url = format!("{}{}", web.url, path.replace("{id}", some));
        for (method, operation) in methods.as_object().unwrap() {
            // For servers, which have a token or a signature of their own.
            if operation["x-access"] == "everybody" {
                continue;
            }
            let method = method.to_uppercase().parse().unwrap();
            let answer = web.http.request(method, &url).send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path}");
            assert_eq!(header(&answer, "content-type"), "application/problem+json");
        }
    }
    for page in ["/move", "/batches", "/jobs?group=failed", "/servers", "/queues", "/audit"] {
        let answer = web.get(page).send().await.unwrap();
        let location = header(&answer, "location");
        assert_eq!(answer.status(), 303, "{page}");
        assert!(location.starts_with("/sign-in?next=%2F"), "{page}: {location}");
    }
    for open in ["/", "/healthz", "/sign-in", "/static/app.css"] {
        let answer = web.get(open).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{open}");
    }
    let policy = header(&web.get("/").send().await.unwrap(), "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    web.finish().await;
}

#[tokio::test]
async fn a_session_acts_only_for_our_own_pages() {
    let web = Web::start("web_csrf").await;
    let cookie = web.sign_in("admin").await;
    let body = json!({"selector": {"filter": "nobody"}, "target_server_id": web.servers[0]});
    let post = || web.post("/api/v1/moves").header("cookie", &cookie).json(&body);
    let foreign = [
        post(),
        post().header("origin", "http://server2.test"),
        post().header("sec-fetch-site", "same-site"),
    ];
    for request in foreign {
        let (status, problem) = json(request.send().await.unwrap()).await;
        assert_eq!((status, problem["code"].as_str()), (403, Some("foreign_page")));
    }
    let (status, problem) = json(post().header("origin", &web.url).send().await.unwrap()).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("no_artists")));

    let out = web.post_form("/sign-out", "").header("cookie", &cookie).send().await.unwrap();
    assert!(header(&out, "set-cookie").contains("Max-Age=0"));
    let after = web.get("/api/v1/servers").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(after.status(), 401, "the session is gone, not only the cookie");
    web.finish().await;
}

#[tokio::test]
async fn guessing_passwords_is_slow_and_locks_nobody_out() {
    let web = Web::start("web_guess").await;
    // All at once: on a slow machine the bucket refills between one and the next.
    let wrong = || async {
        let form = "email=admin%40test.example&password=wrong";
        web.post_form("/sign-in", form).send().await.unwrap().status().as_u16()
    };
    let seen = futures_util::future::join_all((0..30).map(|_| wrong())).await;
    let looked_at = seen.iter().filter(|s| **s == 401).count();
    assert!((10..30).contains(&looked_at), "{seen:?}");
    assert!(seen.contains(&429), "{seen:?}");
    let form = "email=admin%40test.example&password=correct+horse";
    let attempt = || async { web.post_form("/sign-in", form).send().await.unwrap().status() };
    let patience = Duration::from_secs(15);
    wait::until("the bucket to refill", patience, attempt, |status| *status == 303).await;
    web.finish().await;
}

#[tokio::test]
async fn a_role_allows_what_it_says() {
    let web = Web::start("web_roles").await;
    let artist = web.artists(0, &[("Somebody", 1)]).await[0];
    let body = json!({"artist_ids": [artist], "target_server_id": web.servers[1]});
    let act = async |role: &str, path: &str| {
        let request = web.post(&format!("/api/v1{path}")).bearer_auth(role).json(&body);
        json(request.send().await.unwrap()).await
    };
    assert_eq!(act("viewer", "/moves").await.0, 403);
    assert_eq!(act("operator", "/moves").await.0, 403);
    let (status, answer) = act("admin", "/moves").await;
    assert_eq!(status, 202);
    let batch = answer["batch_id"].as_str().unwrap();
    assert_eq!(act("viewer", &format!("/batches/{batch}/cancel")).await.0, 403);
    assert_eq!(act("operator", &format!("/batches/{batch}/cancel")).await.0, 200);
    let audit = web.api("/audit").await.1;
    let actors: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|a| a["actor"].as_str().unwrap()).collect();
    assert!(actors.contains(&"operator@test.example"), "{actors:?}");
    web.finish().await;
}
