//! The processes of a cluster: looked at, stopped, killed, configured anew, added.

use super::{Cluster, SETTLE};
use crate::wait;
use serde_json::Value;
use std::{fs, path::Path};
use tourbus_local::{ChildSpec, Infra, Supervisor, find_tourbus};

const SECOND_COORDINATOR: &str = "coordinator-2";

impl Cluster {
    /// Base URL of the master's site, on loopback.
    pub fn url(&self) -> &str {
        self.inner.url()
    }

    pub fn pid(&self, process: &str) -> Option<u32> {
        self.inner.pid(process)
    }

    /// What a process has logged so far; empty before its first line.
    pub fn log_of(&self, process: &str) -> String {
        let file = self.dir.path().join("logs").join(format!("{process}.log"));
        fs::read_to_string(file).unwrap_or_default()
    }

    /// The sum of a worker's counter over its labels, if the worker answers.
    pub async fn worker_metric(&self, process: &str, name: &str) -> Option<f64> {
        let config = fs::read_to_string(self.inner.config_path(process)?).ok()?;
        let config: toml::Table = config.parse().ok()?;
        let listen = config.get("health")?.get("listen")?.as_str()?.to_owned();
        let answer = self.http.get(format!("http://{listen}/metrics")).send().await.ok()?;
        let text = answer.text().await.ok()?;
        let lines = text.lines().filter(|l| l.starts_with(name));
        Some(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// What `/readyz` of a worker says; null while it does not answer.
    pub async fn readiness(&self, process: &str) -> Value {
        let config: tourbus_config::WorkerConfig = self.config_of(process);
        let url = format!("http://{}/readyz", config.health.listen);
        let Ok(answer) = self.http.get(url).send().await else { return Value::Null };
        answer.json().await.unwrap_or(Value::Null)
    }

    /// SIGSTOP: the process is there, but does nothing.
    pub fn pause(&self, process: &str) {
        self.supervisor_of(process).signal(process, rustix::process::Signal::STOP).unwrap();
    }

    pub fn resume(&self, process: &str) {
        self.supervisor_of(process).signal(process, rustix::process::Signal::CONT).unwrap();
    }

    fn supervisor_of(&self, process: &str) -> &Supervisor {
        // By name: a process that is held has no pid.
        let holds = |s: &Supervisor| s.names().iter().any(|name| name == process);
        let part = self.infra.as_ref().filter(|i| holds(i.supervisor()));
        part.map_or_else(|| self.inner.supervisor(), Infra::supervisor)
    }

    /// `kill -9`, and waits until the supervisor has started it again.
    pub async fn kill(&self, process: &str) {
        let supervisor = self.supervisor_of(process);
        let old = supervisor.pid(process).unwrap_or_else(|| panic!("{process} does not run"));
        supervisor.kill(process).unwrap();
        supervisor.restarted(process, old, SETTLE).await.unwrap();
    }

    /// Changes a process's configuration file, and starts it anew.
    pub async fn reconfigure(&self, process: &str, change: impl FnOnce(&mut toml::Table)) {
        let path = self.inner.config_path(process).unwrap();
        let mut config: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        change(&mut config);
        fs::write(path, config.to_string()).unwrap();
        self.kill(process).await;
    }

    /// Until a process says that it is ready.
    pub async fn ready(&self, process: &str) {
        self.inner.ready(process).await.unwrap();
    }

    /// A process's configuration, as one who reads the server's whole disk has it.
    pub fn config_of<T: serde::de::DeserializeOwned + tourbus_config::Ways>(
        &self,
        process: &str,
    ) -> T {
        tourbus_config::load(self.config_path(process)).unwrap()
    }

    /// A process's configuration file.
    pub fn config_path(&self, process: &str) -> &Path {
        self.inner.config_path(process).unwrap()
    }

    /// How many exports a worker takes at a time from now on; 0: none.
    pub async fn set_export_slots(&self, process: &str, slots: i64) {
        let set = |config: &mut toml::Table| {
            let table = config.entry("slots").or_insert_with(|| toml::Table::new().into());
            table.as_table_mut().unwrap().insert("export".to_owned(), slots.into());
        };
        self.reconfigure(process, set).await;
    }

    /// `kill -9`, and not started again until [`Cluster::start_again`].
    pub async fn kill_and_hold(&self, process: &str) {
        self.supervisor_of(process).kill_and_hold(process).await.unwrap();
    }

    pub fn start_again(&self, process: &str) {
        self.supervisor_of(process).resume(process).unwrap();
    }

    /// Starts a second coordinator beside the first; its name.
    pub async fn second_coordinator(&self) -> &'static str {
        let mut config: toml::Table =
            fs::read_to_string(self.config_path("coordinator")).unwrap().parse().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let health: toml::Table = format!("listen = \"127.0.0.1:{port}\"").parse().unwrap();
        config.insert("health".to_owned(), health.into());
        let path = self.dir.path().join("coordinator-2.toml");
        fs::write(&path, config.to_string()).unwrap();
        let spec = ChildSpec::new(SECOND_COORDINATOR, find_tourbus().unwrap())
            .args(["coordinator", "--config"])
            .args([&path]);
        self.inner.supervisor().start(spec);
        let url = format!("http://127.0.0.1:{port}/readyz");
        let ready = || async { self.http.get(&url).send().await.map(|a| a.status().as_u16()).ok() };
        wait::until("the second coordinator", SETTLE, ready, |s| *s == Some(200)).await;
        SECOND_COORDINATOR
    }

    /// Stops what a test has added.
    pub(super) async fn stop_added(&self) {
        let added = [SECOND_COORDINATOR.to_owned()];
        if self.inner.supervisor().names().contains(&added[0]) {
            self.inner.supervisor().remove(&added).await.unwrap();
        }
    }
}
