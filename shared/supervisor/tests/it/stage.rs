//! What the tests share: a supervisor in a directory of its own, and shell scripts under it.

use rustix::process::{Pid, test_kill_process};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tourbus_supervisor::{ChildSpec, Logs, Readiness, Stage, Supervisor};

/// Longest wait of any test.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// What never gets ready.
pub struct Never;

impl Readiness for Never {
    async fn check(&self) -> Result<(), String> {
        Err("never".to_owned())
    }
}

pub struct Bench {
    pub dir: TempDir,
    pub supervisor: Supervisor,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let supervisor = supervisor(dir.path());
        Self { dir, supervisor }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a script and waits until it has said `ready`.
    pub async fn start(&self, name: &str, stage: Stage, script: &str) -> u32 {
        self.supervisor.start(ChildSpec { stage, ..shell(name, script) });
        let log = self.path(&format!("{name}.log"));
        until(&format!("{name} is ready"), || read(&log).contains("ready")).await;
        self.supervisor.pid(name).unwrap()
    }

    /// `processes.json`, as pairs.
    pub fn processes(&self) -> Vec<(String, u32)> {
        processes(self.dir.path())
    }
}

pub fn supervisor(dir: &Path) -> Supervisor {
    Supervisor::new(Some(dir.join("processes.json")), Logs::files(dir))
}

pub fn shell(name: &str, script: &str) -> ChildSpec {
    ChildSpec { stop_wait: Duration::from_secs(5), ..ChildSpec::new(name, "/bin/sh") }
        .args(["-c", script])
}

pub fn processes(dir: &Path) -> Vec<(String, u32)> {
    #[derive(serde::Deserialize)]
    struct Entry {
        name: String,
        pid: u32,
    }
    let text = read(&dir.join("processes.json"));
    let entries: Vec<Entry> = serde_json::from_str(&text).unwrap_or_default();
    entries.into_iter().map(|e| (e.name, e.pid)).collect()
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub fn lives(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid as i32).unwrap()).is_ok()
}

/// Polls until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < WAIT_MAX, "still not so after {WAIT_MAX:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
