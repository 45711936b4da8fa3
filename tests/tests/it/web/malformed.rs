//! Ten thousand requests that make no sense, made from the OpenAPI document: no 5xx, every answer
//! says what is wrong, nothing is created.

use super::fixture::Web;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{StreamExt, stream};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 32;
/// On a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);
const SEED: u64 = 0x70_75_72_62_75_73;

/// Values that a careless or a hostile client sends; none of them is an email address, a role, a
/// scope, an address or a URL of ours.
fn junk(rng: &mut StdRng) -> String {
    let fixed = [
        "",
        " ",
        "0",
        "-1",
        "1e999",
        "99999999999999999999",
        "-9223372036854775809",
        "null",
        "[]",
        "{}",
        "true",
        "NaN",
        "'",
        "\"",
        "' OR 1=1 --",
        "../../../etc/passwd",
        "%00",
        "\u{0}",
        "a\u{0}b",
        "\r\nx-injected: 1",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "${7*7}",
        "\u{202e}gnp.exe",
        "\u{feff}",
        "🎸🎸🎸",
        "ﷺ",
        "İ",
        "00000000-0000-0000-0000-00000000000g",
        "e30",
        "eyJpZCI6MX0",
        "W10",
        "2026-13-45T99:99:99Z",
        "+262142-12-31T23:59:59Z",
        "0000-00-00",
        "-262144-01-01T00:00:00Z",
        "file:///etc/passwd",
        "ſ",
        "%ff%fe",
    ];
    match rng.random_range(0..20) {
        0 => "A".repeat(rng.random_range(1_000..6_000)),
        1 => "\u{1F3B8}".repeat(rng.random_range(100..1_000)),
        2 => rng.random::<i128>().to_string(),
        3 => String::from_utf8_lossy(&rng.random::<[u8; 24]>()).into_owned(),
        _ => (*fixed.choose(rng).unwrap()).to_owned(),
    }
}

/// A cursor that unpacks to JSON, but to none that any list gives.
fn cursor(rng: &mut StdRng) -> String {
    let texts = [
        "{\"at\":\"+262142-12-31T23:59:59Z\",\"id\":\"00000000-0000-7000-8000-000000000000\"}",
        "{\"at\":\"-262143-01-01T00:00:00Z\",\"id\":\"00000000-0000-7000-8000-000000000000\"}",
        "{\"sort\":\"name\",\"key\":\"\\u0000\",\"id\":\"00000000-0000-7000-8000-000000000000\"}",
        "{\"sort\":\"bytes\",\"key\":\"99999999999999999999\",\"id\":1}",
        "-9223372036854775808",
        "9223372036854775807",
        "1e300",
        "\"\\u0000\"",
        "[[]]",
        "null",
    ];
    let text = texts.choose(rng).unwrap();
    URL_SAFE_NO_PAD.encode(text)
}

fn json_junk(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..10) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(f64::from(rng.random::<f32>()) * 1e300),
        4 if depth > 0 => json!([json_junk(rng, depth - 1), json_junk(rng, depth - 1)]),
        5 if depth > 0 => json!({ junk(rng): json_junk(rng, depth - 1) }),
        _ => json!(junk(rng)),
    }
}

/// A route with what the document says of it.
#[derive(Debug, Clone)]
struct Operation {
    method: String,
    path: String,
    query: Vec<String>,
    /// The properties of its body; `None` without one.
    body: Option<Vec<String>>,
    is_page: bool,
}

fn properties(document: &Value, operation: &Value) -> Option<Vec<String>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#'))?,
        None => schema,
    };
    Some(schema["properties"].as_object()?.keys().cloned().collect())
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(tourbus_web::openapi()).unwrap();
    let described =
        |method: &str, path: &str| document["paths"][path][method.to_lowercase()].clone();
    let operation = |route: tourbus_web::RouteAccess| {
        let about = described(&route.method, &route.path);
        let parameters = about["parameters"].as_array().cloned().unwrap_or_default();
        let query = parameters.iter().filter(|p| p["in"] == "query");
        Operation {
            query: query.map(|p| p["name"].as_str().unwrap().to_owned()).collect(),
            body: properties(&document, &about),
            is_page: !route.path.starts_with("/api/"),
            method: route.method,
            path: route.path,
        }
    };
    // A stream of events has no end to wait for; what signs everybody out is tried elsewhere.
    let tried = |o: &Operation| o.path != "/api/v1/events";
    tourbus_web::routes().into_iter().map(operation).filter(tried).collect()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

