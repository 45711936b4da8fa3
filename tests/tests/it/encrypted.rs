//! A cluster whose broker, management API and staging store speak TLS only, with a private
//! authority, and whose broker lets nobody in without a certificate.

use crate::joining::{Installation, Newcomer, all_green, check};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use tokio::{io::copy_bidirectional, net::TcpListener};
use tokio_util::task::AbortOnDropHandle;
use tourbus_broker::{ConnectError, try_once};
use tourbus_config::{BrokerConfig, ClientTlsConfig, TlsConfig, WorkerConfig};
use tourbus_local::{InfraTls, find_tourbus};
use tourbus_staging::{S3Staging, Staging, StagingError};
use tourbus_tests::{authority::Authority, support::Cluster, support::endpoints, tree, wait};
use tourbus_tls::{Fault, Listener};

const PATIENCE: Duration = Duration::from_secs(120);
/// Where the parts are; not `localhost`.
const HERE: &str = "127.0.0.1";

fn parts(authority: &Authority) -> (InfraTls, TlsConfig) {
    let server = authority.issue("parts", &[HERE]);
    let ours = authority.issue("ours", &["a process of ours"]);
    let client = ClientTlsConfig {
        ca_file: Some(authority.ca()),
        ca_pem: None,
        certificate: Some(ours.certificate),
        key: Some(ours.key),
    };
    (InfraTls { server: server.clone(), client }, server)
}

async fn moves(cluster: &Cluster, seed: u64, from: &str, to: &str) {
    let artist = cluster.add_artist(from, |root| tree::odd(root, seed)).await;
    let before = cluster.snapshot(from, &artist);
    let batch = cluster.move_all(std::slice::from_ref(&artist), to).await;
    cluster.wait_batch(&batch, PATIENCE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "succeeded", "{job}");
    tree::assert_equal(&before, &cluster.snapshot(to, &artist), "moved encrypted");
}

