//! What a child process is.

use crate::RunAs;
use rustix::process::Signal;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// How long a service may take for a graceful stop; workers promise 20 s.
const STOP_WAIT: Duration = Duration::from_secs(25);

/// When a process is stopped, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What everything else stands on: stopped last.
    Mapper,
    /// The database.
    Database,
    /// The broker.
    Broker,
    /// The staging server.
    Staging,
    /// Our services: stopped first, all at once.
    Services,
}

impl Stage {
    /// First to last.
    pub const STOP_ORDER: [Self; 5] =
        [Self::Services, Self::Staging, Self::Broker, Self::Database, Self::Mapper];
}

/// A process to be kept running.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Its name in logs and in `processes.json`; unique within a supervisor.
    pub name: String,
    /// What to run.
    pub program: PathBuf,
    /// With which arguments.
    pub args: Vec<OsString>,
    /// Environment: added to this process's, or all there is if `clean_env`.
    pub env: Vec<(String, OsString)>,
    /// Whether this process's environment is kept from it, except `PATH`.
    pub clean_env: bool,
    /// As whom.
    pub run_as: RunAs,
    /// When it is stopped.
    pub stage: Stage,
    /// The signal that asks it to stop.
    pub stop_signal: Signal,
    /// How long it may take before it is killed.
    pub stop_wait: Duration,
    /// What the kernel sends it when this process dies.
    pub death_signal: Signal,
}

impl ChildSpec {
    /// A process with the defaults of our own services: `SIGTERM`, 25 s, killed if we die.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            clean_env: false,
            run_as: RunAs::Same,
            stage: Stage::Services,
            stop_signal: Signal::TERM,
            stop_wait: STOP_WAIT,
            death_signal: Signal::KILL,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }
}
