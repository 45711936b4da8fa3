//! One cluster: web, coordinator, and the workers and media services of each server.

use crate::{
    ClusterPorts, Credentials, DataDir, Endpoints, LocalError, Logs, Overrides, Secrets,
    Supervisor,
    config::{self, Process, Writer},
    fill, people,
    probe::Probe,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tourbus_domain::{ServerId, Slug};
use tourbus_mediaroot::MediaRoot;
use tourbus_store::Store;
use tourbus_supervisor::{ChildSpec, SupervisorError};

/// Longest wait for a service to say that it is ready.
const READY_MAX: Duration = Duration::from_mins(1);
/// How often it is looked whether all servers have reported.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A server of the cluster.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Its name in hosts, queues and paths.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// How many workers it has.
    pub workers: usize,
}

impl ServerSpec {
    /// A server with one worker, named like its slug with a capital.
    pub fn new(slug: Slug) -> Self {
        let text = slug.as_str();
        let name = text[..1].to_uppercase() + &text[1..];
        Self { slug, name, workers: 1 }
    }

    pub(crate) fn worker_process(&self, n: usize) -> String {
        format!("worker-{}-{}", self.slug, n + 1)
    }
}

/// What to start.
#[derive(Clone)]
pub struct ClusterSpec {
    /// Where the cluster keeps `config/`, `servers/<slug>/media/`, `secrets.json`,
    /// `credentials.json` and `processes.json`.
    pub data_dir: PathBuf,
    /// Where its processes listen.
    pub ports: ClusterPorts,
    /// Its PostgreSQL database, RabbitMQ virtual host and staging prefix.
    pub endpoints: Endpoints,
    /// Its servers; the first is the master, and where new artists go.
    pub servers: Vec<ServerSpec>,
    /// How many artists the demo makes if the database has none; `None` makes none.
    pub demo_artists: Option<usize>,
    /// The `tourbus` binary that runs every process.
    pub tourbus_binary: PathBuf,
    /// Settings laid over the generated configurations.
    pub overrides: Overrides,
    /// Added to the environment of every process.
    pub env: Vec<(String, OsString)>,
    /// Where the processes' lines go.
    pub logs: Logs,
}

impl ClusterSpec {
    /// Leaves out servers that were deleted on the pages; the others keep their ports. Returns
    /// which it left out.
    fn forget(&mut self, deleted: &[Slug]) -> Vec<Slug> {
        let gone = |server: &ServerSpec| deleted.contains(&server.slug);
        let at: Vec<usize> = (0..self.servers.len()).filter(|n| gone(&self.servers[*n])).collect();
        let remove = |n: &usize| {
            self.ports.forget_server(*n);
            self.servers.remove(*n).slug
        };
        // From behind, so that the places of the others stay what they are.
        at.iter().rev().map(remove).collect()
    }
}

/// A server of a running cluster.
#[derive(Debug, Clone)]
pub struct ServerView {
    /// Its id in the database.
    pub id: ServerId,
    /// Its slug.
    pub slug: Slug,
    /// Its media root.
    pub media_root: PathBuf,
    /// Where its media service listens; send the host name of `url` in `Host`.
    pub media_address: std::net::SocketAddr,
    /// Its base URL, as browsers use it.
    pub url: String,
}

/// A running cluster. Dropping it kills its processes; [`Cluster::stop`] is gentle.
pub struct Cluster {
    dir: Arc<DataDir>,
    supervisor: Supervisor,
    endpoints: Endpoints,
    processes: Vec<Process>,
    servers: Vec<ServerView>,
    credentials: Credentials,
    main_url: String,
    ports: ClusterPorts,
    store: Store,
}

impl Cluster {
    /// Starts a cluster under a supervisor of its own, and waits until every process is ready:
    /// database and virtual host made, migrated, topology declared, servers, admin and demo there.
    pub async fn start(spec: ClusterSpec) -> Result<Self, LocalError> {
        let dir = Arc::new(DataDir::open(&spec.data_dir)?);
        let file = dir.path().join("processes.json");
        let supervisor = Supervisor::new(Some(file), spec.logs.clone());
        Self::start_in(dir, supervisor, spec).await
    }

    pub(crate) async fn start_in(
        dir: Arc<DataDir>,
        supervisor: Supervisor,
        mut spec: ClusterSpec,
    ) -> Result<Self, LocalError> {
        if !spec.tourbus_binary.is_file() {
            return Err(LocalError::NoBinary(spec.tourbus_binary));
        }
        spec.ports.check_free(&spec.servers)?;
        let secrets = Secrets::ensure(dir.path())?;
        let config_dir = dir.sub("config")?;
        spec.endpoints.prepare().await?;
        let store = fill::connect(&spec.endpoints.database).await?;
        supervisor.say("tourbus", "migrating the database");
        store.migrate().await?;
        for slug in spec.forget(&store.deleted_servers().await?) {
            supervisor.say("tourbus", &format!("{slug} was deleted from the cluster: not started"));
        }
        let writer = Writer { spec: &spec, secrets: &secrets, dir: config_dir, data: dir.path() };
        let processes = writer.write_all()?;
        let servers = fill::servers(&store, &writer).await?;
        let url = format!("http://127.0.0.1:{}", spec.ports.web);
        let credentials = people::ensure(&store, dir.path(), &url, &secrets).await?;
        fill::broker(&writer.topology_path(), &store, &supervisor).await?;
        if let Some(artists) = spec.demo_artists {
            fill::demo(&store, &servers, artists, &supervisor).await?;
        }
        let endpoints = spec.endpoints.clone();
        let main_url = config::main_url(spec.ports.web);
        let cluster = Self {
            dir,
            supervisor,
            endpoints,
            processes,
            servers,
            credentials,
            main_url,
            ports: spec.ports,
            store,
        };
        cluster.start_processes(&spec.tourbus_binary, &spec.env).await?;
        Ok(cluster)
    }

