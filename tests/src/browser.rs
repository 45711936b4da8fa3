//! A real Chromium, driven through ChromeDriver.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

use crate::wait;
use fantoccini::{Client, ClientBuilder};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(30);

/// A browser with a profile of its own; both processes die with this value.
pub struct Browser {
    pub client: Client,
    driver: Child,
    _profile: TempDir,
}

fn capabilities(
    profile: &Path,
    width: u32,
    dark: bool,
) -> serde_json::Map<String, serde_json::Value> {
    let mut args = vec![
        "--headless".to_owned(),
        "--no-sandbox".into(),
        "--disable-gpu".into(),
        "--disable-quic".into(),
        "--no-first-run".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-sync".into(),
        "--disable-dev-shm-usage".into(),
        format!("--window-size={width},900"),
        format!("--user-data-dir={}", profile.display()),
    ];
    if dark {
        args.push("--force-dark-mode".into());
        args.push("--blink-settings=preferredColorScheme=0".into());
    }
    let options = json!({ "args": args, "binary": "/usr/bin/chromium" });
    let value = json!({ "browserName": "chrome", "goog:chromeOptions": options });
    value.as_object().unwrap().clone()
}

impl Browser {
    pub async fn start(width: u32, dark: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let profile = tempfile::tempdir().unwrap();
        // The kernel ends the driver, and the driver its browser, if the test is killed.
        let driver = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "chromedriver", "--silent"])
            .arg(format!("--port={port}"))
            // A group of its own, which its browser belongs to.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("chromedriver does not start: run compose/install.sh --tests");
        let url = format!("http://127.0.0.1:{port}");
        let listening =
            || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
        wait::until("chromedriver to listen", START_MAX, listening, |up| *up).await;
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities(profile.path(), width, dark))
            .connect(&url)
            .await
            .unwrap();
        Self { client, driver, _profile: profile }
    }

    /// Keeps a picture of the page under `target/screenshots/`.
    pub async fn picture(&self, name: &str) {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(dir.join(format!("{name}.png")), png).unwrap();
    }

    pub async fn close(mut self) {
        self.client.clone().close().await.unwrap();
        self.end();
    }
}

impl Browser {
    /// Ends the driver, and with it the browser of a test that has failed.
    fn end(&mut self) {
        if !matches!(self.driver.try_wait(), Ok(None)) {
            return;
        }
        let group = Pid::from_child(&self.driver);
        if let Err(error) = kill_process_group(group, Signal::KILL) {
            eprintln!("chromedriver could not be ended: {error}");
        }
        self.driver.wait().ok();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.end();
    }
}
