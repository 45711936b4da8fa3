//! A web service of its own for one test, in this process, on a database of its own.

use reqwest::{RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tourbus_config::{ClusterConfig, DatabaseConfig, ManagementConfig, WebConfig};
use tourbus_domain::{ArtistId, ServerId};
use tourbus_protocol::Heartbeat;
use tourbus_store::{By, HeartbeatFrom, NewAccount, NewArtist, NewServer, NewSong, Role, Store};
use tourbus_tests::support;

pub const PASSWORD: &str = "correct horse";
pub const SLUGS: [&str; 3] = ["master", "server2", "server3"];

pub struct Web {
    pub store: Store,
    pub servers: Vec<ServerId>,
    /// Without a trailing slash; also what pages believe to be the main URL.
    pub url: String,
    pub http: reqwest::Client,
    /// For a look past the service.
    pub database: String,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), tourbus_web::WebError>>,
}

impl Web {
    /// Three servers that are online; an admin, an operator, a viewer and an artist, each with a
    /// token of the role's name.
    pub async fn start(name: &str) -> Self {
        let endpoints = support::endpoints().named(&support::unique(name)).unwrap();
        endpoints.prepare().await.unwrap();
        let url = SecretString::from(endpoints.database.url());
        let database = DatabaseConfig { url, connections_max: 8 };
        let store = Store::connect(&database).await.unwrap();
        store.migrate().await.unwrap();
        people(&store).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let main_url = format!("http://{listen}");
        let config = WebConfig {
            listen,
            tls: None,
            cluster: ClusterConfig { main_domain: "127.0.0.1".into(), main_url: main_url.clone() },
            database,
            // Nobody listens there: what the queue pages say about it is part of the tests.
            management: ManagementConfig {
                url: "http://127.0.0.1:9".into(),
                tls: tourbus_config::ClientTlsConfig::default(),
                vhost: "none".into(),
                user: "none".into(),
                password: SecretString::from("none"),
            },
            joining: None,
            allow_plain_http_servers: false,
            disk_reserve_bytes: 0,
            offline_after_s: 60,
            // A test may say from where it comes.
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            sign_in_window_s: 1,
            visitor_key: Some(SecretString::from("07".repeat(32))),
            telemetry: tourbus_config::TelemetryConfig::default(),
            allow_unencrypted: Vec::new(),
        };
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(tourbus_web::run_on(listener, config, shutdown.clone()));
        let http = tourbus_http::plain().unwrap().timeout(Duration::from_secs(20)).build().unwrap();
        let servers = servers(&store).await;
        let database = endpoints.database.url();
        Self { store, servers, url: main_url, http, database, shutdown, running }
    }

    /// Artists with these names and plays, on a server; each with two songs.
    pub async fn artists(&self, server: usize, named: &[(&str, u64)]) -> Vec<ArtistId> {
        let song = |n: u32| NewSong {
            title: format!("Song {n}"),
            path: format!("{n}.mp3"),
            bytes: 1000,
            plays_total: 1,
            duration_ms: 180_000,
        };
        let artist = |(name, plays): &(&str, u64)| {
            let id = ArtistId::new();
            NewArtist {
                id,
                slug: format!("a-{id}").parse().unwrap(),
                name: (*name).to_owned(),
                server_id: self.servers[server],
                plays_total: *plays,
                plays_30d: *plays / 2,
                bytes: *plays * 10,
                songs: (0..2).map(song).collect(),
            }
        };
        let new: Vec<NewArtist> = named.iter().map(artist).collect();
        self.store.insert_artists(&new).await.unwrap();
        new.into_iter().map(|a| a.id).collect()
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    /// What the API answers an admin's script: status and JSON.
    pub async fn api(&self, path: &str) -> (u16, Value) {
        json(self.get(&format!("/api/v1{path}")).bearer_auth("admin").send().await.unwrap()).await
    }

    pub async fn api_post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.post(&format!("/api/v1{path}")).bearer_auth("admin").json(body);
        json(request.send().await.unwrap()).await
    }

    /// Signs in; the session's cookie, as a browser sends it.
    pub async fn sign_in(&self, role: &str) -> String {
        let form = format!("email={role}%40test.example&password=correct+horse&next=%2Fjobs");
        let answer = self.post_form("/sign-in", form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/jobs".into()));
        header(&answer, "set-cookie").split(';').next().unwrap().to_owned()
    }

    /// A form that our own page has sent.
    pub fn post_form(&self, path: &str, form: impl Into<String>) -> RequestBuilder {
        self.post(path)
            .header("origin", &self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
    }

    /// The API, asked by an admin's script.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.url);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth("admin");
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        if answer.status() == 204 { (204, Value::Null) } else { json(answer).await }
    }

    /// What a page says to a form that an admin's browser posts: status, location, text.
    pub async fn form(&self, path: &str, form: &str) -> (u16, String, String) {
        let cookie = self.sign_in("admin").await;
        let request = self.post_form(path, form.to_owned()).header("cookie", &cookie);
        let answer = request.send().await.unwrap();
        let (status, location) = (answer.status().as_u16(), header(&answer, "location"));
        (status, location, answer.text().await.unwrap())
    }

    pub async fn page(&self, path: &str, role: &str) -> String {
        let cookie = self.sign_in(role).await;
        let answer = self.get(path).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    /// Stops the service, which must end well and soon.
    pub async fn finish(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(15), self.running).await;
        ended.expect("the service stops").unwrap().unwrap();
        self.store.close().await;
    }
}

pub fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned()
}

pub async fn json(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {e}: {text}")))
}

async fn people(store: &Store) {
    let hash = tourbus_web::password::hash_here(PASSWORD).unwrap();
    for role in Role::ALL {
        let email = format!("{role}@test.example");
        let new = NewAccount { email, password_hash: hash.clone(), role };
        let id = store.create_account(&By::named("test"), new).await.unwrap().unwrap();
        store.ensure_api_token(id, role.as_str(), "test").await.unwrap();
    }
}

async fn servers(store: &Store) -> Vec<ServerId> {
    let mut servers = Vec::new();
    for (n, slug) in SLUGS.iter().enumerate() {
        let server = NewServer {
            id: ServerId::new(),
            slug: slug.parse().unwrap(),
            name: format!("Server {n}"),
            ip: "127.0.0.1".parse().unwrap(),
            url: format!("http://{slug}.test"),
            is_master: n == 0,
            is_default: n == 0,
        };
        servers.push(store.ensure_server(server).await.unwrap());
        let beat = Heartbeat {
            running: Vec::new(),
            free_bytes: 1 << 30,
            total_bytes: 4 << 30,
            version: "1".to_owned(),
            pid: 1,
            quarantine: None,
            trusts: Vec::new(),
            lofi_slots: 1,
            limits: None,
            lanes: Some(tourbus_domain::LanePauses::default()),
        };
        let server = slug.parse().unwrap();
        let from = HeartbeatFrom { server, worker: "w".to_owned(), beat };
        store.take_heartbeats(&[from]).await.unwrap();
    }
    servers
}

/// What a page's form has in a hidden field, as it is posted.
pub fn hidden(page: &str, name: &str) -> String {
    let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let value = page.split(&field).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    form_urlencoded::byte_serialize(value.replace("&#43;", "+").as_bytes()).collect()
}