async fn fault(config: &BrokerConfig) -> Fault {
    match try_once(config, "test").await {
        Err(ConnectError::Tls(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// Every way to do it wrong is told apart.
async fn what_is_wrong_is_told(broker: &BrokerConfig, ours: &Authority) {
    try_once(broker, "test").await.unwrap();
    let with = |change: &dyn Fn(&mut BrokerConfig)| {
        let mut config = broker.clone();
        change(&mut config);
        config
    };
    let stranger = Authority::new("a stranger");
    let strangers = stranger.issue("strangers", &["nobody"]);

    let unknown = with(&|c| c.tls.ca_file = Some(stranger.ca()));
    assert_eq!(fault(&unknown).await, Fault::UnknownAuthority);
    let none = with(&|c| (c.tls.certificate, c.tls.key) = (None, None));
    assert_eq!(fault(&none).await, Fault::CertificateWanted);
    let foreign = with(&|c| {
        (c.tls.certificate, c.tls.key) =
            (Some(strangers.certificate.clone()), Some(strangers.key.clone()));
    });
    assert!(matches!(fault(&foreign).await, Fault::CertificateRefused { .. }));
    let name = with(&|c| c.address = c.address.replace(HERE, "localhost"));
    let wrong = Fault::WrongName {
        expected: Some("localhost".to_owned()),
        presented: vec![HERE.to_owned()],
    };
    assert_eq!(fault(&name).await, wrong);
    let missing = with(&|c| c.tls.ca_file = Some(ours.path("missing.pem")));
    let told = fault(&missing).await.to_string();
    assert!(told.contains("tls.ca_file") && told.contains("missing.pem"), "{told}");

    // TLS to a plain port, and plain to a port of TLS.
    let plain_port = format!("amqps://{}", endpoints().broker.address);
    assert_eq!(fault(&with(&|c| c.address.clone_from(&plain_port))).await, Fault::NotTls);
    let plain = with(&|c| c.address = c.address.replace("amqps://", "amqp://"));
    match try_once(&plain, "test").await {
        Err(error @ ConnectError::NotAmqp(_)) => {
            assert!(error.to_string().contains("say amqps://"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// A check of a server as the master knows it.
async fn seen(cluster: &Cluster, server: &str, name: &str) -> Value {
    let path = format!("/servers/{}/checks", cluster.server_id(server));
    check(&cluster.api.get(&path).await.unwrap(), name).clone()
}

async fn until_red(cluster: &Cluster, name: &str, words: [&str; 2]) {
    let look = || seen(cluster, "server2", name);
    let done = |check: &Value| {
        let has = |(part, words): (&str, &str)| check[part].as_str().unwrap().contains(words);
        check["state"] == "red" && ["cause", "remedy"].into_iter().zip(words).all(has)
    };
    wait::until(&format!("{name} to be red: {words:?}"), PATIENCE, look, done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_go_on_over_restarts_and_renewed_certificates() {
    let first = Authority::new("first");
    let (tls, server) = parts(&first);
    let cluster = Cluster::start_encrypted("encrypted", tls, "").await;
    let worker: WorkerConfig = cluster.config_of("worker-server2-1");
    assert!(worker.broker.address.starts_with("amqps://"), "{}", worker.broker.address);
    assert!(worker.staging.endpoint.starts_with("https://"), "{}", worker.staging.endpoint);
    moves(&cluster, 1, "server2", "server3").await;
    what_is_wrong_is_told(&worker.broker, &first).await;

    // The broker's certificate comes from another authority, which everybody was told of before:
    // whoever connects again has read that.
    let pids = || ["coordinator", "worker-server2-1", "worker-server3-1"].map(|p| cluster.pid(p));
    let before = pids();
    let second = Authority::new("second");
    fs::write(first.ca(), format!("{}{}", first.pem(), second.pem())).unwrap();
    second.replace(&server, &[HERE]);
    cluster.kill("rabbitmq").await;
    // The store has taken it up by itself, before or after that.
    moves(&cluster, 2, "server3", "server2").await;
    assert_eq!(pids(), before, "somebody was restarted");
    let only_first = first.path("only-first.pem");
    fs::write(&only_first, first.pem()).unwrap();
    let mut old = worker.broker.clone();
    old.tls.ca_file = Some(only_first);
    assert_eq!(fault(&old).await, Fault::UnknownAuthority);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_say_what_is_wrong_with_a_certificate() {
    let authority = Authority::new("ours");
    let (tls, server) = parts(&authority);
    let overrides = "[agent]\nchecks_every_s = 1\nred_checks_every_s = 1\nreport_every_ms = 300\n";
    let cluster = Cluster::start_encrypted("certificates", tls, overrides).await;
    let look = || seen(&cluster, "server2", "staging");
    wait::until("green staging", PATIENCE, look, |check| check["state"] == "green").await;

    let stranger = Authority::new("a stranger");
    let ca: toml::Value = stranger.ca().to_str().unwrap().into();
    let believe = ca.clone();
    cluster
        .reconfigure("agent-server2", |config| {
            drop(config["broker"]["tls"].as_table_mut().unwrap().insert("ca_file".into(), believe));
        })
        .await;
    let words = ["no authority that is believed here", "joining.broker_ca_file"];
    until_red(&cluster, "broker", words).await;

    // The store takes up the certificate without a restart.
    authority.replace_with_expired(&server, &[HERE]);
    let words = ["its certificate has expired (on 2021-01-01", "Renew the certificate there"];
    until_red(&cluster, "staging", words).await;
    let mut config = cluster.config_of::<WorkerConfig>("worker-server2-1").staging;
    config.attempts_max = 1;
    let error = S3Staging::connect(&config).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, StagingError::Untrusted { .. }), "{error:?}");
    assert_eq!(error.to_job_error().code, "staging_untrusted");
    authority.replace(&server, &["elsewhere.example"]);
    let words = ["its certificate is not for 127.0.0.1, but for elsewhere.example", "Reach it by"];
    until_red(&cluster, "staging", words).await;
    authority.replace(&server, &[HERE]);
    wait::until("green again", PATIENCE, look, |check| check["state"] == "green").await;
    cluster.finish().await;
}

/// Speaks TLS in front of web, as a proxy would.
async fn front(files: &TlsConfig, web: String) -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut listener = Listener::new(listener, Some(files)).unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut from, _) = listener.accept().await;
            let web = web.clone();
            tokio::spawn(async move {
                let mut to = tokio::net::TcpStream::connect(web).await.unwrap();
                // Either side may hang up.
                copy_bidirectional(&mut from, &mut to).await.ok();
            });
        }
    });
    (port, AbortOnDropHandle::new(task))
}

fn options(root: &Path, authority: &Authority, server: &str) -> String {
    let ours = authority.issue("newcomer-broker", &["newcomer"]);
    let media = authority.issue("newcomer", &[server]);
    let path = |path: &Path| path.display().to_string();
    format!(
        "--media-root {} --broker-certificate {} --broker-key {} --certificate {} --key {}",
        path(&root.join("media")),
        path(&ours.certificate),
        path(&ours.key),
        path(&media.certificate),
        path(&media.key)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_joins_over_nothing_but_tls() {
    let authority = Authority::new("ours");
    let (tls, _) = parts(&authority);
    let cluster = Cluster::start_encrypted("joins_encrypted", tls, "").await;
    let files = authority.issue("front", &["tourbus.localhost"]);
    let web = cluster.api.base().trim_start_matches("http://").to_owned();
    let (port, _front) = front(&files, web).await;
    let url = format!("https://tourbus.localhost:{port}");
    let ca: toml::Value = authority.ca().to_str().unwrap().into();
    cluster
        .reconfigure("web", |config| {
            config["cluster"]["main_url"] = url.clone().into();
            let joining = config["joining"].as_table_mut().unwrap();
            joining.insert("main_ca_file".into(), ca.clone());
        })
        .await;
    cluster.ready("web").await;
    cluster
        .reconfigure("coordinator", |config| {
            let tls = toml::Table::from_iter([("ca_file".to_owned(), ca.clone())]);
            config.insert("servers_tls".into(), tls.into());
        })
        .await;

    let newcomer = Newcomer::create_at(&cluster, "https").await;
    let command = newcomer.enrol(&cluster).await["command"].as_str().unwrap().to_owned();
    assert!(command.contains("--cacert main-ca.pem https://"), "{command}");
    let root = tempfile::tempdir().unwrap();
    let there = |ca: &Path| command.replace("main-ca.pem", ca.to_str().unwrap());
    let more = options(root.path(), &authority, &newcomer.host());
    // Whoever believes somebody else gets nothing.
    let stranger = Authority::new("a stranger");
    let deceived = Installation::run_with(&there(&stranger.ca()), root.path(), &more);
    deceived.until_said("certificate").await;
    deceived.stop().await;

    let installation = Installation::run_with(&there(&authority.ca()), root.path(), &more);
    newcomer.until_checks(&cluster, "all checks green", all_green).await;
    installation.until_said("All checks are green").await;
    let config = installation.dir.join(format!("config/agent-{}.toml", newcomer.slug));
    let agent: tourbus_config::AgentConfig = tourbus_config::load(&config).unwrap();
    let pem = authority.pem();
    let held = [&agent.broker.tls, &agent.staging.tls, &agent.master_tls].map(|t| &t.ca_pem);
    assert!(held.iter().all(|ca| ca.as_ref().is_some_and(|ca| ca.contains(pem.trim()))));
    installation.stop().await;
    newcomer.forget(&cluster).await;
    cluster.finish().await;
}

/// What a process says that does not start with its configuration changed like this.
async fn refuses(cluster: &Cluster, process: &str, role: &str, changed: (&str, &str)) -> String {
    let (setting, value) = changed;
    let text = std::fs::read_to_string(cluster.config_path(process)).unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    let (table, key) = setting.split_once('.').unwrap_or(("", setting));
    let inner = if table.is_empty() { &mut config } else { config[table].as_table_mut().unwrap() };
    inner.insert(key.to_owned(), value.into());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{process}.toml"));
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = tokio::process::Command::new(find_tourbus().unwrap());
    command.args([role, "--config"]).arg(&path).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{process} runs with {setting} = {value}"));
    let output = output.unwrap();
    assert!(!output.status.success(), "{process} {setting}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_this_machine_nothing_starts_unencrypted() {
    let cluster = Cluster::start("plain").await;
    let [broker, http] = ["192.0.2.1:5672", "http://192.0.2.1:9000"];
    let worker = "worker-server2-1";
    let cases = [
        (worker, "worker", "broker.address", broker, "broker", "amqps://"),
        (worker, "worker", "staging.endpoint", http, "staging", "https://"),
        (worker, "worker", "health.listen", "192.0.2.1:0", "health", "loopback"),
        ("coordinator", "coordinator", "broker.address", broker, "broker", "amqps://"),
        ("web", "web", "management.url", http, "management", "https://"),
        ("web", "web", "listen", "192.0.2.1:0", "listen", "[tls]"),
        ("media-server2", "media", "listen", "192.0.2.1:0", "listen", "[tls]"),
    ];
    for (process, role, setting, value, way, remedy) in cases {
        let said = refuses(&cluster, process, role, (setting, value)).await;
        let place = value.trim_start_matches("http://");
        for part in [setting, place, remedy, &format!("allow_unencrypted = [\"{way}\"]")] {
            assert!(said.contains(part), "{process} {setting}: no {part:?} in:\n{said}");
        }
    }
    cluster.finish().await;
}
