//! The configuration file of each process, generated.

use crate::{ClusterSpec, Endpoints, LocalError, Secrets, ServerSpec};
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use toml::Table;
use tourbus_config::ClientTlsConfig;
use tourbus_protocol::{ServerKey, names};
use tourbus_supervisor::files;

/// The coordinator's broker user.
const COORDINATOR_USER: &str = "tourbus-coordinator";
/// The domain of the demo; every browser resolves it to this machine.
const MAIN_DOMAIN: &str = "tourbus.localhost";

/// Writes `settings` as TOML that only this user can read.
pub fn write(path: &Path, settings: &Value) -> Result<(), LocalError> {
    write_table(path, &table(settings)?)
}

fn write_table(path: &Path, table: &Table) -> Result<(), LocalError> {
    let text = format!("# Written by `tourbus up` at every start.\n{table}");
    Ok(files::write_atomic(path, text.as_bytes(), 0o600)?)
}

fn table(settings: &Value) -> Result<Table, LocalError> {
    Table::try_from(settings).map_err(|e| LocalError::Invalid(format!("a configuration: {e}")))
}

/// A process of a cluster and its configuration file.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name, for example `worker-server2-1`.
    pub name: String,
    /// The subcommand that runs it.
    pub role: &'static str,
    /// Its configuration.
    pub config: PathBuf,
    /// Where `/readyz` is.
    pub health: SocketAddr,
}

/// Base URL of the master's front door.
pub fn main_url(web_port: u16) -> String {
    format!("http://{MAIN_DOMAIN}:{web_port}")
}

/// Base URL of a server; `port` is its media service's.
pub fn server_url(server: &ServerSpec, is_master: bool, port: u16) -> String {
    if is_master {
        format!("http://{MAIN_DOMAIN}:{port}")
    } else {
        format!("http://{}.{MAIN_DOMAIN}:{port}", server.slug)
    }
}

/// The configurations of one cluster.
pub struct Writer<'a> {
    /// What was asked for.
    pub spec: &'a ClusterSpec,
    /// The cluster's own secrets.
    pub secrets: &'a Secrets,
    /// Where the files go.
    pub dir: PathBuf,
    /// The cluster's data directory, absolute.
    pub data: &'a Path,
}