struct Made {
    method: String,
    url: String,
    token: Option<String>,
    content_type: Option<String>,
    body: Vec<u8>,
}

fn path(rng: &mut StdRng, operation: &Operation) -> String {
    let mut part = || match rng.random_range(0..3) {
        0 => uuid::Uuid::from_u128(rng.random()).to_string(),
        1 => "%FF%00".to_owned(),
        _ => {
            let text = encoded(&junk(rng));
            if text.is_empty() { "%20".to_owned() } else { text }
        }
    };
    let mut path = operation.path.clone();
    for place in ["{id}", "{slug}", "{*path}", "{name}"] {
        if path.contains(place) {
            path = path.replace(place, &part());
        }
    }
    path
}

fn query(rng: &mut StdRng, operation: &Operation) -> String {
    let mut pairs = Vec::new();
    for name in &operation.query {
        match rng.random_range(0..4) {
            0 => pairs.push(format!("{name}={}", encoded(&junk(rng)))),
            1 if name == "cursor" => pairs.push(format!("cursor={}", cursor(rng))),
            _ => {}
        }
    }
    if operation.is_page || rng.random_range(0..6) == 0 {
        pairs.push(format!("{}={}", encoded(&junk(rng)), encoded(&junk(rng))));
        pairs.push(format!("cursor={}", cursor(rng)));
    }
    if rng.random_range(0..30) == 0 {
        pairs.push("%&=&==&&%zz=%".to_owned());
    }
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A body that is surely wrong: an unknown field, when nothing else is.
fn body(rng: &mut StdRng, known: &[String]) -> (Option<String>, Vec<u8>) {
    let json_type = Some("application/json".to_owned());
    match rng.random_range(0..12) {
        0 => (json_type, Vec::new()),
        1 => (Some("text/plain".to_owned()), b"{}".to_vec()),
        2 => (None, b"{}".to_vec()),
        3 => (json_type, "[".repeat(rng.random_range(1..20_000)).into_bytes()),
        4 => (json_type, format!("{{\"a\":{}1{}", "[".repeat(500), "]".repeat(500)).into_bytes()),
        5 => (json_type, rng.random::<[u8; 32]>().to_vec()),
        6 => (json_type, json_junk(rng, 3).to_string().into_bytes()),
        7 => (Some(junk(rng)).filter(|t| t.is_ascii()), b"{\"x\": 1}".to_vec()),
        8 if rng.random_range(0..20) == 0 => (json_type, vec![b' '; 3 << 20]),
        _ => {
            let mut object = Map::new();
            for name in known {
                if rng.random_range(0..4) > 0 {
                    object.insert(name.clone(), json_junk(rng, 2));
                }
            }
            object.insert("surely_unknown".to_owned(), json_junk(rng, 1));
            (json_type, Value::Object(object).to_string().into_bytes())
        }
    }
}

/// A form that is surely wrong where any text would make an artist: its address is none.
fn form(rng: &mut StdRng, operation: &Operation) -> Vec<u8> {
    let surely = if operation.path == "/artists/new" { "slug=..%2F&" } else { "" };
    let names = [
        "email",
        "password",
        "role",
        "label",
        "scope",
        "days",
        "current",
        "new",
        "again",
        "all",
        "artist_id",
        "target_server_id",
        "filter",
        "server_id",
        "except_id",
        "reason",
        "key",
        "action",
        "back",
        "next",
        "name",
        "ip",
        "url",
        "slug",
        "disabled",
        "active",
        "is_default",
        "server_limit",
        "sign_up",
        "quota_gib",
        "target",
    ];
    let pairs = (0..rng.random_range(0..8)).map(|_| {
        let name = *names.choose(rng).unwrap();
        format!("{name}={}", encoded(&junk(rng)))
    });
    format!("{surely}{}", pairs.collect::<Vec<_>>().join("&")).into_bytes()
}

fn make(rng: &mut StdRng, operation: &Operation) -> Made {
    let token = match rng.random_range(0..12) {
        0 => None,
        1 => Some("viewer".to_owned()),
        2 => Some(junk(rng)),
        _ => Some("admin".to_owned()),
    };
    let url = format!("{}{}", path(rng, operation), query(rng, operation));
    let (content_type, body) = if operation.is_page && operation.method == "POST" {
        (Some("application/x-www-form-urlencoded".to_owned()), form(rng, operation))
    } else if let Some(known) = &operation.body {
        body(rng, known)
    } else if operation.method != "GET" && rng.random_range(0..3) == 0 {
        body(rng, &[])
    } else {
        (None, Vec::new())
    };
    Made { method: operation.method.clone(), url, token, content_type, body }
}

/// What must not change: how many of each there are.
async fn counts(web: &Web) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for list in ["/accounts", "/tokens", "/servers", "/batches", "/jobs", "/artists"] {
        let (status, page) = web.api(list).await;
        assert_eq!(status, 200, "{list}: {page}");
        counts.insert(list, page["items"].as_array().unwrap().len());
    }
    counts
}