    async fn start_processes(
        &self,
        tourbus: &Path,
        env: &[(String, OsString)],
    ) -> Result<(), LocalError> {
        let start = |process: &Process| {
            let mut spec = ChildSpec::new(&process.name, tourbus)
                .args([process.role, "--config"])
                .args([&process.config]);
            spec.env = env.to_vec();
            self.supervisor.start(spec);
        };
        let began = Instant::now();
        // Web last, with the agents, who report to it: once it says that it is ready, servers take
        // artists.
        let (web, others): (Vec<_>, Vec<_>) =
            self.processes.iter().partition(|process| matches!(process.role, "web" | "agent"));
        others.iter().copied().for_each(start);
        for process in others {
            if self.in_quarantine(process) {
                let text = "in quarantine: see the Servers page";
                self.supervisor.say(&process.name, text);
                continue;
            }
            self.ready(&process.name).await?;
        }
        self.heard_of_all(began).await?;
        web.iter().copied().for_each(start);
        for process in web {
            self.ready(&process.name).await?;
        }
        Ok(())
    }

    /// Waits until the coordinator has heard of every server since `began`; not for ever: pages say
    /// what is silent.
    async fn heard_of_all(&self, began: Instant) -> Result<(), LocalError> {
        loop {
            let since = began.elapsed();
            let rows = self.store.servers().await?;
            let ours = |id| self.servers.iter().any(|s| s.id.0 == id);
            let silent = rows
                .iter()
                .filter(|row| ours(row.id))
                .find(|row| row.seen_age_s.is_none_or(|age| age > since.as_secs_f64()));
            let Some(silent) = silent else { return Ok(()) };
            if since > READY_MAX {
                self.supervisor.say("tourbus", &format!("{} does not report", silent.name));
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether it is a worker of a server in quarantine: it runs, and is not ready until a person
    /// has released the server.
    fn in_quarantine(&self, process: &Process) -> bool {
        process.role == "worker"
            && self.servers.iter().any(|server| {
                process.name.starts_with(&format!("worker-{}-", server.slug))
                    && MediaRoot::new(&server.media_root).quarantine_note().exists()
            })
    }

    /// Waits until the process's `/readyz` answers 200.
    pub async fn ready(&self, name: &str) -> Result<(), LocalError> {
        let process = self.processes.iter().find(|p| p.name == name);
        let process = process.ok_or_else(|| SupervisorError::NotRunning(name.to_owned()))?;
        let probe = Probe::Http(format!("http://{}/readyz", process.health));
        Ok(self.supervisor.ready(name, &probe, READY_MAX).await?)
    }

    /// Base URL of web by address, for our own processes: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.credentials.url
    }

    /// Base URL of web as browsers use it: `http://tourbus.localhost:<port>`.
    pub fn main_url(&self) -> &str {
        &self.main_url
    }

    /// The first admin and its API token.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Its servers, in the order of the specification.
    pub fn servers(&self) -> &[ServerView] {
        &self.servers
    }

    /// One server.
    pub fn server(&self, slug: &str) -> Option<&ServerView> {
        self.servers.iter().find(|s| s.slug.as_str() == slug)
    }

    /// A handle on its database.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Where its processes listen.
    pub const fn ports(&self) -> &ClusterPorts {
        &self.ports
    }

    /// Its real parts.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The supervisor of its processes: to pause, resume, signal, and wait for restarts.
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Its data directory, absolute.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// A process's generated configuration file.
    pub fn config_path(&self, name: &str) -> Option<&Path> {
        self.processes.iter().find(|p| p.name == name).map(|p| p.config.as_path())
    }

    /// A process's id, while it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.supervisor.pid(name)
    }

    /// `kill -9`; the process is restarted.
    pub fn kill(&self, name: &str) -> Result<(), LocalError> {
        Ok(self.supervisor.kill(name)?)
    }

    /// Stops its processes gently. The parts it stands on keep running.
    pub async fn stop(self) -> Result<(), LocalError> {
        let names: Vec<_> = self.processes.iter().map(|p| p.name.clone()).collect();
        let stopped = self.supervisor.remove(&names).await;
        self.store.close().await;
        Ok(stopped?)
    }
}
