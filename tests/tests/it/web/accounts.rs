//! Accounts, sessions, tokens, and the log of what happens to them.

use super::fixture::{PASSWORD, Web, header, json};
use serde_json::{Value, json};
use std::process::Command;

const GOOD: &str = "several plain words";

/// The API, asked with this token.
async fn call(web: &Web, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1{path}", web.url);
    let mut request = web.http.request(method.parse().unwrap(), url).bearer_auth(token);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    if answer.status() == 204 { (204, Value::Null) } else { json(answer).await }
}

async fn made(web: &Web, email: &str, role: &str) -> String {
    let body = json!({"email": email, "role": role, "password": GOOD});
    let (status, account) = call(web, "admin", "POST", "/accounts", &body).await;
    assert_eq!(status, 201, "{account}");
    account["id"].as_str().unwrap().to_owned()
}

async fn id_of(web: &Web, email: &str) -> String {
    let (_, page) = web.api("/accounts").await;
    let found = page["items"].as_array().unwrap().iter().find(|a| a["email"] == email).cloned();
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// Signs in; status and cookie.
async fn sign_in(web: &Web, email: &str, password: &str) -> (u16, String) {
    let form =
        format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    let answer = web.post_form("/sign-in", form).send().await.unwrap();
    let cookie = header(&answer, "set-cookie");
    (answer.status().as_u16(), cookie.split(';').next().unwrap().to_owned())
}

async fn is_open(web: &Web, cookie: &str) -> bool {
    let answer = web.get("/api/v1/account").header("cookie", cookie).send().await.unwrap();
    answer.status() == 200
}

#[tokio::test]
async fn an_account_is_made_changed_and_deleted() {
    let web = Web::start("web_accounts").await;
    let id = made(&web, "New@Test.example", "viewer").await;
    let at = format!("/accounts/{id}");
    let (status, cookie) = sign_in(&web, "new@test.example", GOOD).await;
    assert_eq!(status, 303);
    assert!(is_open(&web, &cookie).await);

    let (_, one) = call(&web, "admin", "PATCH", &at, &json!({"role": "operator"})).await;
    assert_eq!((&one["role"], &one["sessions"]), (&json!("operator"), &json!(1)));
    assert!(is_open(&web, &cookie).await, "another role ends no session");
    call(&web, "admin", "PATCH", &at, &json!({"disabled": true})).await;
    assert!(!is_open(&web, &cookie).await);
    assert_eq!(sign_in(&web, "new@test.example", GOOD).await.0, 401);
    call(&web, "admin", "PATCH", &at, &json!({"disabled": false})).await;
    let (_, cookie) = sign_in(&web, "new@test.example", GOOD).await;
    let other = json!({"password": "quite another phrase"});
    assert_eq!(call(&web, "admin", "PATCH", &at, &other).await.0, 200);
    assert!(!is_open(&web, &cookie).await, "a new password ends sessions");

    assert_eq!(call(&web, "admin", "DELETE", &at, &Value::Null).await.0, 204);
    assert_eq!(call(&web, "admin", "GET", &at, &Value::Null).await.0, 404);
    let (_, log) = web.api(&format!("/audit?object=account:{id}&result=done")).await;
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions.first(), Some(&"account.delete"));
    assert_eq!(actions.last(), Some(&"account.create"));
    assert_eq!(actions.len(), 6, "{actions:?}");
    assert!(!log.to_string().contains("argon2") && !log.to_string().contains(GOOD));
    web.finish().await;
}

#[tokio::test]
async fn there_is_always_an_admin() {
    let web = Web::start("web_last_admin").await;
    let own = format!("/accounts/{}", id_of(&web, "admin@test.example").await);
    let demote = json!({"role": "viewer"});
    for (method, body, code) in [
        ("PATCH", demote.clone(), "last_admin"),
        ("PATCH", json!({"disabled": true}), "own_account"),
        ("PATCH", json!({"password": GOOD}), "own_account"),
        ("DELETE", Value::Null, "own_account"),
    ] {
        let (status, problem) = call(&web, "admin", method, &own, &body).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some(code)), "{problem}");
    }
    // Two admins who take the role from each other at the same time: one stays.
    let second = made(&web, "second@test.example", "admin").await;
    let (_, cookie) = sign_in(&web, "second@test.example", GOOD).await;
    let there = format!("/accounts/{second}");
    let by_second = web
        .http
        .patch(format!("{}/api/v1{own}", web.url))
        .header("cookie", &cookie)
        .header("origin", &web.url)
        .json(&demote)
        .send();
    let (mine, theirs) = tokio::join!(call(&web, "admin", "PATCH", &there, &demote), by_second);
    let statuses = [mine.0, theirs.unwrap().status().as_u16()];
    let done = statuses.iter().filter(|s| **s == 200).count();
    assert_eq!(done, 1, "{statuses:?}");
    web.finish().await;
}

#[tokio::test]
async fn bad_accounts_are_told_what_is_wrong() {
    let web = Web::start("web_bad_accounts").await;
    let body = |email: &str, role: &str, password: &str| json!({"email": email, "role": role, "password": password});
    for (body, status, code) in [
        (body("nobody", "viewer", GOOD), 422, "bad_email"),
        (body("a@b\u{0}", "viewer", GOOD), 422, "bad_email"),
        (body("VIEWER@test.example", "viewer", GOOD), 409, "email_taken"),
        (body("a@b.example", "viewer", "short"), 422, "weak_password"),
        (body("a@b.example", "viewer", "password1234"), 422, "weak_password"),
        (body("a@b.example", "king", GOOD), 422, "wrong_json"),
    ] {
        let (got, problem) = call(&web, "admin", "POST", "/accounts", &body).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
    }
    // The page says the same where the field is, and keeps what was typed.
    let cookie = web.sign_in("admin").await;
    let form = "email=a%40b.example&role=operator&password=password1234";
    let answer = web.post_form("/accounts", form).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let text = answer.text().await.unwrap();
    assert!(text.contains("easily guessed") && text.contains("value=\"a@b.example\""), "{text}");
    assert!(!text.contains("password1234"));
    assert_eq!(web.api("/accounts").await.1["items"].as_array().unwrap().len(), 4);
    web.finish().await;
}

