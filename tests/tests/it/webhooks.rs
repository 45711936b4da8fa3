//! Webhooks on real parts: what happens is told to a real receiver, signed, until it arrives.

use crate::{
    quarantine::mend,
    verify::{rot, verify},
};
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, response::IntoResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tourbus_tests::{support::Cluster, tree, wait};

const MINUTE: Duration = Duration::from_secs(60);
/// Only this one address of the machine is allowed.
pub const QUICK: &str = "
[coordinator]
offline_after_s = 10
[coordinator.webhooks]
allow_private = ['127.0.0.1']
retry_base_ms = 200
retry_max_ms = 500
timeout_ms = 3000
tries_max = 50
[coordinator.moves]
step_attempts_max = 1
rollback_attempts_max = 1
";

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 30_000)
}

/// What arrived.
#[derive(Debug, Clone)]
pub struct Got {
    id: String,
    timestamp: String,
    signatures: String,
    text: String,
    status: u16,
}

impl Got {
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// As a receiver checks it: one of the signatures is this secret's.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.text);
        let mine = format!("v1,{}", STANDARD.encode(hmac(&key, text.as_bytes())));
        let age = chrono::Utc::now().timestamp() - self.timestamp.parse::<i64>().unwrap();
        age.abs() < 300 && self.signatures.split(' ').any(|s| s == mine)
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = key.to_vec();
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

#[derive(Default)]
struct Desk {
    got: Vec<Got>,
    /// What is answered next; 200 when nothing is said.
    answers: Vec<u16>,
}

/// A program that takes webhooks.
pub struct Receiver {
    desk: Arc<Mutex<Desk>>,
    port: u16,
    running: JoinHandle<()>,
}

async fn take(
    State(desk): State<Arc<Mutex<Desk>>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let mut desk = desk.lock().unwrap();
    let status = if desk.answers.is_empty() { 200 } else { desk.answers.remove(0) };
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    desk.got.push(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        text: String::from_utf8(body.to_vec()).unwrap(),
        status,
    });
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, [("location", "/elsewhere")], "thank you".repeat(1000))
}

fn serve(listener: TcpListener, desk: Arc<Mutex<Desk>>) -> JoinHandle<()> {
    let app = Router::new().fallback(take).with_state(desk);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Arc::<Mutex<Desk>>::default();
        Self { running: serve(listener, desk.clone()), desk, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks", self.port)
    }

    /// Nobody listens there any more, as far as new connections go.
    async fn stop(&mut self) {
        self.running.abort();
        assert!((&mut self.running).await.unwrap_err().is_cancelled());
    }

    async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.running = serve(listener, self.desk.clone());
    }

    fn answers(&self, statuses: &[u16]) {
        self.desk.lock().unwrap().answers = statuses.to_vec();
    }

    pub fn got(&self) -> Vec<Got> {
        self.desk.lock().unwrap().got.clone()
    }

    /// Until this event has arrived; the message.
    pub async fn wait_for(&self, event: &str) -> Got {
        let found = || async {
            self.got().into_iter().find(|g| g.status == 200 && g.body()["type"] == event)
        };
        wait::until(event, 2 * MINUTE, found, Option::is_some).await.unwrap()
    }
}

/// Every event that is told.
const ALL: [&str; 8] = [
    "batch.finished",
    "batch.failed",
    "server.offline",
    "server.online",
    "job.stuck",
    "verify.finding",
    "balance.out_of_balance",
    "balance.watch_silent",
];

/// A webhook for these events: its path in the API, and its secret.
async fn hook(cluster: &Cluster, url: &str, events: &[&str]) -> (String, String) {
    let body = json!({ "name": "Ops", "url": url, "events": events });
    let (status, made) = cluster.api.post("/webhooks", &body).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
    (path, made["secret"].as_str().unwrap().to_owned())
}

