//! Servers that join from outside: the printed command, the checks, and who is not let in.

use crate::browser::sign_in;
use fantoccini::Locator;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tourbus_broker::testing::Raw;
use tourbus_config::WebConfig;
use tourbus_domain::{ServerId, Slug};
use tourbus_protocol::{
    ServerKey,
    agent::{Report, SignedReport},
    names,
};
use tourbus_store::NewServer;
use tourbus_tests::{browser::Browser, support::Cluster, tree, wait};
use tourbus_topology::{Management, Topology, remove_server};

/// Longest wait for a check, a join or a move.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that is known, and has not joined yet. Its slug is no other test's: broker users
/// belong to the whole broker.
pub struct Newcomer {
    id: ServerId,
    pub slug: Slug,
    port: u16,
}

impl Newcomer {
    /// One that nobody knows yet.
    fn new() -> Self {
        let slug = format!("j{}", &uuid::Uuid::new_v4().simple().to_string()[..10]);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self { id: ServerId::new(), slug: slug.parse().unwrap(), port: port.port() }
    }

    async fn create(cluster: &Cluster) -> Self {
        Self::create_at(cluster, "http").await
    }

    /// One whose URL has this scheme.
    pub async fn create_at(cluster: &Cluster, scheme: &str) -> Self {
        let new = Self::new();
        let server = NewServer {
            id: new.id,
            slug: new.slug.clone(),
            name: new.name(),
            ip: Ipv4Addr::LOCALHOST.into(),
            url: new.url(scheme),
            is_master: false,
            is_default: false,
        };
        let id = cluster.store().ensure_server(server).await.unwrap();
        Self { id, ..new }
    }

    fn name(&self) -> String {
        format!("Newcomer {}", self.slug)
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}:{}", self.host(), self.port)
    }

    /// Waits for something to be true of it.
    async fn until(&self, cluster: &Cluster, what: &str, done: impl Fn(&Value) -> bool) {
        let look = || async { cluster.api.get(&format!("/servers/{}", self.id)).await.unwrap() };
        wait::until(what, PATIENCE, look, |server: &Value| done(server)).await;
    }

    /// The host of its URL.
    pub fn host(&self) -> String {
        format!("{}.tourbus.localhost", self.slug)
    }

    /// The answer to a wish for a token.
    pub async fn enrol(&self, cluster: &Cluster) -> Value {
        let path = format!("/servers/{}/enrolment", self.id);
        let (status, answer) = cluster.api.post(&path, &json!({})).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer
    }

    async fn checks(&self, cluster: &Cluster) -> Value {
        cluster.api.get(&format!("/servers/{}/checks", self.id)).await.unwrap()
    }

    pub async fn until_checks(&self, cluster: &Cluster, what: &str, done: impl Fn(&Value) -> bool) {
        let look = || self.checks(cluster);
        wait::until(what, PATIENCE, look, |checks: &Value| done(checks)).await;
    }

    /// Lanes of this server that stand on the broker.
    async fn lanes(&self, cluster: &Cluster) -> Vec<String> {
        let (api, vhost) = management(cluster);
        let mine = names::lane_queue(&self.slug, tourbus_domain::Lane::Export);
        let prefix = mine.trim_end_matches("export").to_owned();
        let all = api.queues(&vhost).await.unwrap();
        all.into_iter().filter(|q| q.starts_with(&prefix)).collect()
    }

    /// Removes what the whole broker would keep of it.
    pub async fn forget(&self, cluster: &Cluster) {
        let (api, vhost) = management(cluster);
        remove_server(&api, &vhost, &self.slug).await.unwrap();
    }
}

fn management(cluster: &Cluster) -> (Management, String) {
    let config: WebConfig = cluster.config_of("web");
    (Management::new(&config.management).unwrap(), config.management.vhost)
}

/// The check of this name, in an answer.
pub fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let all = checks["checks"].as_array().unwrap();
    all.iter().find(|c| c["name"] == name).unwrap()
}

pub fn all_green(checks: &Value) -> bool {
    checks["checks"].as_array().unwrap().iter().all(|c| c["state"] == "green")
}

/// The printed command, run as the new machine would: in a directory of its own, without sudo.
pub struct Installation {
    child: Child,
    pub dir: PathBuf,
    output: PathBuf,
}

impl Installation {
    fn run(command: &str, root: &Path) -> Self {
        Self::run_with(command, root, "")
    }

