//! A cluster of real processes for one test: its own database, virtual host and staging prefix
//! on the parts that the whole run shares, or, for tests that kill those, on parts of its own.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

mod database;
mod messages;
mod processes;

use crate::{api::Api, tree, wait};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tourbus_domain::{ArtistId, Slug};
use tourbus_local::{
    ClusterPorts, ClusterSpec, Endpoints, Infra, InfraPorts, InfraSpec, InfraTls, Logs, Overrides,
    ServerSpec, StagingEndpoint, find_tourbus,
};
use tourbus_staging::{S3Staging, Staging};
use tourbus_store::{NewArtist, NewSong};

/// Periods short enough that a test of a fault does not wait for minutes.
const QUICK: &str = "
[coordinator]
rescue_after_ms = 3000
rescue_every_ms = 500
sweep_every_s = 15
[coordinator.moves]
retry_base_ms = 100
retry_max_ms = 2000
[worker.limits]
heartbeat_ms = 500
segment_bytes = 8388608
[web]
disk_reserve_bytes = 1048576
";

const SERVERS: [&str; 3] = ["master", "server2", "server3"];
const SETTLE: Duration = Duration::from_secs(120);

/// An artist that a test made.
#[derive(Debug, Clone)]
pub struct Artist {
    pub id: ArtistId,
    pub slug: String,
}

/// A running cluster. [`Cluster::finish`] checks for leftovers and stops it.
pub struct Cluster {
    pub api: Api,
    inner: tourbus_local::Cluster,
    infra: Option<Infra>,
    endpoints: Endpoints,
    hold_dir: PathBuf,
    http: reqwest::Client,
    made: AtomicU32,
    // Last, so that it goes last.
    dir: TempDir,
}