async fn post(cluster: &Cluster, path: &str) -> Value {
    let (status, answer) = cluster.api.post(path, &json!({})).await.unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// Until the newest delivery fits; it.
async fn newest(cluster: &Cluster, hook: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{hook}/deliveries?limit=1");
    let read = || async { cluster.api.get(&path).await.unwrap()["items"][0].clone() };
    wait::until(what, MINUTE, read, |d| fits(d)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_signed_and_again_until_it_arrives() {
    let cluster = Cluster::start_with("webhooks", QUICK).await;
    let mut receiver = Receiver::start().await;
    let (hook, secret) = hook(&cluster, &receiver.url(), &["batch.finished"]).await;
    receiver.answers(&[500, 503]);
    let artist = cluster.add_artist("server2", small).await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    let told = receiver.wait_for("batch.finished").await;
    let tries = receiver.got();
    assert_eq!(tries.iter().map(|g| g.status).collect::<Vec<_>>(), [500, 503, 200]);
    assert!(tries.iter().all(|g| g.id == told.id && g.text == told.text), "{tries:?}");
    assert!(told.is_signed_by(&secret) && !told.is_signed_by("whsec_AAAA"), "{told:?}");
    let body = told.body();
    assert_eq!((&body["data"]["batch_id"], &body["data"]["succeeded"]), (&json!(batch), &json!(1)));
    let link = body["data"]["link"].as_str().unwrap();
    assert!(link.starts_with("http") && link.ends_with(&format!("/batches/{batch}")), "{link}");
    let seen = newest(&cluster, &hook, "delivered", |d| d["state"] == "delivered").await;
    assert_eq!((&seen["tries"], &seen["status"]), (&json!(3), &json!(200)), "{seen}");
    assert_eq!(seen["answer"].as_str().unwrap().len(), 1024, "no more than 1 KiB is kept");

    // Sent again, it is the same message.
    let id = seen["id"].as_str().unwrap();
    post(&cluster, &format!("/webhooks/deliveries/{id}/send-again")).await;
    let all = wait::until("it again", MINUTE, || async { receiver.got() }, |g| g.len() == 4).await;
    assert!(all[3].id == told.id && all[3].text == told.text && all[3].is_signed_by(&secret));

    // While the receiver is away, it waits.
    receiver.stop().await;
    post(&cluster, &format!("{hook}/test")).await;
    let away = newest(&cluster, &hook, "a try that failed", |d| !d["error"].is_null()).await;
    assert_eq!((&away["state"], &away["status"]), (&json!("pending"), &Value::Null), "{away}");
    receiver.start_again().await;
    receiver.wait_for("webhook.test").await;

    // For a day both secrets sign.
    let fresh = post(&cluster, &format!("{hook}/rotate")).await;
    let fresh = fresh["secret"].as_str().unwrap();
    assert_ne!(fresh, secret);
    let before = receiver.got().len();
    post(&cluster, &format!("{hook}/test")).await;
    let all =
        wait::until("the test", MINUTE, || async { receiver.got() }, |g| g.len() > before).await;
    let last = all.last().unwrap();
    assert!(last.is_signed_by(fresh) && last.is_signed_by(&secret), "{last:?}");

    // A redirect is no arrival, and is not followed; who is gone is told no more.
    receiver.answers(&[302, 410]);
    let before = receiver.got().len();
    post(&cluster, &format!("{hook}/test")).await;
    let off = newest(&cluster, &hook, "given up", |d| d["state"] == "failed").await;
    assert_eq!((&off["tries"], &off["status"]), (&json!(2), &json!(410)), "{off}");
    assert_eq!(receiver.got().len(), before + 2);
    let state = cluster.api.get(&hook).await.unwrap();
    assert_eq!((&state["state"], &state["active"]), (&json!("switched_off"), &json!(false)));

    // No other address than the one that is allowed, whatever the webhook says.
    let elsewhere = format!("http://127.0.0.2:{}/", receiver.port);
    let body = json!({ "url": elsewhere, "active": true });
    assert_eq!(cluster.api.patch(&hook, &body).await.unwrap().0, 200);
    let before = receiver.got().len();
    post(&cluster, &format!("{hook}/test")).await;
    let refused = |d: &Value| d["error"].as_str().is_some_and(|e| e.contains("no public address"));
    let refused = newest(&cluster, &hook, "the refusal", refused).await;
    assert_eq!((&refused["state"], &refused["tries"]), (&json!("failed"), &json!(1)), "{refused}");
    for (url, code) in [("http://10.0.0.1/", 422), ("ftp://x/", 422), ("https://10.0.0.1/", 200)] {
        let body = json!({ "url": url });
        assert_eq!(cluster.api.patch(&hook, &body).await.unwrap().0, code, "{url}");
    }
    post(&cluster, &format!("{hook}/test")).await;
    let refused = |d: &Value| d["error"].as_str().is_some_and(|e| e.contains("10.0.0.1 is at"));
    newest(&cluster, &hook, "the other refusal", refused).await;
    assert_eq!(receiver.got().len(), before);
    cluster.finish().await;
}

/// Nothing can arrive there any more, nor be undone: where the directory was is a file.
fn spoil(cluster: &Cluster, slug: &str) {
    let incoming = cluster.hidden(slug, "incoming");
    fs::remove_dir(&incoming).unwrap();
    fs::write(incoming, "").unwrap();
}

/// A song of an artist's.
fn song(root: &Path) -> PathBuf {
    let files = fs::read_dir(root.join("songs")).unwrap().map(|f| f.unwrap().path());
    files.filter(|p| p.is_file()).min().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_told_when_its_real_cause_happens() {
    let cluster = Cluster::start_with("webhook_causes", QUICK).await;
    let receiver = Receiver::start().await;
    let (_, secret) = hook(&cluster, &receiver.url(), &ALL).await;

    // It looks once by itself, at an empty cluster.
    let watch = || async { cluster.api.get("/balance/watch").await.unwrap() };
    wait::until("the first look", MINUTE, watch, |w| w["last_run_at"].is_string()).await;
    // All plays are on one server, twice in a row.
    let artist = cluster.add_artist("master", small).await;
    let look = async || {
        let before = cluster.api.get("/balance/watch").await.unwrap()["last_run_at"].clone();
        post(&cluster, "/balance/watch/run").await;
        let seen = || async { cluster.api.get("/balance/watch").await.unwrap() };
        wait::until("a look", MINUTE, seen, |w| w["last_run_at"] != before).await
    };
    let first = look().await;
    assert_eq!((&first["out_runs"], &first["alert_since"]), (&json!(1), &Value::Null), "{first}");
    let second = look().await;
    assert!(second["alert_since"].is_string(), "{second}");
    let told = receiver.wait_for("balance.out_of_balance").await.body();
    let off = told["data"]["worst_off"].as_f64().unwrap();
    assert!((off - 2.0).abs() < 1e-6, "three times its share: {told}");

    // A file rots.
    verify(&cluster, &artist).await;
    rot(&song(&cluster.tree("master", &artist)));
    verify(&cluster, &artist).await;
    let told = receiver.wait_for("verify.finding").await.body();
    assert_eq!(told["data"]["artist_id"], json!(artist.id), "{told}");
    assert_eq!(told["data"]["files"][0]["kind"], "corrupt", "{told}");

    // A move fails, and so does undoing it.
    spoil(&cluster, "server2");
    let other = cluster.add_artist("master", small).await;
    let batch = cluster.move_all(std::slice::from_ref(&other), "server2").await;
    let told = receiver.wait_for("job.stuck").await.body();
    let job = told["data"]["job_id"].as_str().unwrap().to_owned();
    assert_eq!(told["data"]["batch_id"], json!(batch), "{told}");
    assert!(told["data"]["link"].as_str().unwrap().ends_with(&format!("/jobs/{job}")), "{told}");
    let failed = receiver.wait_for("batch.failed").await.body();
    assert_eq!(
        (&failed["data"]["batch_id"], &failed["data"]["failed"]),
        (&json!(batch), &json!(1))
    );
    mend(&cluster, "server2");
    post(&cluster, &format!("/jobs/{job}/retry")).await;
    let state =
        || async { cluster.api.get(&format!("/jobs/{job}")).await.unwrap()["state"].clone() };
    wait::until("undone", MINUTE, state, |s| s == "failed").await;

    // A server's worker is stopped, and goes on.
    cluster.pause("worker-server3-1");
    let told = receiver.wait_for("server.offline").await.body();
    assert_eq!(told["data"]["slug"], "server3", "{told}");
    cluster.resume("worker-server3-1");
    let told = receiver.wait_for("server.online").await.body();
    assert_eq!(told["data"]["server_id"], json!(cluster.server_id("server3")), "{told}");
    assert!(receiver.got().iter().all(|g| g.is_signed_by(&secret)));
    cluster.finish().await;
}