    /// The same, with more options of `tourbus join`.
    pub fn run_with(command: &str, root: &Path, more: &str) -> Self {
        let (dir, bin) = (root.join("server"), root.join("tourbus"));
        let (before, after) = command.split_once("| sudo ").unwrap();
        let token = after.strip_suffix(" sh").unwrap();
        let text = format!(
            "{before}| TOURBUS_BIN={} {token} sh -s -- --foreground {more} --dir {}",
            bin.display(),
            dir.display()
        );
        let output = root.join("output");
        let log = fs::File::create(&output).unwrap();
        let child = Command::new("sh")
            .args(["-c", &text])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir, output }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    pub async fn until_said(&self, text: &str) {
        let look = || async { self.said() };
        wait::until(text, PATIENCE, look, |said: &String| said.contains(text)).await;
    }

    /// As Ctrl-C does; must end by itself.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let mut ended = None;
        let look = || {
            ended = self.child.try_wait().unwrap();
            let ended = ended.is_some();
            async move { ended }
        };
        wait::until("the installation to stop", PATIENCE, look, |ended| *ended).await;
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(self.child.id() as i32).unwrap();
        // It may be gone already.
        kill_process_group(group, signal).ok();
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A person before the server's page.
struct Admin {
    browser: Browser,
}

impl Admin {
    async fn before(cluster: &Cluster, server: &Newcomer, width: u32, dark: bool) -> Self {
        let browser = Browser::start(width, dark).await;
        sign_in(&browser, cluster).await;
        let page = format!("{}/servers/{}", cluster.admin().0, server.id);
        browser.client.goto(&page).await.unwrap();
        Self { browser }
    }

    /// The text of what appears, within the limit, without a reload.
    async fn sees(&self, what: &str) -> String {
        self.browser.text(what).await
    }

    async fn clicks(&self, what: &str) {
        self.browser.click(what).await;
    }

    async fn sees_check(&self, name: &str, state: &str) {
        self.sees(&format!("li[data-check='{name}'][data-state='{state}']")).await;
    }
}

impl Admin {
    /// Fills the form of Create Server in; the newcomer that it makes, and the page with its
    /// command.
    async fn creates(&self, cluster: &Cluster) -> Newcomer {
        let newcomer = Newcomer::new();
        self.goes(cluster, "/servers").await;
        self.clicks("a[href='/servers/new']").await;
        self.types("#name", &newcomer.name()).await;
        self.types("#ip", "127.0.0.1").await;
        self.types("#url", &newcomer.url("http")).await;
        self.browser.picture("server-create").await;
        self.clicks(".server-form button.primary").await;
        self.sees("#command").await;
        let all = cluster.api.all("/servers").await.unwrap();
        let made = all.iter().find(|s| s["name"] == newcomer.name()).unwrap();
        assert_eq!((&made["active"], &made["is_default"]), (&json!(true), &json!(false)), "{made}");
        let text = |key: &str| made[key].as_str().unwrap();
        Newcomer {
            id: text("id").parse().unwrap(),
            slug: text("slug").parse().unwrap(),
            port: newcomer.port,
        }
    }

    async fn goes(&self, cluster: &Cluster, path: &str) {
        self.browser.client.goto(&format!("{}{path}", cluster.admin().0)).await.unwrap();
    }

    async fn types(&self, what: &str, text: &str) {
        self.browser.fill(what, text).await;
    }

    /// Makes it the default server, or another one that.
    async fn makes_default(&self, cluster: &Cluster, server: &str) {
        self.goes(cluster, &format!("/servers/{server}/modify")).await;
        self.clicks("input[name='is_default'][value='1']").await;
        self.clicks(".server-form button.primary").await;
        self.sees("[role='status']").await;
        let seen = cluster.api.get(&format!("/servers/{server}")).await.unwrap();
        assert_eq!(seen["is_default"], true, "{seen}");
    }

    /// Moves the artists that the filter leaves.
    async fn moves(&self, cluster: &Cluster, filter: &str, server: &str) {
        self.goes(cluster, "/move").await;
        self.types("#filter", filter).await;
        self.sees(&format!(".list-head[data-filter='{filter}'][data-matching='1']")).await;
        self.clicks("#all").await;
        self.clicks(&format!("label.server[data-id='{server}'] input")).await;
        self.clicks("#move-form button.primary[value='move']").await;
        self.sees("#batch").await;
        let done = Locator::XPath("//*[@data-text='moved' and text()='1']");
        self.browser.client.wait().at_most(PATIENCE).for_element(done).await.unwrap();
    }

