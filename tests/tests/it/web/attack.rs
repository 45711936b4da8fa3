//! Somebody guesses passwords: others notice nothing, nobody is locked out, the log stays short.

use super::fixture::{PASSWORD, Web};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tourbus_tests::wait;

const ATTEMPTS: usize = 1000;
const AT_ONCE: usize = 8;
/// What a page may take longer than before, while somebody guesses.
const RATIO_MAX: f64 = 8.0;
/// Below this a ratio says nothing: the clock and the scheduler are no better.
const NOISE: Duration = Duration::from_millis(20);

async fn sign_in(web: &Web, from: &str, email: &str, password: &str) -> u16 {
    let form =
        format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    let request = web.post_form("/sign-in", form).header("x-forwarded-for", from);
    request.send().await.unwrap().status().as_u16()
}

/// Signs in once and looks at two pages; the time each took.
async fn use_it(web: &Web, cookie: &str) -> Vec<Duration> {
    let mut took = Vec::new();
    for page in ["/servers", "/jobs"] {
        let begun = Instant::now();
        let answer = web.get(page).header("cookie", cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{page}");
        answer.bytes().await.unwrap();
        took.push(begun.elapsed());
    }
    took
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

async fn attack(web: &Web, over: &AtomicBool) -> Vec<u16> {
    let attempt = |n: usize| async move {
        let password = format!("wrong password {n}");
        sign_in(web, "203.0.113.9", "admin@test.example", &password).await
    };
    let seen = stream::iter(0..ATTEMPTS).map(attempt).buffer_unordered(AT_ONCE).collect().await;
    over.store(true, Ordering::SeqCst);
    seen
}

/// The failed attempts on an account in the log, and in how many rows.
async fn logged(web: &Web) -> (i64, usize) {
    let page = web.api("/audit?action=session.open&result=refused&actor=nobody").await.1;
    let of_admin =
        |e: &&Value| e["detail"]["name"] == "admin@test.example" && e["address"] == "203.0.113.9";
    let rows: Vec<&Value> = page["items"].as_array().unwrap().iter().filter(of_admin).collect();
    (rows.iter().map(|e| e["times"].as_i64().unwrap()).sum(), rows.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_wrong_passwords_slow_nobody_down_and_are_counted() {
    let web = Web::start("web_attack").await;
    let cookie = web.sign_in("viewer").await;
    let mut before = Vec::new();
    for _ in 0..20 {
        before.extend(use_it(&web, &cookie).await);
    }
    let signing_in = Instant::now();
    assert_eq!(sign_in(&web, "198.51.100.7", "operator@test.example", PASSWORD).await, 303);
    let sign_in_before = signing_in.elapsed();

    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let meanwhile = async {
        let (mut pages, mut sign_ins) = (Vec::new(), Vec::new());
        while !over.load(Ordering::SeqCst) {
            pages.extend(use_it(&web, &cookie).await);
            let signing_in = Instant::now();
            // The account under attack too, from another address.
            for email in ["operator@test.example", "admin@test.example"] {
                assert_eq!(sign_in(&web, "198.51.100.7", email, PASSWORD).await, 303, "{email}");
            }
            sign_ins.push(signing_in.elapsed() / 2);
        }
        (pages, sign_ins)
    };
    let (seen, (pages, sign_ins)) = tokio::join!(attack(&web, &over), meanwhile);
    let took = begun.elapsed();
    let tried = seen.iter().filter(|s| **s == 401).count();
    assert!((10..50).contains(&tried), "{tried} were looked at");
    assert_eq!(seen.iter().filter(|s| **s == 429).count(), ATTEMPTS - tried, "{seen:?}");

    let ratio = |during: Duration, before: Duration| {
        during.max(NOISE).as_secs_f64() / before.max(NOISE).as_secs_f64()
    };
    let (page, page_before) = (median(pages), median(before));
    println!("pages: {page_before:?}, during {page:?}; attack {took:?}, {tried} looked at");
    assert!(ratio(page, page_before) < RATIO_MAX, "{page_before:?}, then {page:?}");
    let sign_in = median(sign_ins);
    println!("sign-in: {sign_in_before:?}, during {sign_in:?}");
    assert!(ratio(sign_in, sign_in_before) < RATIO_MAX, "{sign_in_before:?}, then {sign_in:?}");

    let all = |(times, _): &(i64, usize)| *times == ATTEMPTS as i64;
    let (_, rows) = wait::until(
        "every attempt to be counted",
        took * 2 + Duration::from_secs(20),
        || logged(&web),
        all,
    )
    .await;
    // A window is a second here, a minute otherwise.
    assert!(rows as u64 <= took.as_secs() + 3, "{rows} rows in {took:?}");
    web.finish().await;
}