#[tokio::test]
async fn a_token_does_what_its_scope_says_until_it_is_revoked() {
    let web = Web::start("web_tokens").await;
    let make = async |token: &str, body: Value| call(&web, token, "POST", "/tokens", &body).await;
    let (status, read) = make("admin", json!({"label": "reader", "scope": "read"})).await;
    assert_eq!(status, 201);
    let token = read["token"].as_str().unwrap().to_owned();
    let see = async |token: &str, path: &str| call(&web, token, "GET", path, &Value::Null).await.0;
    assert_eq!(see(&token, "/servers").await, 200);
    let (status, problem) =
        call(&web, &token, "POST", "/tokens", &json!({"label": "x", "scope": "full"})).await;
    assert_eq!(status, 403);
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(detail, "This API token's scope, read, does not allow this.");

    for (asker, body, code) in [
        ("admin", json!({"label": "Reader", "scope": "full"}), "label_taken"),
        ("admin", json!({"label": " ", "scope": "full"}), "bad_label"),
        ("viewer", json!({"label": "v", "scope": "steer"}), "wide_scope"),
        (
            "admin",
            json!({"label": "old", "scope": "full", "expires_at": "2020-01-01T00:00:00Z"}),
            "bad_expiry",
        ),
    ] {
        assert_eq!(make(asker, body).await.1["code"], code);
    }
    let (_, list) = call(&web, "admin", "GET", "/tokens", &Value::Null).await;
    let listed = &list["items"][0];
    assert_eq!(listed["label"], "reader");
    assert!(listed["last_used_at"].is_string() && !list.to_string().contains(&token));

    let at = format!("/tokens/{}", read["id"].as_str().unwrap());
    let nobodys = call(&web, "operator", "DELETE", &at, &Value::Null).await.0;
    assert_eq!(nobodys, 404, "another's token is not even there");
    assert_eq!(call(&web, "admin", "DELETE", &at, &Value::Null).await.0, 204);
    assert_eq!(see(&token, "/servers").await, 401);
    let (_, log) = web.api("/audit?action=token.").await;
    assert_eq!(log["items"][0]["action"], "token.revoke");
    assert_eq!(log["items"][0]["detail"]["name"], "reader");
    web.finish().await;
}

#[tokio::test]
async fn sessions_and_the_password_are_ones_own() {
    let web = Web::start("web_own").await;
    let email = "viewer@test.example";
    let (_, here) = sign_in(&web, email, PASSWORD).await;
    let (_, there) = sign_in(&web, email, PASSWORD).await;
    let post = async |path: &str, form: &str| {
        web.post_form(path, form).header("cookie", &here).send().await.unwrap()
    };
    let form = |current: &str| {
        format!("current={current}&new=several+plain+words&again=several+plain+words")
    };
    let wrong = post("/account/password", &form("wrong")).await;
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().await.unwrap().contains("The current password is not this one."));
    let right = post("/account/password", &form("correct+horse")).await;
    assert_eq!(header(&right, "location"), "/account?done=password");
    assert!(is_open(&web, &here).await && !is_open(&web, &there).await);
    assert_eq!(sign_in(&web, email, PASSWORD).await.0, 401);

    let (_, third) = sign_in(&web, email, GOOD).await;
    let sessions = web.get("/api/v1/sessions").header("cookie", &here).send().await.unwrap();
    let (_, sessions) = json(sessions).await;
    let items = sessions["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|s| s["current"] == false).unwrap();
    assert_eq!(other["address"], "127.0.0.1");
    let id = other["id"].as_str().unwrap();
    post(&format!("/account/sessions/{id}/end"), "").await;
    assert!(is_open(&web, &here).await && !is_open(&web, &third).await);
    post("/account/sign-out-everywhere", "").await;
    assert!(!is_open(&web, &here).await);
    web.finish().await;
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_only_grows() {
    let web = Web::start("web_audit").await;
    made(&web, "one@test.example", "viewer").await;
    let id = made(&web, "two@test.example", "viewer").await;
    let count = async |query: &str| {
        let (status, page) = web.api(&format!("/audit?{query}")).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("actor=ADMIN%40test.example&action=account.create").await, 2);
    assert_eq!(count(&format!("object=account:{id}")).await, 1);
    assert_eq!(count("result=failed").await, 0);
    assert_eq!(count("since=2999-01-01T00:00:00Z").await, 0);
    assert_eq!(count("until=2999-01-01T00:00:00Z&action=account.").await, 6);
    for (query, code) in [
        ("result=perhaps", "bad_result"),
        ("action=a%20b", "bad_action"),
        ("since=yesterday", "bad_query"),
        ("actor=%00", "bad_filter"),
    ] {
        assert_eq!(web.api(&format!("/audit?{query}")).await.1["code"], code, "{query}");
    }
    for sql in [
        "UPDATE audit_log SET actor = 'somebody else'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ] {
        let ran = Command::new("psql").args(["-X", "-c", sql, &web.database]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success() && said.contains("only grows"), "{sql}: {said}");
    }
    let cookie = web.sign_in("viewer").await;
    let page = web.get("/audit?action=account.create&from=2020-01-01").header("cookie", &cookie);
    let text = page.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("created an account") && text.contains("two@test.example"), "{text}");
    web.finish().await;
}