    /// Until the page says that it is gone.
    async fn drains_and_deletes(&self, cluster: &Cluster, server: &Newcomer) {
        let id = server.id;
        self.goes(cluster, &format!("/servers/{id}/drain")).await;
        self.browser.picture("server-drain").await;
        self.clicks("#drain").await;
        // Its page tells when the last has left, and leads on.
        self.sees(&format!("a.danger[href='/servers/{id}/delete']")).await;
        let open = || async {
            let open =
                format!("/jobs?server_id={id}&state=queued,copying,syncing,cutover,retiring");
            cluster.api.all(&open).await.unwrap()
        };
        wait::until("no open job of it", PATIENCE, open, Vec::is_empty).await;
        self.goes(cluster, "/servers/delete").await;
        self.browser.picture("server-delete").await;
        self.clicks(&format!("a[href='/servers/{id}/delete']")).await;
        self.sees("#delete").await;
        self.browser.picture("server-delete-sure").await;
        self.clicks("#delete").await;
        self.sees("a[href='/servers/new']").await;
        let all = cluster.api.all("/servers").await.unwrap();
        assert!(all.iter().all(|s| s["id"] != id.to_string()), "{all:?}");
    }
}

/// From the first form to the last, as an admin does it: a server is made in the browser, joins by the printed
/// command, is mended, takes artists, becomes the default server, is drained and deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_is_mended_takes_artists_and_goes() {
    let cluster = Cluster::start("joining").await;
    let admin = Admin { browser: Browser::start(1280, false).await };
    sign_in(&admin.browser, &cluster).await;
    let newcomer = admin.creates(&cluster).await;
    let checks = newcomer.checks(&cluster).await;
    assert_eq!(check(&checks, "broker")["state"], "pending", "{checks}");
    let root = tempfile::tempdir().unwrap();
    // Where the media root will be, there is a file: not even root can write into that.
    let media = root.path().join("server/media");
    fs::create_dir(root.path().join("server")).unwrap();
    fs::write(&media, b"in the way").unwrap();

    let command = admin.sees("#command").await;
    admin.browser.picture("join-command").await;
    let token = command.split("TOURBUS_TOKEN=").nth(1).unwrap().split(' ').next().unwrap();
    let installation = Installation::run(&command, root.path());
    for name in ["agent", "version", "clock", "broker", "staging", "url", "ip"] {
        admin.sees_check(name, "green").await;
    }
    admin.sees_check("media_root", "red").await;
    admin.browser.picture("join-red").await;
    let red = newcomer.checks(&cluster).await;
    let red = check(&red, "media_root").clone();
    let (cause, remedy) = (red["cause"].as_str().unwrap(), red["remedy"].as_str().unwrap());
    assert!(cause.contains(media.to_str().unwrap()), "{red}");
    installation.until_said(remedy).await;
    assert!(!installation.said().contains(token), "the token was printed");

    // The remedy is followed to the letter.
    let mending = admin.sees("li[data-check='media_root'] .remedy code").await;
    assert_eq!(Some(mending.as_str()), remedy.split('`').nth(1));
    let mended = Command::new("sh").args(["-c", &mending]).status().unwrap();
    assert!(mended.success(), "{mending}");
    admin.clicks("#try-again").await;
    admin.sees_check("media_root", "green").await;
    newcomer.until_checks(&cluster, "all checks green", all_green).await;
    admin.sees("#checks[data-green]").await;
    admin.browser.picture("join-green").await;
    let phone = Admin::before(&cluster, &newcomer, 390, true).await;
    phone.browser.picture("join-phone-dark").await;
    phone.browser.close().await;
    installation.until_said("All checks are green").await;

