//! Real child processes: started, watched, restarted, stopped in order, never left behind.
//!
//! ```text
//!            start                      dies
//!   parked ────────▶ running ───────────────────▶ waiting (backoff) ──▶ running …
//!      ▲                │ stop: signal, then SIGKILL after `stop_wait`
//!      └────────────────┘
//! ```

mod child;
mod error;
pub mod files;
mod logs;
mod registry;
mod run_as;
mod spawn;
mod spec;

pub use child::Status;
pub use error::SupervisorError;
pub use logs::Logs;
pub use run_as::RunAs;
pub use spawn::output as run_once;
pub use spec::{ChildSpec, Stage};

use child::{Child, Want};
use registry::Registry;
use rustix::process::Signal;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a starting process is looked at.
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// Starts of a process that never became ready before it is given up.
const STARTS_MAX: u32 = 5;
/// Added to a child's own `stop_wait` before a stop is no longer waited for.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// A way to look whether a process is ready.
pub trait Readiness: Sync {
    /// Looks once. The error says what is missing.
    fn check(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// Keeps processes running. Cheap to clone; when the last clone is dropped, all that still runs
/// is killed.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    children: Mutex<Vec<Arc<Child>>>,
    registry: Arc<Registry>,
    logs: Logs,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for child in self.children.get_mut().unwrap_or_else(PoisonError::into_inner) {
            child.abort();
        }
    }
}

impl Supervisor {
    /// A supervisor that keeps `processes_file`, if given, current and sends the children's lines
    /// to `logs`.
    pub fn new(processes_file: Option<PathBuf>, logs: Logs) -> Self {
        let registry = Arc::new(Registry::new(processes_file));
        Self { inner: Arc::new(Inner { children: Mutex::default(), registry, logs }) }
    }

    /// Starts a process and keeps it running. Must be called inside a tokio runtime.
    pub fn start(&self, spec: ChildSpec) {
        let child = Child::start(spec, self.inner.registry.clone(), self.inner.logs.clone());
        self.children().push(child);
    }

    /// Waits until `probe` succeeds; fails when the process keeps dying, or after `wait_max`.
    pub async fn ready(
        &self,
        name: &str,
        probe: &impl Readiness,
        wait_max: Duration,
    ) -> Result<(), SupervisorError> {
        let child = self.child(name)?;
        let begun = Instant::now();
        loop {
            let last = match probe.check().await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            let status = child.status();
            let (name, tail) = (name.to_owned(), child.tail());
            if status.starts >= STARTS_MAX && status.pid.is_none() {
                let exit = status.last_exit.unwrap_or_default();
                return Err(SupervisorError::Died { name, times: status.starts, exit, tail });
            }
            if begun.elapsed() > wait_max {
                return Err(SupervisorError::NotReady { name, waited: wait_max, last, tail });
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }

    /// The names of all processes, in the order of their start.
    pub fn names(&self) -> Vec<String> {
        self.children().iter().map(|c| c.name().to_owned()).collect()
    }

    /// The process id, while it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.child(name).ok()?.status().pid
    }

    /// How the process is.
    pub fn status(&self, name: &str) -> Result<Status, SupervisorError> {
        Ok(self.child(name)?.status())
    }

    /// The process's last lines, for error messages.
    pub fn tail(&self, name: &str) -> Result<String, SupervisorError> {
        Ok(self.child(name)?.tail())
    }

    /// Sends a signal. A process that dies of it is restarted.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), SupervisorError> {
        self.child(name)?.signal(signal)
    }

    /// `kill -9`. The process is restarted.
    pub fn kill(&self, name: &str) -> Result<(), SupervisorError> {
        self.signal(name, Signal::KILL)
    }

    /// Stops a process gently and keeps it down until [`Supervisor::resume`].
    pub async fn pause(&self, name: &str) -> Result<(), SupervisorError> {
        let child = self.child(name)?;
        child.want(Want::Stop);
        Self::parked(&child).await
    }

    /// `kill -9`, and keeps it down until [`Supervisor::resume`].
    pub async fn kill_and_hold(&self, name: &str) -> Result<(), SupervisorError> {
        let child = self.child(name)?;
        child.want(Want::Kill);
        Self::parked(&child).await
    }

    /// Starts a process that was paused.
    pub fn resume(&self, name: &str) -> Result<(), SupervisorError> {
        self.child(name)?.want(Want::Run);
        Ok(())
    }

    /// Waits until the process runs with another id than `old`. Returns the new one.
    pub async fn restarted(
        &self,
        name: &str,
        old: u32,
        wait_max: Duration,
    ) -> Result<u32, SupervisorError> {
        let child = self.child(name)?;
        let waited = tokio::time::timeout(wait_max, child.wait_pid_other_than(old)).await;
        waited.map_err(|_| SupervisorError::NotReady {
            name: name.to_owned(),
            waited: wait_max,
            last: format!("it was not restarted: {:?}", child.status()),
            tail: child.tail(),
        })
    }

    /// Stops everything that was started at [`Stage::Services`], then the parts they stand on,
    /// each gently first. Afterwards the supervisor is empty.
    pub async fn stop(&self) -> Result<(), SupervisorError> {
        let mut failure = None;
        for stage in Stage::STOP_ORDER {
            let children: Vec<_> =
                self.children().iter().filter(|c| c.stage() == stage).cloned().collect();
            for child in &children {
                child.want(Want::Stop);
            }
            for child in children {
                failure = Self::parked(&child).await.err().or(failure);
                child.abort();
            }
        }
        self.children().clear();
        self.inner.registry.clear();
        failure.map_or(Ok(()), Err)
    }

    /// Stops the named processes gently, all at once, and forgets them.
    pub async fn remove(&self, names: &[String]) -> Result<(), SupervisorError> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.children().drain(..).partition(|c| names.iter().any(|n| n == c.name()));
        *self.children() = kept;
        let mut failure = None;
        for child in &gone {
            child.want(Want::Stop);
        }
        for child in &gone {
            failure = Self::parked(child).await.err().or(failure);
            child.abort();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Kills everything at once.
    pub fn kill_all(&self) {
        for child in self.children().iter() {
            child.want(Want::Kill);
        }
    }

    /// Writes a line as if a process of this name had said it.
    pub fn say(&self, name: &str, line: &str) {
        self.inner.logs.line(name, line);
    }

    async fn parked(child: &Child) -> Result<(), SupervisorError> {
        let wait_max = child.stop_wait() + STOP_MARGIN;
        tokio::time::timeout(wait_max, child.wait_parked()).await.map_err(|_| {
            SupervisorError::NotReady {
                name: child.name().to_owned(),
                waited: wait_max,
                last: "it did not stop, not even when it was killed".to_owned(),
                tail: child.tail(),
            }
        })
    }

    fn child(&self, name: &str) -> Result<Arc<Child>, SupervisorError> {
        let found = self.children().iter().find(|c| c.name() == name).cloned();
        found.ok_or_else(|| SupervisorError::NotRunning(name.to_owned()))
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Child>>> {
        self.inner.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
