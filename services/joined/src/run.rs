//! Running a joined server: media, workers and agent as children, restarted when they die or
//! when their settings have changed.

use crate::{
    JoinedError,
    configs::{self, Process},
    home::Home,
};
use chrono::{DateTime, Utc};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tourbus_agent::state::AgentState;
use tourbus_supervisor::{ChildSpec, Logs, Supervisor};

/// How often it is looked whether the settings have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What the terminal says of a server that was deleted.
const DELETED: &str = "This server was deleted from its cluster: its workers rest. Its files stay \
    where they are, and old links are still forwarded for as long as this runs; stop it when \
    nobody needs that. To come back, create the server anew and run the command that its page shows.";
const BACK: &str = "The master knows this server again: its workers start.";
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
    if !home.path().is_dir() {
        return Err(JoinedError::NotJoined(home.path().to_owned()));
    }
    let lock = home.lock()?;
    Server::start(home, lock, binary, Logs::terminal())?.until(shutdown, kill).await
}

/// A server whose processes run.
pub(crate) struct Server {
    home: Home,
    binary: PathBuf,
    supervisor: Supervisor,
    processes: Vec<Process>,
    since: DateTime<Utc>,
    /// Its workers rest, for it was deleted.
    resting: bool,
    // Held for as long as the processes run.
    _lock: std::fs::File,
}

impl Server {
    /// Writes the configurations and starts the processes.
    pub(crate) fn start(
        home: Home,
        lock: std::fs::File,
        binary: PathBuf,
        logs: Logs,
    ) -> Result<Self, JoinedError> {
        let not_joined = || JoinedError::NotJoined(home.path().to_owned());
        let processes = wanted(&home)?.ok_or_else(not_joined)?;
        let supervisor = Supervisor::new(Some(home.processes_file()), logs);
        let server = Self {
            home,
            binary,
            supervisor,
            processes,
            since: Utc::now(),
            resting: false,
            _lock: lock,
        };
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
            if let Err(error) = self.follow_deletion().await {
                tracing::error!(%error, "server.workers_not_paused");
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

    /// Lets the workers of a deleted server rest, and says so: the broker knows them no more.
    async fn follow_deletion(&mut self) -> Result<(), JoinedError> {
        // Unreadable for a moment, or of an earlier run: nothing is known.
        let state = AgentState::read(&self.home.agent()).filter(|s| s.at >= self.since);
        let Some(state) = state else { return Ok(()) };
        if state.deleted == self.resting {
            return Ok(());
        }
        self.resting = state.deleted;
        let workers = self.processes.iter().filter(|p| p.role == "worker");
        for worker in workers {
            if self.resting {
                self.supervisor.pause(&worker.name).await?;
            } else {
                self.supervisor.resume(&worker.name)?;
            }
        }
        // Wherever the processes' own lines go: this is for who sits here, or reads the journal.
        println!("\n{}", if self.resting { DELETED } else { BACK });
        Ok(())
    }
}

fn wanted(home: &Home) -> Result<Option<Vec<Process>>, JoinedError> {
    match (home.joined()?, home.settings()?) {
        (Some(joined), Some(settings)) => configs::processes(home, &joined, &settings).map(Some),
        _ => Ok(None),
    }
}
