//! A media root with one artist, served on a free port.

use axum::Router;
use reqwest::{Client, Response};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tourbus_config::{ClusterConfig, MediaConfig};
use tourbus_domain::{ArtistId, Slug};
use tourbus_mediaroot::MediaRoot;

/// Longest wait for any one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Where the artist of [`Shop::retire`] goes.
pub const ELSEWHERE: &str = "http://server2.tourbus.localhost:8082";

pub struct Shop {
    pub root: MediaRoot,
    pub artist: ArtistId,
    pub slug: Slug,
    pub address: SocketAddr,
    pub client: Client,
    pub shutdown: CancellationToken,
    pub serving: Option<JoinHandle<()>>,
    pub dir: TempDir,
    _stop: DropGuard,
}

/// Web's key for visitors, as media knows it here.
pub fn visitor_key() -> tourbus_protocol::visitor::VisitorKey {
    tourbus_protocol::visitor::VisitorKey::from_hex(&"07".repeat(32)).unwrap()
}

impl Shop {
    /// Opens with an empty tree.
    pub async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path().join("media"));
        for d in root.directories() {
            fs::create_dir_all(d).unwrap();
        }
        let (artist, slug) = (ArtistId::new(), "the-larks".parse::<Slug>().unwrap());
        fs::create_dir_all(root.tree(artist).join("songs")).unwrap();
        symlink(artist.to_string(), root.by_slug(&slug)).unwrap();
        let config = MediaConfig {
            server: "server3".parse().unwrap(),
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            media_root: root.path().to_owned(),
            cluster: ClusterConfig {
                main_domain: "tourbus.localhost".to_owned(),
                main_url: "http://tourbus.localhost:8080".to_owned(),
            },
            key_file: None,
            visitor_public_keys: vec![visitor_key().public_key_hex()],
            inspector: None,
            trusted_proxies: Vec::new(),
            telemetry: tourbus_config::TelemetryConfig::default(),
            allow_unencrypted: Vec::new(),
        };
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let serving = tokio::spawn(async move {
            tourbus_media::serve(listener, &config, Router::new(), token).await.unwrap();
        });
        let client = tourbus_http::plain().unwrap().timeout(ANSWER_WAIT).build().unwrap();
        let stop = shutdown.clone().drop_guard();
        let serving = Some(serving);
        Self { root, artist, slug, address, client, shutdown, serving, dir, _stop: stop }
    }

    pub fn tree(&self) -> PathBuf {
        self.root.tree(self.artist)
    }

    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/artists/the-larks/media/{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// A request whose path no client library touches; returns the whole answer as text.
    pub async fn raw(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(ANSWER_WAIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// In the worker's order: the forwarding, the tree, the link.
    pub fn retire(&self) {
        let (moved, aside) = (self.root.moved(&self.slug), self.dir.path().join("aside"));
        let partial = moved.with_extension("partial");
        fs::write(&partial, ELSEWHERE).unwrap();
        fs::rename(partial, moved).unwrap();
        fs::rename(self.tree(), aside).unwrap();
        fs::remove_file(self.root.by_slug(&self.slug)).unwrap();
    }

    /// In the worker's order: the tree, the link, the forwarding.
    pub fn promote(&self) {
        let (link, aside) = (self.root.by_slug(&self.slug), self.dir.path().join("aside"));
        fs::rename(aside, self.tree()).unwrap();
        let partial = link.with_extension("partial");
        symlink(self.artist.to_string(), &partial).unwrap();
        fs::rename(partial, link).unwrap();
        fs::remove_file(self.root.moved(&self.slug)).unwrap();
    }
}

/// Bytes that differ at every offset a test may confuse.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(step).collect()
}
