//! `tourbus up` as a user runs it: it comes up, mends itself, leaves nothing behind, and finds
//! its data again.

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tourbus_local::{Ports, ServerSpec, find_tourbus};
use tourbus_tests::{api::Api, wait};

const PATIENCE: Duration = Duration::from_secs(90);
const NAMES: [&str; 15] = [
    "agent-master",
    "agent-server2",
    "agent-server3",
    "coordinator",
    "epmd",
    "media-master",
    "media-server2",
    "media-server3",
    "postgres",
    "rabbitmq",
    "staging",
    "web",
    "worker-master-1",
    "worker-server2-1",
    "worker-server3-1",
];

pub struct Up {
    child: Child,
    pub data: PathBuf,
    web: u16,
    log: PathBuf,
}

impl Drop for Up {
    fn drop(&mut self) {
        // The kernel takes the children along. Fails when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Up {
    fn start(dir: &Path, ports: &Ports) -> Self {
        Self::start_as(dir, ports, Command::new(find_tourbus().unwrap()))
    }

    /// `tourbus`: how to run it, without arguments.
    pub fn start_as(dir: &Path, ports: &Ports, mut tourbus: Command) -> Self {
        let (data, log) = (dir.join("data"), dir.join("log"));
        let web = ports.cluster.web;
        let output = fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = tourbus
            .args(["up", "--artists", "3", "--http-port", &web.to_string(), "--data-dir"])
            .arg(&data)
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, data, web, log }
    }

    pub async fn ready(&mut self) {
        self.ready_with(NAMES.len()).await;
    }

    async fn ready_with(&mut self, processes: usize) {
        let look = || async {
            let url = format!("http://127.0.0.1:{}/readyz", self.web);
            let http = tourbus_http::plain().unwrap().build().unwrap();
            let ready = http.get(url).send().await.is_ok_and(|a| a.status() == 200);
            (ready && self.processes().len() == processes, self.log())
        };
        wait::until("the stack to be ready", PATIENCE, look, |(ready, _)| *ready).await;
        assert!(self.child.try_wait().unwrap().is_none(), "{}", self.log());
    }

    /// Asks it to stop, as Ctrl-C does, and waits until it has.
    pub fn stop(&mut self) {
        signal(self.child.id(), Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn processes(&self) -> BTreeMap<String, u32> {
        let text = fs::read_to_string(self.data.join("processes.json")).unwrap_or_default();
        let list: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let pair = |v: &Value| Some((v["name"].as_str()?.to_owned(), v["pid"].as_u64()? as u32));
        list.iter().filter_map(pair).collect()
    }

    pub fn credentials(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.data.join("credentials.json"))?)?)
    }

    fn api(&self) -> Api {
        let credentials = self.credentials().unwrap();
        let text = |key: &str| credentials[key].as_str().unwrap().to_owned();
        Api::new(&text("url"), &text("api_token")).unwrap()
    }

    async fn killed_and_back(&mut self, name: &str) {
        let old = self.processes()[name];
        signal(old, Signal::KILL);
        let look = || async { self.processes().get(name).copied() };
        wait::until(name, PATIENCE, look, |pid| pid.is_some_and(|p| p != old)).await;
        self.ready().await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

pub fn free_ports() -> Ports {
    let servers = ["master", "server2", "server3"].map(|s| ServerSpec::new(s.parse().unwrap()));
    Ports::free(&servers).unwrap()
}

/// Every process that names the directory in its arguments or works in it.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let args = fs::read(path.join("cmdline")).unwrap_or_default();
        let args = String::from_utf8_lossy(&args).replace('\0', " ");
        let cwd = fs::read_link(path.join("cwd")).unwrap_or_default();
        if args.contains(&dir) || cwd.to_string_lossy().contains(&dir) {
            found.push(format!("{} {args}", path.display()));
        }
    }
    found
}