impl Writer<'_> {
    /// Writes every file. The processes are in the order in which they start.
    pub fn write_all(&self) -> Result<Vec<Process>, LocalError> {
        let ports = &self.spec.ports;
        self.topology()?;
        let mut processes = vec![
            self.process("web", "web".to_owned(), ports.web, &self.web()?)?,
            self.process(
                "coordinator",
                "coordinator".to_owned(),
                ports.coordinator,
                &self.coordinator(),
            )?,
        ];
        let mut agents = Vec::new();
        for (at, server) in self.spec.servers.iter().enumerate() {
            let port = ports.media[at];
            // Before media and agent, which read it.
            self.server_key(server)?;
            let agent = self.agent(server, ports.agents[at]);
            let name = format!("agent-{}", server.slug);
            agents.push(self.process("agent", name, ports.agents[at], &agent)?);
            let name = format!("media-{}", server.slug);
            processes.push(self.process("media", name, port, &self.media(server, port))?);
            for (n, &port) in ports.workers[at].iter().enumerate() {
                let config = self.worker(server, n, port)?;
                processes.push(self.process("worker", server.worker_process(n), port, &config)?);
            }
        }
        processes.extend(agents);
        Ok(processes)
    }

    fn process(
        &self,
        role: &'static str,
        name: String,
        port: u16,
        settings: &Value,
    ) -> Result<Process, LocalError> {
        let mut table = table(settings)?;
        self.spec.overrides.apply(role, &name, &mut table);
        let config = self.dir.join(format!("{name}.toml"));
        write_table(&config, &table)?;
        Ok(Process { name, role, config, health: loopback(port) })
    }

    /// Where [`Writer::write_all`] puts the topology's configuration.
    pub fn topology_path(&self) -> PathBuf {
        self.dir.join("topology.toml")
    }

    fn topology(&self) -> Result<(), LocalError> {
        let broker = &self.endpoints().broker;
        let servers: Vec<Value> = self
            .spec
            .servers
            .iter()
            .map(|s| {
                let password = broker.password_of(&names::broker_user(&s.slug));
                json!({ "slug": s.slug, "password": password })
            })
            .collect();
        let coordinator = broker.password_of(COORDINATOR_USER);
        let settings = json!({
            "management": self.management(),
            "coordinator": { "user": COORDINATOR_USER, "password": coordinator },
            "servers": servers,
            "database": { "url": self.endpoints().database.url() },
        });
        write(&self.topology_path(), &settings)
    }

    fn web(&self) -> Result<Value, LocalError> {
        let mut web = json!({
            "listen": loopback(self.spec.ports.web),
            "cluster": self.cluster(),
            "database": { "url": self.endpoints().database.url() },
            "management": self.management(),
            "visitor_key": self.secrets.visitor_key(),
            "joining": {
                "broker_address": self.endpoints().broker.address,
                "master_public_keys": [self.secrets.public_key()?],
                "staging": self.endpoints().staging,
            },
        });
        if let Some(ca) = &self.endpoints().broker.tls.ca_file {
            web["joining"]["broker_ca_file"] = json!(ca);
        }
        Ok(web)
    }

    fn coordinator(&self) -> Value {
        json!({
            "health": { "listen": loopback(self.spec.ports.coordinator) },
            "database": { "url": self.endpoints().database.url() },
            "broker": self.broker(COORDINATOR_USER),
            "staging": self.endpoints().staging,
            "signing_key": self.secrets.signing_key,
            "keyring": self.data.join("keyring.json"),
        })
    }

    fn media(&self, server: &ServerSpec, port: u16) -> Value {
        json!({
            "server": server.slug,
            "listen": loopback(port),
            "media_root": self.media_root(server),
            "cluster": self.cluster(),
            "key_file": self.key_file(server),
            "visitor_public_keys": [self.secrets.visitor_public_key()],
        })
    }

    fn agent(&self, server: &ServerSpec, port: u16) -> Value {
        json!({
            "server": server.slug,
            // By address: our own processes need no name service.
            "master_url": format!("http://{}", loopback(self.spec.ports.web)),
            "key_file": self.key_file(server),
            "state_dir": self.server_dir(server).join("agent"),
            "media_root": self.media_root(server),
            "health": { "listen": loopback(port) },
            "broker": self.broker(&names::broker_user(&server.slug)),
            "staging": self.endpoints().staging,
        })
    }

    fn worker(&self, server: &ServerSpec, n: usize, port: u16) -> Result<Value, LocalError> {
        Ok(json!({
            "server": server.slug,
            "worker": format!("{}-{}", server.slug, n + 1),
            "media_root": self.media_root(server),
            "health": { "listen": loopback(port) },
            "broker": self.broker(&names::broker_user(&server.slug)),
            "staging": self.endpoints().staging,
            "master_public_keys": [self.secrets.public_key()?],
        }))
    }

    /// The media root of a server.
    pub fn media_root(&self, server: &ServerSpec) -> PathBuf {
        self.server_dir(server).join("media")
    }

    fn server_dir(&self, server: &ServerSpec) -> PathBuf {
        self.data.join("servers").join(server.slug.as_str())
    }

    fn key_file(&self, server: &ServerSpec) -> PathBuf {
        self.server_dir(server).join("server.key")
    }

    /// The server's own key, made with the first look.
    pub fn server_key(&self, server: &ServerSpec) -> Result<ServerKey, LocalError> {
        let path = self.key_file(server);
        let damaged = |message: String| LocalError::Damaged { path: path.clone(), message };
        match fs::read_to_string(&path) {
            Ok(text) => ServerKey::from_hex(&text).map_err(|e| damaged(e.to_string())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                files::make_dir(&self.server_dir(server))?;
                let secret = rand::random::<[u8; 32]>();
                let text = format!("{}\n", hex::encode(secret));
                files::write_atomic(&path, text.as_bytes(), 0o600)?;
                Ok(ServerKey::from_bytes(&secret))
            }
            Err(e) => Err(LocalError::io("read", &path)(e)),
        }
    }

    fn cluster(&self) -> Value {
        json!({ "main_domain": MAIN_DOMAIN, "main_url": main_url(self.spec.ports.web) })
    }

    fn broker(&self, user: &str) -> Value {
        let broker = &self.endpoints().broker;
        json!({
            "address": broker.address,
            "tls": broker.tls,
            "vhost": broker.vhost,
            "user": user,
            "password": broker.password_of(user),
        })
    }

    fn management(&self) -> Value {
        let broker = &self.endpoints().broker;
        json!({
            "url": broker.management_url,
            "tls": ClientTlsConfig { ca_file: broker.tls.ca_file.clone(), ..Default::default() },
            "vhost": broker.vhost,
            "user": broker.admin_user,
            "password": broker.admin_password,
        })
    }

    const fn endpoints(&self) -> &Endpoints {
        &self.spec.endpoints
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
