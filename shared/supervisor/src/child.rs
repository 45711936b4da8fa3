//! One supervised process: the loop that starts it, watches it and starts it again.

use crate::{ChildSpec, Logs, Stage, SupervisorError, registry::Registry, spawn};
use rustix::process::{Signal, pidfd_send_signal};
use std::{
    collections::VecDeque,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::ExitStatus,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tourbus_domain::Backoff;

/// Waits between restarts.
const RESTART: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) };
/// A process that ran this long was healthy: its next restart is quick again.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// Lines kept for error messages.
const TAIL_LINES: usize = 20;
/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 16 << 10;
/// A stop signal is sent again after this long: a process that is just starting may lose one.
const STOP_AGAIN: Duration = Duration::from_millis(500);
/// How long the rest of a dead process's output is waited for.
const DRAIN: Duration = Duration::from_millis(200);

/// What is wanted of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// That it runs.
    Run,
    /// That it ends by itself, asked by its signal.
    Stop,
    /// That it ends now.
    Kill,
}

/// How a process is.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Its id, while it runs.
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u32,
    /// How it ended the last time, for people: "was killed by signal 9".
    pub last_exit: Option<String>,
    /// Whether it is down because that is wanted.
    pub parked: bool,
}

pub struct Child {
    spec: ChildSpec,
    want: watch::Sender<Want>,
    status: watch::Sender<Status>,
    pidfd: Mutex<Option<OwnedFd>>,
    tail: Mutex<VecDeque<String>>,
    registry: Arc<Registry>,
    logs: Logs,
    task: OnceLock<AbortHandle>,
}

impl Child {
    /// Starts it, and keeps it running.
    pub fn start(spec: ChildSpec, registry: Arc<Registry>, logs: Logs) -> Arc<Self> {
        let child = Arc::new(Self {
            spec,
            want: watch::Sender::new(Want::Run),
            status: watch::Sender::new(Status::default()),
            pidfd: Mutex::default(),
            tail: Mutex::default(),
            registry,
            logs,
            task: OnceLock::new(),
        });
        let task = tokio::spawn(child.clone().run()).abort_handle();
        child.task.get_or_init(|| task);
        child
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub const fn stage(&self) -> Stage {
        self.spec.stage
    }

    pub const fn stop_wait(&self) -> Duration {
        self.spec.stop_wait
    }

    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The last lines that it said.
    pub fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }

    pub fn want(&self, want: Want) {
        self.want.send_replace(want);
    }

    pub fn signal(&self, signal: Signal) -> Result<(), SupervisorError> {
        let pidfd = self.pidfd.lock().unwrap_or_else(PoisonError::into_inner);
        let not_running = || SupervisorError::NotRunning(self.spec.name.clone());
        let pidfd = pidfd.as_ref().ok_or_else(not_running)?;
        pidfd_send_signal(pidfd, signal).map_err(|_| not_running())
    }

    /// Ends the loop; a process that still runs is killed.
    pub fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    pub async fn wait_parked(&self) {
        // The sender is ours, so this cannot fail.
        drop(self.status.subscribe().wait_for(|s| s.parked).await);
    }

    pub async fn wait_pid_other_than(&self, old: u32) -> u32 {
        let mut status = self.status.subscribe();
        match status.wait_for(|s| s.pid.is_some_and(|pid| pid != old)).await {
            Ok(status) => status.pid.unwrap_or(old),
            Err(_) => old,
        }
    }

    async fn run(self: Arc<Self>) {
        let mut want = self.want.subscribe();
        let mut failures = 0;
        loop {
            if *want.borrow_and_update() != Want::Run {
                failures = 0;
                self.status.send_modify(|s| s.parked = true);
                if want.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.status.send_modify(|s| s.parked = false);
            let begun = Instant::now();
            let exit = self.one_life(&mut want).await;
            self.status.send_modify(|s| s.last_exit = Some(exit.clone()));
            if *want.borrow() != Want::Run {
                continue;
            }
            failures = if begun.elapsed() >= HEALTHY_AFTER { 1 } else { failures + 1 };
            let delay = RESTART.delay(failures, rand::random());
            self.say(&format!("{exit}; starting it again in {} ms", delay.as_millis()));
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = want.changed() => {}
            }
        }
    }

    /// Starts the process and stays with it until it is gone. Returns how it ended.
    async fn one_life(self: &Arc<Self>, want: &mut watch::Receiver<Want>) -> String {
        self.status.send_modify(|s| s.starts += 1);
        let mut spawned = match spawn::spawn(&self.spec).await {
            Ok(spawned) => spawned,
            Err(e) => {
                let text = format!("could not be started ({}): {e}", self.spec.program.display());
                self.keep(&text);
                return text;
            }
        };
        let mut readers = JoinSet::new();
        if let (Some(out), Some(err)) = (spawned.child.stdout.take(), spawned.child.stderr.take()) {
            readers.spawn(self.clone().read(out));
            readers.spawn(self.clone().read(err));
        }
        self.running(Some((spawned.pid, spawned.pidfd)));
        let exit = self.until_gone(&mut spawned.child, want).await;
        self.running(None);
        // Grandchildren may hold the pipe open for longer; they are not waited for.
        let drained =
            tokio::time::timeout(DRAIN, async { while readers.join_next().await.is_some() {} });
        drop(drained.await);
        exit
    }

    async fn until_gone(
        &self,
        child: &mut tokio::process::Child,
        want: &mut watch::Receiver<Want>,
    ) -> String {
        let mut deadline: Option<Instant> = None;
        loop {
            let wanted = *want.borrow_and_update();
            match wanted {
                Want::Run => deadline = None,
                Want::Stop => {
                    let end = *deadline.get_or_insert_with(|| Instant::now() + self.spec.stop_wait);
                    let signal =
                        if Instant::now() < end { self.spec.stop_signal } else { Signal::KILL };
                    // It fails when the process has just ended: what is wanted.
                    self.signal(signal).ok();
                }
                Want::Kill => {
                    self.signal(Signal::KILL).ok();
                }
            }
            tokio::select! {
                exit = child.wait() => return describe(exit),
                _ = want.changed() => {}
                () = tokio::time::sleep(STOP_AGAIN), if wanted != Want::Run => {}
            }
        }
    }

    fn running(&self, process: Option<(u32, OwnedFd)>) {
        let (pid, fd) = process.unzip();
        *self.pidfd.lock().unwrap_or_else(PoisonError::into_inner) = fd;
        self.registry.set(&self.spec.name, pid);
        self.status.send_modify(|s| s.pid = pid);
    }

    async fn read(self: Arc<Self>, mut from: impl AsyncRead + Unpin + Send) {
        let mut line = Vec::with_capacity(256);
        let mut buffer = vec![0; 4096];
        loop {
            let n = from.read(&mut buffer).await.unwrap_or(0);
            for &byte in &buffer[..n] {
                if byte != b'\n' {
                    line.push(byte);
                }
                if byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                    self.heard(&line);
                    line.clear();
                }
            }
            if n == 0 {
                if !line.is_empty() {
                    self.heard(&line);
                }
                return;
            }
        }
    }

    fn heard(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        self.keep(line);
        self.logs.line(&self.spec.name, line);
    }

    fn keep(&self, line: &str) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    }

    fn say(&self, text: &str) {
        self.logs.line("tourbus", &format!("{} {text}", self.spec.name));
    }
}

fn describe(exit: std::io::Result<ExitStatus>) -> String {
    match exit {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        },
        Err(e) => format!("could not be waited for: {e}"),
    }
}