/// Sends it; what is wrong with the answer, if anything is.
async fn send(web: &Web, made: Made) -> (u16, Option<String>) {
    let url = format!("{}{}", web.url, made.url);
    let what: String = format!("{} {}", made.method, made.url).chars().take(300).collect();
    let mut request = web.http.request(made.method.parse().unwrap(), url).body(made.body.clone());
    if let Some(kind) = made.content_type.as_ref().and_then(|k| k.parse().ok()) {
        let kind: reqwest::header::HeaderValue = kind;
        request = request.header("content-type", kind);
    }
    if let Some(token) = &made.token {
        let value = reqwest::header::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
        if let Ok(value) = value {
            request = request.header("authorization", value);
        }
    }
    // The service may end the connection of a body that it will not read: nobody is to go on with it.
    let large = made.body.len() > 2 << 20;
    if large {
        request = request.header("connection", "close");
    }
    let Ok(request) = request.build() else { return (0, None) };
    let again = request.try_clone().unwrap();
    let answer = match web.http.execute(request).await {
        Ok(answer) => Ok(answer),
        // It may have taken a connection that was just being closed, for the body before it was not
        // read: what breaks a connection by itself breaks the next one, too.
        Err(error) if error.is_request() && !large => web.http.execute(again).await,
        Err(error) => Err(error),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if large => return (u16::from(error.is_connect()), None),
        Err(error) => return (0, Some(format!("{what}: {error:?}"))),
    };
    let status = answer.status().as_u16();
    let kind = super::fixture::header(&answer, "content-type");
    if kind == "application/octet-stream" {
        // The program itself: nobody needs all of it a hundred times.
        return (status, None);
    }
    let text = answer.text().await.unwrap_or_default();
    // Nothing listens where the tests' management API should be.
    let no_broker = status == 503 && text.contains("broker_unknown");
    if status >= 500 && !no_broker {
        let body = String::from_utf8_lossy(&made.body).chars().take(300).collect::<String>();
        return (status, Some(format!("{what} with {body}: {status} {text}")));
    }
    let explained = !made.url.starts_with("/api/")
        || !(400..500).contains(&status)
        || (kind == "application/problem+json" && text.contains("\"code\""));
    (status, (!explained).then(|| format!("{what}: {status} {kind} {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_malformed_requests_break_and_create_nothing() {
    let web = Web::start("web_malformed").await;
    let before = counts(&web).await;
    let operations = operations();
    let mut rng = StdRng::seed_from_u64(SEED);
    let requests: Vec<Made> =
        (0..REQUESTS).map(|n| make(&mut rng, &operations[n % operations.len()])).collect();
    let begun = Instant::now();
    let sent = stream::iter(requests).map(|made| send(&web, made)).buffer_unordered(AT_ONCE);
    let answers: Vec<(u16, Option<String>)> =
        tokio::time::timeout(PATIENCE, sent.collect()).await.expect("an answer to each in time");
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (status, _) in &answers {
        *statuses.entry(*status).or_default() += 1;
    }
    println!("{} routes, {:?}: {statuses:?}", operations.len(), begun.elapsed());
    let faults: BTreeSet<&String> =
        answers.iter().filter_map(|(_, fault)| fault.as_ref()).collect();
    let shown: Vec<&str> = faults.iter().take(20).map(|f| f.as_str()).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), shown.join("\n"));
    assert_eq!(counts(&web).await, before, "nothing was created");
    web.finish().await;
}
