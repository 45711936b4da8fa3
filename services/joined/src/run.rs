//! Running a joined server: media, workers and agent as children, restarted when they die or
//! when their settings have changed.

use crate::{
    JoinedError,
    configs::{self, Process},
    home::Home,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tourbus_supervisor::{ChildSpec, Logs, Supervisor};

/// How often it is looked whether the settings have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What the children get of this process's environment; never the token.
const PASSED_ON: [&str; 3] = ["RUST_LOG", "RUST_BACKTRACE", "TOURBUS_LOG"];

/// `tourbus server run`: until `shutdown`; killed at once with `kill`.
pub async fn run(
    dir: &Path,
    binary: PathBuf,
    shutdown: CancellationToken,
    kill: CancellationToken,
) -> Result<(), JoinedError> {
    let home = Home::at(dir)?;
    Server::start(home, binary, Logs::terminal())?.until(shutdown, kill).await
}

/// A server whose processes run.
pub(crate) struct Server {
    home: Home,
    binary: PathBuf,
    supervisor: Supervisor,
    processes: Vec<Process>,
    // Held for as long as the processes run.
    _lock: std::fs::File,
}

impl Server {
    /// Writes the configurations and starts the processes.
    pub(crate) fn start(home: Home, binary: PathBuf, logs: Logs) -> Result<Self, JoinedError> {
        let not_joined = || JoinedError::NotJoined(home.path().to_owned());
        if !home.path().is_dir() {
            return Err(not_joined());
        }
        let lock = home.lock()?;
        let processes = wanted(&home)?.ok_or_else(not_joined)?;
        let supervisor = Supervisor::new(Some(home.processes_file()), logs);
        let server = Self { home, binary, supervisor, processes, _lock: lock };
        for process in &server.processes {
            process.write()?;
            server.supervisor.start(server.spec(process));
        }
        Ok(server)
    }

    fn spec(&self, process: &Process) -> ChildSpec {
        let mut spec = ChildSpec::new(&process.name, &self.binary)
            .args([process.role, "--config"])
            .args([&process.file]);
        spec.clean_env = true;
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                spec = spec.env(name, value);
            }
        }
        spec
    }

    /// Keeps them running until `shutdown`, then stops them gently.
    pub(crate) async fn until(
        mut self,
        shutdown: CancellationToken,
        kill: CancellationToken,
    ) -> Result<(), JoinedError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.follow_settings().await {
                tracing::error!(%error, "server.settings_not_applied");
            }
        }
        let harshly = async {
            kill.cancelled().await;
            self.supervisor.kill_all();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            stopped = self.supervisor.stop() => Ok(stopped?),
            () = harshly => Ok(()),
        }
    }

    /// Writes the configurations that the master's settings have changed, and restarts those
    /// processes.
    async fn follow_settings(&mut self) -> Result<(), JoinedError> {
        let Some(processes) = wanted(&self.home)? else { return Ok(()) };
        for process in &processes {
            // What runs may only be changed in its settings; who runs is asked with a join.
            if self.processes.iter().any(|p| p.name == process.name) && process.write()? {
                tracing::info!(process = process.name, "server.settings_changed");
                self.supervisor.pause(&process.name).await?;
                self.supervisor.resume(&process.name)?;
            }
        }
        Ok(())
    }
}

fn wanted(home: &Home) -> Result<Option<Vec<Process>>, JoinedError> {
    match (home.joined()?, home.settings()?) {
        (Some(joined), Some(settings)) => configs::processes(home, &joined, &settings).map(Some),
        _ => Ok(None),
    }
}
