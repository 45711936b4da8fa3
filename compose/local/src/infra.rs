//! PostgreSQL, RabbitMQ and the staging server, private and on loopback.

use crate::{
    DataDir, Endpoints, InfraPorts, LocalError, Logs, Secrets, StagingEndpoint, Supervisor,
    postgres, rabbitmq, staging,
};
use std::{path::PathBuf, sync::Arc};
use tourbus_config::{ClientTlsConfig, TlsConfig};

/// What to start.
#[derive(Clone)]
pub struct InfraSpec {
    /// Where everything is kept: `postgres/`, `rabbitmq/`, `staging/`, `secrets.json`,
    /// `processes.json`.
    pub data_dir: PathBuf,
    /// Where everything listens.
    pub ports: InfraPorts,
    /// The `tourbus` binary, for the staging server.
    pub tourbus_binary: PathBuf,
    /// A staging store that somebody else runs; `None` starts the embedded one.
    pub staging: Option<StagingEndpoint>,
    /// Lets RabbitMQ, its management API and the embedded store speak TLS, and nothing else.
    pub tls: Option<InfraTls>,
    /// Whether PostgreSQL's data must survive a power cut. Tests say no and are faster.
    pub durable: bool,
    /// Where the processes' lines go.
    pub logs: Logs,
}

/// Certificates of the parts.
#[derive(Debug, Clone)]
pub struct InfraTls {
    /// Their certificate, for `127.0.0.1`, and its key.
    pub server: TlsConfig,
    /// Whom to believe at them, and what our processes show. If they show something, RabbitMQ
    /// lets nobody in without a certificate of that authority.
    pub client: ClientTlsConfig,
}

impl InfraTls {
    /// For parts that ask nobody for a certificate.
    pub(crate) fn authority(&self) -> ClientTlsConfig {
        ClientTlsConfig { ca_file: self.client.ca_file.clone(), ..ClientTlsConfig::default() }
    }
}

/// The running parts. Dropping it kills them; [`Infra::stop`] is gentle.
pub struct Infra {
    dir: Arc<DataDir>,
    supervisor: Supervisor,
    endpoints: Endpoints,
    ports: InfraPorts,
}

impl Infra {
    /// Starts PostgreSQL, RabbitMQ and the staging server under a supervisor of their own, and
    /// waits until all are ready (about eight seconds, most of it RabbitMQ).
    pub async fn start(spec: InfraSpec) -> Result<Self, LocalError> {
        let dir = Arc::new(DataDir::open(&spec.data_dir)?);
        let file = dir.path().join("processes.json");
        let supervisor = Supervisor::new(Some(file), spec.logs.clone());
        Self::start_in(dir, supervisor, spec).await
    }

    pub(crate) async fn start_in(
        dir: Arc<DataDir>,
        supervisor: Supervisor,
        spec: InfraSpec,
    ) -> Result<Self, LocalError> {
        let InfraSpec { ports, tourbus_binary, staging, tls, durable, .. } = spec;
        let tls = tls.as_ref();
        ports.check_free()?;
        let secrets = Secrets::ensure(dir.path())?;
        let staging = async {
            if let Some(endpoint) = staging {
                return Ok(endpoint);
            }
            staging::start(&dir, &supervisor, &ports, &secrets, &tourbus_binary, tls).await
        };
        let (database, broker, staging) = tokio::try_join!(
            postgres::start(&dir, &supervisor, &ports, &secrets, durable),
            rabbitmq::start(&dir, &supervisor, &ports, &secrets, tls),
            staging,
        )?;
        let endpoints = Endpoints { database, broker, staging };
        Ok(Self { dir, supervisor, endpoints, ports })
    }

    /// How to reach the parts. The database and virtual host `tourbus` that it names are not made
    /// yet: see [`Endpoints::prepare`], and [`Endpoints::named`] for more than one cluster.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The supervisor of `epmd`, `rabbitmq`, `postgres` and `staging`: for their process ids, and
    /// to kill and pause them.
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Where the parts listen.
    pub const fn ports(&self) -> &InfraPorts {
        &self.ports
    }

    /// The data directory.
    pub fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Stops the staging server, RabbitMQ and PostgreSQL, in this order.
    pub async fn stop(self) -> Result<(), LocalError> {
        Ok(self.supervisor.stop().await?)
    }
}
