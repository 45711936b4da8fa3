//! `tourbus up`: the demo cluster in the foreground.

use crate::{
    Cluster, ClusterSpec, DataDir, Infra, InfraSpec, LocalError, Logs, Overrides, Ports,
    ServerSpec, Supervisor,
};
use std::{future::Future, path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;
use tourbus_domain::Slug;

/// What `tourbus up` can be told.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Web's port; the others follow it.
    pub http_port: u16,
    /// Workers of each server.
    pub workers_per_server: usize,
    /// Artists that the demo makes when there are none; `None` makes none.
    pub demo_artists: Option<usize>,
    /// The binary that runs every process.
    pub tourbus_binary: PathBuf,
}

/// Starts the demo cluster, prints how to use it, and runs until `shutdown`; then stops
/// everything in order. When `kill` fires as well, everything is killed instead.
pub async fn up(
    options: UpOptions,
    shutdown: CancellationToken,
    kill: CancellationToken,
) -> Result<(), LocalError> {
    let dir = Arc::new(DataDir::open(&options.data_dir)?);
    let supervisor = Supervisor::new(Some(dir.path().join("processes.json")), Logs::terminal());
    let started = tokio::select! {
        started = start(&options, &dir, &supervisor) => started.map(Some),
        () = shutdown.cancelled() => Ok(None),
    };
    let started = match started {
        Ok(Some(stack)) => {
            print_banner(&stack.1);
            shutdown.cancelled().await;
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(e) => Err(e),
    };
    if !supervisor.names().is_empty() {
        supervisor.say("tourbus", "stopping; press Ctrl-C again to kill everything at once");
    }
    let stopped = stop(&supervisor, &kill).await;
    started.and(stopped)
}

async fn stop(supervisor: &Supervisor, kill: &CancellationToken) -> Result<(), LocalError> {
    let gently = supervisor.stop();
    let harshly = async {
        kill.cancelled().await;
        supervisor.kill_all();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        stopped = gently => Ok(stopped?),
        () = harshly => Ok(()),
    }
}

async fn start(
    options: &UpOptions,
    dir: &Arc<DataDir>,
    supervisor: &Supervisor,
) -> Result<(Infra, Cluster), LocalError> {
    let servers = demo_servers(options.workers_per_server)?;
    let ports = Ports::following(options.http_port, &servers)?;
    ports.cluster.check_free(&servers)?;
    let infra = InfraSpec {
        data_dir: options.data_dir.clone(),
        ports: ports.infra,
        tourbus_binary: options.tourbus_binary.clone(),
        staging: None,
        tls: None,
        durable: true,
        logs: Logs::terminal(),
    };
    // Boxed: these futures are large, and this one lives on a stack.
    let infra = boxed(Infra::start_in(dir.clone(), supervisor.clone(), infra)).await?;
    let cluster = ClusterSpec {
        data_dir: options.data_dir.clone(),
        ports: ports.cluster,
        endpoints: infra.endpoints().clone(),
        servers,
        demo_artists: options.demo_artists,
        tourbus_binary: options.tourbus_binary.clone(),
        overrides: Overrides::default(),
        env: Vec::new(),
        logs: Logs::terminal(),
    };
    let cluster = boxed(Cluster::start_in(dir.clone(), supervisor.clone(), cluster)).await?;
    Ok((infra, cluster))
}

fn boxed<T>(future: impl Future<Output = T>) -> std::pin::Pin<Box<impl Future<Output = T>>> {
    Box::pin(future)
}

/// The servers of the demo: the master, `server2` and `server3`.
fn demo_servers(workers: usize) -> Result<Vec<ServerSpec>, LocalError> {
    ["master", "server2", "server3"]
        .into_iter()
        .map(|slug| {
            let slug: Slug = slug.parse().map_err(|e| LocalError::Invalid(format!("{e}")))?;
            Ok(ServerSpec { workers, ..ServerSpec::new(slug) })
        })
        .collect()
}

/// Past the lines of the processes, to be seen at a glance.
fn print_banner(cluster: &Cluster) {
    use std::io::Write;
    let credentials = cluster.credentials();
    let text = format!(
        "
  Tourbus is up.

    address    {}
    email      {}
    password   {}

    also at    {} (for scripts)
    data       {}
    secrets    {}

  Press Ctrl-C to stop. The data stays; `make run` finds it again.

",
        cluster.main_url(),
        credentials.admin_email,
        credentials.admin_password,
        credentials.url,
        cluster.data_dir().display(),
        cluster.data_dir().join("credentials.json").display(),
    );
    // A closed terminal is no reason to stop.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
}