/// The parts that `make test` has started.
pub fn endpoints() -> Endpoints {
    let file = std::env::var_os("TOURBUS_TEST_ENDPOINTS")
        .expect("TOURBUS_TEST_ENDPOINTS is not set: run the tests with `make test`");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// A name that no other test of this run has.
pub fn unique(name: &str) -> String {
    let name = name.replace('-', "_");
    format!("{name}_{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

impl Cluster {
    /// On the parts that the whole run shares.
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, "").await
    }

    /// The same, with settings laid over the quick ones.
    pub async fn start_with(name: &str, overrides: &str) -> Self {
        let dir = temp_dir();
        let endpoints = endpoints().named(&unique(name)).unwrap();
        Self::start_on(dir, endpoints, None, Some(QUICK), overrides).await
    }

    /// On parts of its own, which the test may kill.
    pub async fn start_private(name: &str) -> Self {
        Self::start_alone(name, None, "").await
    }

    /// The same, on parts that speak TLS only.
    pub async fn start_encrypted(name: &str, tls: InfraTls, overrides: &str) -> Self {
        Self::start_alone(name, Some(tls), overrides).await
    }

    async fn start_alone(name: &str, tls: Option<InfraTls>, overrides: &str) -> Self {
        let dir = temp_dir();
        let logs = dir.path().join("infra-logs");
        fs::create_dir(&logs).unwrap();
        let spec = InfraSpec {
            data_dir: dir.path().join("infra"),
            ports: InfraPorts::free().unwrap(),
            tourbus_binary: find_tourbus().unwrap(),
            staging: None,
            tls,
            // A killed PostgreSQL must have kept what it has confirmed.
            durable: true,
            logs: Logs::files(logs),
        };
        let infra = Infra::start(spec).await.unwrap();
        let endpoints = infra.endpoints().named(&unique(name)).unwrap();
        Self::start_on(dir, endpoints, Some(infra), Some(QUICK), overrides).await
    }

    async fn start_on(
        dir: TempDir,
        endpoints: Endpoints,
        infra: Option<Infra>,
        base: Option<&str>,
        overrides: &str,
    ) -> Self {
        let servers: Vec<_> =
            SERVERS.iter().map(|s| ServerSpec::new(s.parse::<Slug>().unwrap())).collect();
        let logs = dir.path().join("logs");
        let hold_dir = dir.path().join("hold");
        fs::create_dir(&logs).unwrap();
        fs::create_dir(&hold_dir).unwrap();
        let spec = ClusterSpec {
            data_dir: dir.path().join("cluster"),
            ports: ClusterPorts::free(&servers).unwrap(),
            endpoints: endpoints.clone(),
            servers,
            demo_artists: None,
            tourbus_binary: find_tourbus().unwrap(),
            overrides: Overrides::parse(&merged(base.unwrap_or(""), overrides)).unwrap(),
            env: vec![("TOURBUS_HOLD_DIR".to_owned(), hold_dir.clone().into())],
            logs: Logs::files(logs),
        };
        let inner = tourbus_local::Cluster::start(spec).await.unwrap();
        let api = Api::new(inner.url(), &inner.credentials().api_token).unwrap();
        let (management, tls) = (&endpoints.broker.management_url, &endpoints.broker.tls);
        let http = tourbus_http::client(management, None, Duration::from_secs(20), tls).unwrap();
        let cluster =
            Self { api, inner, infra, endpoints, hold_dir, http, made: AtomicU32::new(0), dir };
        cluster.wait_online().await;
        // What comes by itself after a while would be among the jobs that tests count.
        let by = tourbus_store::By::named("tests");
        let never = |s: &mut tourbus_store::ClusterSettings| s.verify_every_days = 0;
        cluster.inner.store().change_cluster_settings(&by, never).await.unwrap();
        cluster
    }

    /// On the shared database and broker with a real Garage as the bucket, at the periods that a
    /// real cluster has.
    pub async fn start_bench(name: &str, garage: &crate::garage::Garage) -> Self {
        let mut endpoints = endpoints().named(&unique(name)).unwrap();
        let prefix = endpoints.staging.prefix.clone();
        endpoints.staging = StagingEndpoint {
            endpoint: garage.endpoint.clone(),
            tls: tourbus_config::ClientTlsConfig::default(),
            region: garage.region.clone(),
            bucket: garage.bucket.clone(),
            prefix,
            access_key: garage.access_key.clone(),
            secret_key: garage.secret_key.clone(),
        };
        Self::start_on(temp_dir(), endpoints, None, None, "").await
    }

    /// Until the first heartbeat of every server has been applied.
    async fn wait_online(&self) {
        let states = || async {
            let servers = self.api.all("/servers").await.unwrap();
            servers.iter().map(|s| s["state"].clone()).collect::<Vec<_>>()
        };
        wait::until("all servers online", SETTLE, states, |s| s.iter().all(|s| s == "online"))
            .await;
    }

    /// Makes an artist with a tree on a server, registered as if it had signed up.
    pub async fn add_artist(
        &self,
        server: &str,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Artist {
        self.add(server, make, None).await
    }

    /// The same, registered with another size than the tree has.
    pub async fn add_artist_claiming(
        &self,
        server: &str,
        make: impl FnOnce(&Path) -> io::Result<()>,
        bytes: u64,
    ) -> Artist {
        self.add(server, make, Some(bytes)).await
    }

    async fn add(
        &self,
        server: &str,
        make: impl FnOnce(&Path) -> io::Result<()>,
        claimed: Option<u64>,
    ) -> Artist {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        let artist = Artist { id: ArtistId::new(), slug: format!("artist-{n}") };
        let root = self.tree(server, &artist);
        fs::create_dir_all(&root).unwrap();
        make(&root).unwrap();
        let link = self.hidden(server, "by-slug").join(&artist.slug);
        std::os::unix::fs::symlink(artist.id.to_string(), link).unwrap();
        let on_disk = || directory_bytes(&root).unwrap();
        let bytes = claimed.unwrap_or_else(on_disk);
        let song = NewSong {
            title: "Song".into(),
            path: "songs/00.mp3".into(),
            bytes: 0,
            plays_total: 3,
            duration_ms: 0,
        };
        let new = NewArtist {
            id: artist.id,
            slug: artist.slug.parse().unwrap(),
            name: format!("Artist {n}"),
            server_id: self.inner.server(server).unwrap().id,
            plays_total: 1000 + u64::from(n),
            plays_30d: 10,
            bytes,
            songs: vec![song],
        };
        self.inner.store().insert_artists(&[new]).await.unwrap();
        artist
    }

    pub fn tree(&self, server: &str, artist: &Artist) -> PathBuf {
        self.inner.server(server).unwrap().media_root.join(artist.id.to_string())
    }

    pub fn media_root(&self, server: &str) -> PathBuf {
        self.inner.server(server).unwrap().media_root.clone()
    }

    /// A directory of a server's hidden state.
    pub fn hidden(&self, server: &str, what: &str) -> PathBuf {
        self.inner.server(server).unwrap().media_root.join(".tourbus").join(what)
    }

    pub fn snapshot(&self, server: &str, artist: &Artist) -> tree::Snapshot {
        tree::snapshot(&self.tree(server, artist))
            .unwrap_or_else(|e| panic!("{} on {server}: {e}", artist.slug))
    }

    pub fn server_id(&self, server: &str) -> String {
        self.inner.server(server).unwrap().id.to_string()
    }

    /// Queues moves, all of which must be accepted. Returns the batch.
    pub async fn move_all(&self, artists: &[Artist], target: &str) -> String {
        let ids: Vec<_> = artists.iter().map(|a| a.id.to_string()).collect();
        let answer = self.api.move_artists(&ids, &self.server_id(target)).await.unwrap();
        assert_eq!(answer["refused"], json!([]), "{answer}");
        answer["batch_id"].as_str().unwrap().to_owned()
    }

    /// Every job of a batch.
    pub async fn jobs(&self, batch: &str) -> Vec<Value> {
        self.api.all(&format!("/jobs?batch_id={batch}")).await.unwrap()
    }

    /// Until every job of the batch is final. Web may be away meanwhile.
    pub async fn wait_batch(&self, batch: &str, patience: Duration) {
        let open = || async {
            let jobs = self.api.all(&format!("/jobs?batch_id={batch}")).await.ok()?;
            let ends = ["succeeded", "failed", "cancelled", "stuck"];
            let open = |j: &&Value| !ends.iter().any(|e| j["state"] == *e);
            Some(jobs.iter().filter(open).cloned().collect::<Vec<_>>())
        };
        wait::until("the batch to end", patience, open, |o| o.as_ref().is_some_and(Vec::is_empty))
            .await;
    }

    /// The slug of the server that the database calls home.
    pub async fn home(&self, artist: &Artist) -> String {
        let seen = self.api.get(&format!("/artists/{}", artist.id)).await.unwrap();
        let servers = self.inner.servers();
        let home = servers.iter().find(|s| seen["server_id"] == s.id.to_string());
        home.unwrap().slug.to_string()
    }

    /// Hears a file as a listener would: the front door, then wherever it sends us.
    pub async fn hear(&self, artist: &Artist, path: &str) -> Result<Vec<u8>> {
        let mut url = format!("{}/a/{}/{path}", self.inner.url(), artist.slug);
        let mut host = None;
        for _ in 0..10 {
            let mut request = self.http.get(&url);
            if let Some(host) = &host {
                request = request.header("host", host);
            }
            let answer = request.send().await.with_context(|| url.clone())?;
            let status = answer.status();
            if status.is_redirection() {
                let to = answer.headers()["location"].to_str()?.to_owned();
                let parsed = reqwest::Url::parse(&to)?;
                let authority =
                    format!("{}:{}", parsed.host_str().unwrap_or(""), parsed.port().unwrap_or(80));
                // libc does not resolve *.localhost: reach it by address, with its host name.
                url = to.replacen(
                    &authority,
                    &format!("127.0.0.1:{}", parsed.port().unwrap_or(80)),
                    1,
                );
                host = Some(authority);
                continue;
            }
            if status != 200 {
                bail!("{url} answered {status}");
            }
            let body = answer.bytes().await.with_context(|| format!("the body of {url}"))?;
            return Ok(body.to_vec());
        }
        bail!("{url}: too many redirects")
    }

    pub async fn old_link_forwards(&self, artist: &Artist, old: &str, new: &str) {
        let old = self.inner.server(old).unwrap();
        let path = format!("/artists/{}/media/songs/00.mp3", artist.slug);
        let answer =
            self.http.get(format!("http://{}{path}", old.media_address)).send().await.unwrap();
        assert_eq!(answer.status(), 308);
        let expected = format!("{}{path}", self.inner.server(new).unwrap().url);
        assert_eq!(answer.headers()["location"].to_str().unwrap(), expected);
    }

    /// Stops processes at a named point until released.
    pub fn hold(&self, point: &str) -> Hold {
        let file = self.hold_dir.join(point);
        let reached = self.hold_dir.join(format!("{point}.reached"));
        if reached.exists() {
            fs::remove_file(&reached).unwrap();
        }
        fs::write(&file, b"").unwrap();
        Hold { file, reached }
    }

    pub const fn store(&self) -> &tourbus_store::Store {
        self.inner.store()
    }

    /// Stops at once, whatever is under way: for benches that queue what nobody is to do.
    pub async fn abandon(self) {
        self.inner.stop().await.unwrap();
        self.endpoints.remove().await.unwrap();
    }

    /// The same for a cluster with parts of its own.
    pub async fn abandon_private(self) {
        self.inner.stop().await.unwrap();
        if let Some(infra) = self.infra {
            infra.stop().await.unwrap();
        }
    }

    /// What should be on the broker, as far as files say it.
    pub fn topology_config(&self) -> tourbus_config::TopologyConfig {
        let web = self.inner.config_path("web").unwrap();
        tourbus_config::load(&web.with_file_name("topology.toml")).unwrap()
    }

    /// Where a server's media service listens.
    pub fn media_address(&self, server: &str) -> std::net::SocketAddr {
        self.inner.server(server).unwrap().media_address
    }

    /// What is left of finished jobs where nothing should be.
    async fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for server in self.inner.servers() {
            for what in ["incoming", "freezes"] {
                let dir = self.hidden(server.slug.as_str(), what);
                let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
                found.extend(names.map(|p| p.display().to_string()));
            }
        }
        match self.staging().list("moves/", None, 100).await {
            Ok(page) => found.extend(page.objects.into_iter().map(|o| format!("staged {}", o.key))),
            Err(error) => found.push(format!("staging: {error}")),
        }
        match self.inner.store().held_artists().await {
            Ok(held) => found.extend(held.into_iter().map(|a| format!("artist {a} is held"))),
            Err(error) => found.push(format!("database: {error}")),
        }
        for server in self.inner.servers() {
            for lane in tourbus_domain::Lane::ALL {
                let queue = format!("tourbus.lane.{}.{lane}", server.slug);
                match self.queue_messages(&queue).await {
                    Ok(0) => {}
                    Ok(n) => found.push(format!("{n} messages on {queue}")),
                    Err(error) => found.push(format!("{queue}: {error:#}")),
                }
            }
        }
        found
    }

    /// Fails unless all traces of finished jobs go away.
    pub async fn no_leftovers(&self) {
        wait::until("no leftovers", SETTLE, || self.leftovers(), Vec::is_empty).await;
    }

    /// Where the private embedded store keeps the bucket.
    pub fn staging_bucket_dir(&self) -> PathBuf {
        assert!(self.infra.is_some(), "the bucket is shared with other tests");
        self.dir.path().join("infra/staging").join(&self.endpoints.staging.bucket)
    }

    /// Deletes what moves have staged so far; how many objects that were.
    pub async fn lose_staged(&self) -> u64 {
        self.staging().delete_prefix("moves/").await.unwrap()
    }

    fn staging(&self) -> S3Staging {
        S3Staging::connect(&self.endpoints.staging.config()).unwrap()
    }

    /// The admin's address, password and the browser's URL.
    pub fn admin(&self) -> (String, String, String) {
        let c = self.inner.credentials();
        (self.inner.main_url().to_owned(), c.admin_email.clone(), c.admin_password.clone())
    }

    /// Ends the test: nothing may be left over.
    pub async fn finish(self) {
        self.no_leftovers().await;
        self.stop_added().await;
        self.inner.stop().await.unwrap();
        match self.infra {
            Some(infra) => infra.stop().await.unwrap(),
            None => self.endpoints.remove().await.unwrap(),
        }
    }
}

/// A hold point in force; released when dropped.
pub struct Hold {
    file: PathBuf,
    reached: PathBuf,
}

impl Hold {
    /// Until a process stands at the point.
    pub async fn reached(&self) {
        let what = format!("{} to be reached", self.file.display());
        wait::until(&what, SETTLE, || async { self.reached.exists() }, |r| *r).await;
    }

    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file) {
            eprintln!("the hold {} could not be released: {error}", self.file.display());
        }
    }
}

fn temp_dir() -> TempDir {
    let dir = tempfile::Builder::new().prefix("tourbus-it-").tempdir().unwrap();
    // PostgreSQL may run as another user.
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

fn directory_bytes(root: &Path) -> io::Result<u64> {
    Ok(tree::bytes(&tree::snapshot(root)?))
}

/// Joins two TOML texts whose tables may be the same.
fn merged(base: &str, over: &str) -> String {
    fn merge(into: &mut toml::Table, over: toml::Table) {
        for (key, value) in over {
            match (into.get_mut(&key), value) {
                (Some(toml::Value::Table(inner)), toml::Value::Table(over)) => merge(inner, over),
                (_, value) => drop(into.insert(key, value)),
            }
        }
    }
    let mut table: toml::Table = base.parse().unwrap();
    merge(&mut table, over.parse().unwrap());
    table.to_string()
}
