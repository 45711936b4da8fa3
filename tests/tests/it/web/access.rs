//! Every route, asked by everybody.

use super::fixture::{Web, header, json};
use serde_json::json;
use std::collections::BTreeSet;
use tourbus_web::RouteAccess;

const SOME_ID: &str = "00000000-0000-7000-8000-000000000000";

/// Who asks: the bearer token, and what it may do.
struct Asker {
    name: &'static str,
    token: Option<String>,
    /// Of the rules that ask for more than being signed in.
    may: &'static [&'static str],
}

async fn askers(web: &Web) -> Vec<Asker> {
    let narrow = async |scope: &str| {
        let body = json!({"label": scope, "scope": scope});
        let (status, made) = web.api_post("/tokens", &body).await;
        assert_eq!(status, 201, "{made}");
        Some(made["token"].as_str().unwrap().to_owned())
    };
    let own = |role: &str| Some(role.to_owned());
    let all = &["look", "move", "steer", "servers", "accounts", "artists", "workshop", "own"][..];
    vec![
        Asker { name: "nobody", token: None, may: &[] },
        Asker { name: "unknown token", token: own("x"), may: &[] },
        Asker { name: "viewer", token: own("viewer"), may: &["look", "own"] },
        Asker { name: "operator", token: own("operator"), may: &["look", "steer", "own"] },
        Asker { name: "artist", token: own("artist"), may: &["workshop", "own"] },
        Asker { name: "admin", token: own("admin"), may: all },
        Asker { name: "admin's read token", token: narrow("read").await, may: &["look"] },
        Asker {
            name: "admin's steer token",
            token: narrow("steer").await,
            may: &["look", "steer"],
        },
    ]
}

/// What came of it, as far as access goes.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    LetThrough,
    SignInFirst,
    Forbidden,
}

fn expected(asker: &Asker, access: &str) -> Seen {
    let known = asker.token.as_deref().is_some_and(|t| t != "x");
    match access {
        "everybody" => Seen::LetThrough,
        _ if !known => Seen::SignInFirst,
        "signed in" => Seen::LetThrough,
        right if asker.may.contains(&right) => Seen::LetThrough,
        _ => Seen::Forbidden,
    }
}

async fn ask(web: &Web, asker: &Asker, route: &RouteAccess) -> Seen {
    let path = route.path.replace("{id}", SOME_ID).replace("{slug}", "nobody");
    let path = path.replace("{*path}", "x").replace("{name}", "x");
    let method = route.method.parse().unwrap();
    let mut request = web.http.request(method, format!("{}{path}", web.url));
    if route.method != "GET" && route.path.starts_with("/api/") {
        request = request.json(&json!({}));
    }
    if let Some(token) = &asker.token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let to_sign_in = header(&answer, "location").starts_with("/sign-in?next=");
    let what = format!("{} {} for {}: {}", route.method, route.path, asker.name, answer.status());
    assert!(answer.status().as_u16() != 500, "{what}");
    match answer.status().as_u16() {
        401 if route.path == "/sign-in" => Seen::LetThrough,
        401 => Seen::SignInFirst,
        303 if to_sign_in => Seen::SignInFirst,
        403 => Seen::Forbidden,
        _ => Seen::LetThrough,
    }
}

#[tokio::test]
async fn every_route_is_for_whom_its_rule_says() {
    let web = Web::start("web_access").await;
    let routes = tourbus_web::routes();
    let askers = askers(&web).await;
    let mut wrong = Vec::new();
    for route in &routes {
        for asker in &askers {
            let (seen, expected) = (ask(&web, asker, route).await, expected(asker, &route.access));
            if seen != expected {
                let RouteAccess { method, path, access } = route;
                wrong.push(format!(
                    "{method} {path} ({access}) for {}: {seen:?}, not {expected:?}",
                    asker.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    web.finish().await;
}

#[test]
fn no_route_of_the_document_is_without_a_rule() {
    let document = serde_json::to_value(tourbus_web::openapi()).unwrap();
    let key = |r: RouteAccess| (r.path, r.method, r.access);
    let rules: BTreeSet<_> = tourbus_web::routes().into_iter().map(key).collect();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let access = operation["x-access"].as_str();
            let access = access.unwrap_or_else(|| panic!("{method} {path} names no access"));
            let rule = (path.clone(), method.to_uppercase(), access.to_owned());
            assert!(rules.contains(&rule), "{rule:?} has no rule");
            seen += 1;
        }
    }
    let of_api = rules.iter().filter(|(path, ..)| path.starts_with("/api/v1/"));
    assert_eq!(of_api.count(), seen + 1, "each rule has a route; one is the document's own");
}

#[tokio::test]
async fn what_is_refused_is_in_the_audit_log() {
    let web = Web::start("web_refused").await;
    let path = format!("/api/v1/jobs/{SOME_ID}/cancel");
    let answer = web.post(&path).bearer_auth("viewer").send().await.unwrap();
    assert_eq!(json(answer).await.1["code"], "forbidden");
    let (_, log) = web.api("/audit?result=refused&actor=viewer%40test.example").await;
    let entry = &log["items"][0];
    assert_eq!(entry["action"], "job.cancel");
    assert_eq!(entry["object"], format!("job:{SOME_ID}"));
    assert_eq!((&entry["token"], &entry["address"]), (&json!("test"), &json!("127.0.0.1")));
    assert_eq!(entry["reason"], "Your account's role, viewer, does not allow this.");
    web.finish().await;
}