/// A directory that the parts' own users may enter.
fn data_dir() -> TempDir {
    let dir = tempfile::Builder::new().prefix("tourbus-up-").tempdir().unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

#[tokio::test]
async fn up_mends_itself_leaves_nothing_behind_and_keeps_its_data() {
    let dir = data_dir();
    let ports = free_ports();

    let mut up = Up::start(dir.path(), &ports);
    up.ready().await;
    assert_eq!(up.processes().into_keys().collect::<Vec<_>>(), NAMES);
    let broker = up.processes()["rabbitmq"];
    let program = fs::read_link(format!("/proc/{broker}/exe")).unwrap();
    assert!(program.ends_with("beam.smp"), "the broker's process is {}", program.display());
    let credentials = up.credentials().unwrap();
    for name in ["web", "rabbitmq", "postgres", "staging", "epmd"] {
        up.killed_and_back(name).await;
    }

    second_stack_is_refused(&up);

    signal(up.child.id(), Signal::KILL);
    up.child.wait().unwrap();
    let look = || async { processes_of(dir.path()) };
    wait::until("nothing to be left behind", PATIENCE, look, Vec::is_empty).await;
    drop(up);

    let mut up = Up::start(dir.path(), &ports);
    up.ready().await;
    assert_eq!(up.credentials().unwrap(), credentials);
    up.stop();
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
    assert!(up.processes().is_empty());
}

#[tokio::test]
async fn a_server_that_was_deleted_on_the_pages_stays_away() {
    let dir = data_dir();
    let ports = free_ports();
    let mut up = Up::start(dir.path(), &ports);
    up.ready().await;

    let api = up.api();
    let id = server_id(&api, "server2").await.unwrap();
    let online = || async { api.all("/servers").await.unwrap() };
    let all = |s: &Vec<Value>| s.iter().all(|s| s["state"] == "online");
    wait::until("every server online", PATIENCE, online, all).await;
    let (status, drained) = api.post(&format!("/servers/{id}/drain"), &json!({})).await.unwrap();
    assert_eq!(status, 202, "{drained}");
    let left = || async { api.get(&format!("/servers/{id}")).await.unwrap() };
    let open =
        || async { api.all("/jobs?state=queued,copying,syncing,cutover,retiring").await.unwrap() };
    wait::until("nobody to live there", PATIENCE, left, |s| s["artists"] == 0).await;
    wait::until("no open job", PATIENCE, open, Vec::is_empty).await;
    let status = api.delete(&format!("/servers/{id}")).await.unwrap();
    assert!((200..300).contains(&status), "{status}");
    up.stop();

    // The configuration still names it; its broker user, lanes and processes do not come back.
    let mut up = Up::start(dir.path(), &ports);
    up.ready_with(NAMES.len() - 3).await;
    assert!(up.processes().keys().all(|name| !name.contains("server2")));
    assert!(server_id(&up.api(), "server2").await.is_none());
    assert!(server_id(&up.api(), "server3").await.is_some());
    let doctor = Command::new(find_tourbus().unwrap())
        .args(["topology", "doctor", "--config"])
        .arg(up.data.join("config/topology.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && !said.contains("server2"), "{said}");
    up.stop();
}

async fn server_id(api: &Api, slug: &str) -> Option<String> {
    let servers = api.all("/servers").await.unwrap();
    let server = servers.iter().find(|s| s["slug"] == slug)?;
    server["id"].as_str().map(str::to_owned)
}

fn second_stack_is_refused(up: &Up) {
    let said = |data: &Path| {
        let output = Command::new(find_tourbus().unwrap())
            .args(["up", "--http-port", &up.web.to_string(), "--data-dir"])
            .arg(data)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let same_data = said(&up.data);
    assert!(same_data.contains(&format!("process {}", up.child.id())), "{same_data}");
    let same_port = said(&up.data.with_file_name("other"));
    let (port, setting) = (up.web.to_string(), "TOURBUS_HTTP_PORT");
    assert!(same_port.contains(&port) && same_port.contains(setting), "{same_port}");
    assert!(!same_port.contains("stopping"), "nothing had started: {same_port}");
}