    let artist =
        cluster.add_artist("server2", |at| fs::write(at.join("song.mp3"), b"a song")).await;
    let before = cluster.snapshot("server2", &artist);
    let target = newcomer.id.to_string();
    // Its worker could not start before; it is tried again with growing pauses.
    newcomer.until(&cluster, "its worker", |server| server["state"] == "online").await;
    admin.moves(&cluster, "Artist 0", &target).await;
    let home = async |id: &str| {
        let seen = cluster.api.get(&format!("/artists/{id}")).await.unwrap();
        seen["server_id"].as_str().unwrap().to_owned()
    };
    let id = artist.id.to_string();
    assert_eq!(home(&id).await, target);
    assert_eq!(tree::snapshot(&installation.dir.join("media").join(&id)).unwrap(), before);
    assert_eq!(cluster.hear(&artist, "song.mp3").await.unwrap(), b"a song");
    for name in ["server.key", "join.json", "settings.json", "agent/state.json"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(installation.dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    admin.makes_default(&cluster, &target).await;
    let (status, fresh) = cluster.api.post("/artists", &json!({"name": "Fresh"})).await.unwrap();
    assert!((200..300).contains(&status), "{fresh}");
    assert_eq!(home(fresh["id"].as_str().unwrap()).await, target);
    admin.makes_default(&cluster, &cluster.server_id("master")).await;

    admin.drains_and_deletes(&cluster, &newcomer).await;
    assert_ne!(home(&id).await, target);
    assert_eq!(cluster.hear(&artist, "song.mp3").await.unwrap(), b"a song");
    installation.until_said("This server was deleted from its cluster").await;
    let lanes = || newcomer.lanes(&cluster);
    wait::until("its lanes to go", PATIENCE, lanes, Vec::is_empty).await;
    admin.browser.close().await;
    let processes = fs::read_to_string(installation.dir.join("processes.json")).unwrap();
    assert!(!processes.contains("worker-"), "its workers rest: {processes}");
    installation.stop().await;
    cluster.finish().await;
}

/// Lost its key, or it is time for another: the command of its page once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_joins_anew_has_another_key_and_the_old_one_opens_nothing() {
    let cluster = Cluster::start("rekeyed").await;
    let newcomer = Newcomer::create(&cluster).await;
    let root = tempfile::tempdir().unwrap();
    let command = |enrolment: Value| enrolment["command"].as_str().unwrap().to_owned();
    let first = Installation::run(&command(newcomer.enrol(&cluster).await), root.path());
    first.until_said("All checks are green").await;
    let secrets = |dir: &Path| {
        let key = fs::read_to_string(dir.join("server.key")).unwrap();
        let worker = dir.join(format!("config/worker-{}-1.toml", newcomer.slug));
        let config: tourbus_config::WorkerConfig = tourbus_config::load(&worker).unwrap();
        (ServerKey::from_hex(&key).unwrap(), config.broker)
    };
    let (old_key, old_broker) = secrets(&first.dir);
    Raw::connect(&old_broker).await.unwrap();
    first.stop().await;

    let second = Installation::run(&command(newcomer.enrol(&cluster).await), root.path());
    second.until_said("All checks are green").await;
    let (new_key, new_broker) = secrets(&second.dir);
    assert_ne!(new_key.public_key_hex(), old_key.public_key_hex());
    Raw::connect(&new_broker).await.unwrap();
    assert!(Raw::connect(&old_broker).await.is_err(), "the old password still opens the broker");
    let report = Report {
        server: newcomer.slug.clone(),
        seq: u64::MAX / 2,
        at: chrono::Utc::now(),
        version: "0.0.0".to_owned(),
        checks: Vec::new(),
        settings: None,
    };
    let signed = serde_json::to_value(SignedReport::new(&report, &old_key).unwrap()).unwrap();
    let (_, answer) = cluster.api.post("/agent/report", &signed).await.unwrap();
    assert_eq!(answer["code"], "wrong_signature", "{answer}");

    // It is the same server, and works.
    let artist =
        cluster.add_artist("server2", |at| fs::write(at.join("song.mp3"), b"a song")).await;
    newcomer.until(&cluster, "its worker", |server| server["state"] == "online").await;
    let (ids, target) = ([artist.id.to_string()], newcomer.id.to_string());
    let answer = cluster.api.move_artists(&ids, &target).await.unwrap();
    cluster.wait_batch(answer["batch_id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(cluster.hear(&artist, "song.mp3").await.unwrap(), b"a song");
    second.stop().await;
    newcomer.forget(&cluster).await;
    cluster.finish().await;
}

/// What a server says that asks to be let in.
fn asks(token: &str, key: &ServerKey) -> Value {
    json!({
        "token": token, "public_key": key.public_key_hex(),
        "version": env!("CARGO_PKG_VERSION"), "at": chrono::Utc::now(),
    })
}

fn key(seed: u8) -> ServerKey {
    ServerKey::from_bytes(&[seed; 32])
}

async fn refused(cluster: &Cluster, ask: &Value) -> String {
    let (status, answer) = cluster.api.post("/join", ask).await.unwrap();
    assert!((400..500).contains(&status), "{status} {answer}");
    for part in ["detail", "remedy"] {
        assert!(!answer[part].as_str().unwrap_or("").is_empty(), "{answer}");
    }
    answer["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_lets_one_server_in_once_and_nothing_half_made_stays() {
    let cluster = Cluster::start("tokens").await;
    let newcomer = Newcomer::create(&cluster).await;
    let token = |answer: Value| answer["token"].as_str().unwrap().to_owned();
    let first = token(newcomer.enrol(&cluster).await);
    let second = token(newcomer.enrol(&cluster).await);
    assert_eq!(refused(&cluster, &asks("tbj_nobody", &key(1))).await, "token_unknown");
    assert_eq!(refused(&cluster, &asks(&first, &key(1))).await, "token_replaced");
    let mut odd = asks(&second, &key(1));
    odd["version"] = json!("9.9.9");
    assert_eq!(refused(&cluster, &odd).await, "incompatible_version");
    let mut late = asks(&second, &key(1));
    late["at"] = json!(chrono::Utc::now() - chrono::TimeDelta::minutes(7));
    assert_eq!(refused(&cluster, &late).await, "clock_off");
    assert_eq!(newcomer.lanes(&cluster).await, [""; 0]);
    assert_eq!(newcomer.checks(&cluster).await["joined_at"], Value::Null);

    let let_in = async |key: &ServerKey| {
        let (status, answer) = cluster.api.post("/join", &asks(&second, key)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["broker"]["password"].as_str().unwrap().to_owned()
    };
    // A lost answer strands nobody: the same server may ask again.
    let password = let_in(&key(1)).await;
    assert_ne!(let_in(&key(1)).await, password);
    assert_eq!(refused(&cluster, &asks(&second, &key(2))).await, "token_used");
    assert_eq!(newcomer.lanes(&cluster).await.len(), tourbus_domain::Lane::ALL.len());
    cluster.store().enrol(newcomer.id, "tbj_spent", 0, "a test").await.unwrap();
    assert_eq!(refused(&cluster, &asks("tbj_spent", &key(1))).await, "token_expired");

    let config = cluster.topology_config();
    let joined = cluster.store().joined_servers().await.unwrap();
    let (api, _) = management(&cluster);
    let differences = Topology::new(&config).with_joined(joined).doctor(&api).await.unwrap();
    assert_eq!(differences, []);

    let mut code = String::new();
    for _ in 0..20 {
        code = refused(&cluster, &asks("tbj_guess", &key(3))).await;
        if code == "too_many_attempts" {
            break;
        }
    }
    assert_eq!(code, "too_many_attempts");
    newcomer.forget(&cluster).await;
    cluster.finish().await;
}

#[tokio::test]
async fn only_the_servers_own_new_reports_are_taken() {
    let cluster = Cluster::start("reports").await;
    let newcomer = Newcomer::create(&cluster).await;
    let report = |seq: u64| Report {
        server: newcomer.slug.clone(),
        seq,
        at: chrono::Utc::now(),
        version: "0.0.0".to_owned(),
        checks: Vec::new(),
        settings: Some("of yesterday".to_owned()),
    };
    let send = async |signed: &SignedReport| {
        let body = serde_json::to_value(signed).unwrap();
        let (status, answer) = cluster.api.post("/agent/report", &body).await.unwrap();
        (status, answer)
    };
    let signed = |seq, by: &ServerKey| SignedReport::new(&report(seq), by).unwrap();
    assert_eq!(send(&signed(1, &key(1))).await.1["code"], "not_joined");
    let enrolment = newcomer.enrol(&cluster).await;
    let ask = asks(enrolment["token"].as_str().unwrap(), &key(1));
    assert_eq!(cluster.api.post("/join", &ask).await.unwrap().0, 200);

    let (status, answer) = send(&signed(5, &key(1))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["checks_wanted"], true);
    assert!(answer["settings"]["staging"]["secret_key"].is_string(), "settings had changed");
    for seq in [5, 4] {
        assert_eq!(send(&signed(seq, &key(1))).await.1["code"], "report_replayed", "{seq}");
    }
    assert_eq!(send(&signed(6, &key(2))).await.1["code"], "wrong_signature");
    let mut altered = signed(6, &key(1));
    altered.report = altered.report.replace("\"seq\":6", "\"seq\":7");
    assert_eq!(send(&altered).await.1["code"], "wrong_signature");
    let mut as_another = signed(6, &key(1));
    as_another.server = "server2".parse().unwrap();
    assert_eq!(send(&as_another).await.1["code"], "wrong_signature");
    as_another.server = "nobody".parse().unwrap();
    assert_eq!(send(&as_another).await.1["code"], "unknown_server");
    assert_eq!(send(&signed(6, &key(1))).await.0, 200);
    newcomer.forget(&cluster).await;
    cluster.finish().await;
}
