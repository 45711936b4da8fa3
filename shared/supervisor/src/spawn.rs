//! Starting a process so that it cannot outlive this one.
//!
//! The kernel's parent-death signal fires when the *thread* that forked dies. Threads of an async
//! runtime come and go, so every child is forked by one thread that lives as long as the process.

use crate::{ChildSpec, RunAs};
use rustix::{
    fs::{Mode, OFlags},
    process::{
        Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, set_parent_process_death_signal,
    },
    thread::{UnshareFlags, unshare_unsafe},
};
use std::{
    io,
    os::fd::OwnedFd,
    os::unix::process::CommandExt,
    process::Stdio,
    sync::{Mutex, PoisonError, mpsc},
};
use tokio::{process::Command, runtime::Handle, sync::oneshot};

type Task = Box<dyn FnOnce() + Send>;

/// Started on first use, never stopped.
static SPAWNER: Mutex<Option<mpsc::Sender<Task>>> = Mutex::new(None);

/// A process that was just started.
pub struct Spawned {
    /// For waiting, and for its output.
    pub child: tokio::process::Child,
    /// For signals: never names another process, however late it is used.
    pub pidfd: OwnedFd,
    /// For people.
    pub pid: u32,
}

/// Starts `spec`. Its standard input is empty, its output is piped.
pub async fn spawn(spec: &ChildSpec) -> io::Result<Spawned> {
    let mut command = command(spec);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    on_spawner(command, |command| {
        let child = command.spawn()?;
        let gone = || io::Error::other("the process ended at once");
        let pid = child.id().ok_or_else(gone)?;
        let pidfd = Pid::from_raw(pid as i32).ok_or_else(gone)?;
        let pidfd = pidfd_open(pidfd, PidfdFlags::empty())?;
        Ok(Spawned { child, pidfd, pid })
    })
    .await
}

/// Runs `spec` to its end, at most `wait_max`, and returns its status and all that it said.
pub async fn output(
    spec: &ChildSpec,
    wait_max: std::time::Duration,
) -> io::Result<std::process::Output> {
    let mut command = command(spec);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = on_spawner(command, Command::spawn).await?;
    tokio::time::timeout(wait_max, child.wait_with_output())
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("not done in {wait_max:?}")))?
}

async fn on_spawner<T: Send + 'static>(
    mut command: Command,
    spawn: impl FnOnce(&mut Command) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let runtime = Handle::current();
    let (sender, receiver) = oneshot::channel();
    let task = Box::new(move || {
        let _runtime = runtime.enter();
        // Whoever waited may have been cancelled: then the child is dropped, and so killed.
        drop(sender.send(spawn(&mut command)));
    });
    let died = |_| io::Error::other("the spawning thread died");
    spawner()?.send(task).map_err(|_| io::Error::other("the spawning thread died"))?;
    receiver.await.map_err(died)?
}

fn spawner() -> io::Result<mpsc::Sender<Task>> {
    let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*spawner {
        return Ok(sender.clone());
    }
    let (sender, tasks) = mpsc::channel::<Task>();
    std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for task in tasks {
            task();
        }
    })?;
    *spawner = Some(sender.clone());
    Ok(sender)
}

fn command(spec: &ChildSpec) -> Command {
    let mut command = std::process::Command::new(&spec.program);
    command.args(&spec.args);
    if spec.clean_env {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
    }
    command.envs(spec.env.iter().map(|(k, v)| (k, v)));
    // Its own group: a Ctrl-C reaches only us, and we stop the children in order.
    command.process_group(0);
    if let RunAs::User { uid, gid } = spec.run_as {
        command.uid(uid).gid(gid).current_dir("/");
    }
    let plan = Plan {
        parent: getpid(),
        death_signal: spec.death_signal,
        namespace: match spec.run_as {
            RunAs::Namespace { id } => Some(format!("{id} 0 1")),
            RunAs::Same | RunAs::User { .. } => None,
        },
    };
    // SAFETY: `Plan::run` only makes system calls on data that was prepared before the fork; it
    // neither allocates nor takes locks.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || plan.run());
    }
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

/// What the child does between fork and exec, after its user was set.
struct Plan {
    parent: Pid,
    death_signal: Signal,
    namespace: Option<String>,
}

impl Plan {
    fn run(&self) -> io::Result<()> {
        if let Some(map) = &self.namespace {
            // SAFETY: the child has one thread and shares no file descriptor table.
            #[allow(unsafe_code)]
            unsafe {
                unshare_unsafe(UnshareFlags::NEWUSER)?;
            }
            write_file(c"/proc/self/uid_map", map)?;
            write_file(c"/proc/self/setgroups", "deny")?;
            write_file(c"/proc/self/gid_map", map)?;
        }
        // Last, because a change of user clears it.
        set_parent_process_death_signal(Some(self.death_signal))?;
        // The parent may have died before that; then nobody would ever signal.
        if getppid() == Some(self.parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    }
}

fn write_file(path: &std::ffi::CStr, text: &str) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}
