//! A served store.

use std::path::Path;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tourbus_config::{StagingConfig, StagingServerConfig};
use tourbus_staging::S3Staging;
use tourbus_staging_server::Server;

pub const BUCKET: &str = "tourbus";

/// A store that serves until it is stopped or dropped.
pub struct Served {
    pub endpoint: String,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

pub fn server_config(root: &Path) -> StagingServerConfig {
    StagingServerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        root: root.to_owned(),
        bucket: BUCKET.to_owned(),
        access_key: "AKTEST".to_owned(),
        secret_key: "secret-of-the-test".to_owned().into(),
        tls: None,
        telemetry: tourbus_config::TelemetryConfig::default(),
        allow_unencrypted: Vec::new(),
    }
}

impl Served {
    pub async fn start(root: &Path) -> Self {
        let server = Server::bind(&server_config(root)).await.unwrap();
        let endpoint = format!("http://{}", server.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.serve(None, shutdown.clone()));
        Self { endpoint, shutdown, task }
    }

    pub fn client_config(&self) -> StagingConfig {
        StagingConfig {
            endpoint: self.endpoint.clone(),
            tls: tourbus_config::ClientTlsConfig::default(),
            region: "garage".to_owned(),
            bucket: BUCKET.to_owned(),
            prefix: "test/".to_owned(),
            access_key: "AKTEST".to_owned(),
            secret_key: "secret-of-the-test".to_owned().into(),
            request_timeout_s: 20,
            attempts_max: 1,
        }
    }

    pub fn client(&self) -> S3Staging {
        S3Staging::connect(&self.client_config()).unwrap()
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

/// Everything below a directory, as sorted relative paths.
pub fn tree(root: &Path) -> Vec<String> {
    fn walk(directory: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().display().to_string());
            if path.is_dir() {
                walk(&path, root, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}
