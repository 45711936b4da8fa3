//! A real Chromium, driven through ChromeDriver.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

use crate::wait;
use fantoccini::{
    Client, ClientBuilder, Locator, elements::Element, error::CmdError,
    wd::WebDriverCompatibleCommand,
};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use url::{ParseError, Url};

const START_MAX: Duration = Duration::from_secs(30);

/// Longest wait for something on a page: a server may have to join for it.
const PAGE_MAX: Duration = Duration::from_secs(120);

/// A command of the `DevTools` protocol, which `ChromeDriver` passes on.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    params: serde_json::Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.params });
        (http::Method::POST, Some(body.to_string()))
    }
}

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

    /// Shows pages on a screen this wide from now on, to somebody who likes them dark or light.
    pub async fn show(&self, width: u32, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1,
            "mobile": false });
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        self.tell("Emulation.setDeviceMetricsOverride", screen).await;
    }

    async fn tell(&self, command: &'static str, params: serde_json::Value) {
        self.client.issue_cmd(DevTools { command, params }).await.unwrap();
    }

    /// What a script on the page returns.
    pub async fn ask(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Keeps what is downloaded from now on in this directory.
    pub async fn download_to(&self, dir: &Path) {
        let params = json!({ "behavior": "allow", "downloadPath": dir });
        self.tell("Browser.setDownloadBehavior", params).await;
    }

    /// The first element that matches, as soon as there is one.
    pub async fn find(&self, css: &str) -> Element {
        self.find_by(Locator::Css(css)).await
    }

    async fn find_by(&self, what: Locator<'_>) -> Element {
        let found = self.client.wait().at_most(PAGE_MAX).for_element(what).await;
        found.unwrap_or_else(|e| panic!("{what:?}: {e}"))
    }

    /// What `act` makes of the first element that matches. A page that is shown live may put
    /// another in its place at any moment: then `act` is done with that one.
    async fn with<T, F: Future<Output = Result<T, CmdError>>>(
        &self,
        what: Locator<'_>,
        act: impl Fn(Element) -> F,
    ) -> T {
        let deadline = Instant::now() + PAGE_MAX;
        loop {
            match act(self.find_by(what).await).await {
                Err(e) if e.is_stale_element_reference() && Instant::now() < deadline => {}
                done => return done.unwrap_or_else(|e| panic!("{what:?}: {e}")),
            }
        }
    }

    /// The text of the first element that matches.
    pub async fn text(&self, css: &str) -> String {
        self.with(Locator::Css(css), |found| async move { found.text().await }).await
    }

    /// Clicks the first element that matches.
    pub async fn click(&self, css: &str) {
        self.with(Locator::Css(css), |found| async move { found.click().await }).await;
    }

    /// Clicks the first link or button that is called so and is not hidden.
    pub async fn press(&self, name: &str) {
        let path = format!(
            "//*[self::a or self::button or self::summary]\
             [normalize-space()='{name}' or @aria-label='{name}'][not(ancestor-or-self::*[@hidden])]"
        );
        self.with(Locator::XPath(&path), |found| async move { found.click().await }).await;
    }

    /// Types into the first field that matches, in the place of what is there.
    pub async fn put(&self, css: &str, text: &str) {
        self.find(css).await.clear().await.unwrap_or_else(|e| panic!("{css}: {e}"));
        self.fill(css, text).await;
    }

    /// Chooses in the first list that matches.
    pub async fn choose(&self, css: &str, value: &str) {
        let chosen = self.find(css).await.select_by_value(value).await;
        chosen.unwrap_or_else(|e| panic!("{css}: {value}: {e}"));
    }

    /// Types into the first field that matches, behind what is there.
    pub async fn fill(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap_or_else(|e| panic!("{css}: {e}"));
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
