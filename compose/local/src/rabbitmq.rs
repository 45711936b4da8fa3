//! A private RabbitMQ: its own node name, port mapper, ports and data; loopback only; no `guest`.

use crate::{
    BrokerEndpoint, DataDir, InfraPorts, InfraTls, LocalError, Secrets, probe::Probe, programs,
};
use std::{path::Path, time::Duration};
use tourbus_supervisor::{ChildSpec, Stage, Supervisor, files};

/// Its name among the processes.
pub const NAME: &str = "rabbitmq";
/// The port mapper's name among the processes.
pub const MAPPER: &str = "epmd";
/// The administrator.
const ADMIN: &str = "tourbus-admin";
/// Part of the path of its data, so it must never change.
const NODE: &str = "tourbus@localhost";
/// Longest wait for one answer of the management API.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a start, with recovery after a crash.
const READY_MAX: Duration = Duration::from_mins(2);
/// A broker that stops closes its queues one by one.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// Writes its configuration, starts port mapper and broker, and waits until the node runs.
pub async fn start(
    dir: &DataDir,
    supervisor: &Supervisor,
    ports: &InfraPorts,
    secrets: &Secrets,
    tls: Option<&InfraTls>,
) -> Result<BrokerEndpoint, LocalError> {
    let home = dir.sub("rabbitmq")?;
    let program = programs::rabbitmq_server()?;
    write_config(&home, ports, secrets, tls)?;
    supervisor.start(mapper(ports)?);
    supervisor.ready(MAPPER, &Probe::Tcp(ports.epmd), READY_MAX).await?;
    supervisor.start(broker(&program, &home, ports));
    let (amqp, http) = if tls.is_some() { ("amqps://", "https") } else { ("", "http") };
    let management = format!("{http}://127.0.0.1:{}", ports.management);
    let authority = tls.map(InfraTls::authority).unwrap_or_default();
    let http = tourbus_http::client(&management, None, ANSWER_MAX, &authority)
        .map_err(|e| LocalError::Management(e.to_string()))?;
    let probe = Probe::RabbitMq {
        http,
        management: management.clone(),
        amqp: ports.amqp,
        user: ADMIN.to_owned(),
        password: secrets.rabbitmq_password.clone(),
    };
    supervisor.ready(NAME, &probe, READY_MAX).await?;
    Ok(BrokerEndpoint {
        address: format!("{amqp}127.0.0.1:{}", ports.amqp),
        tls: tls.map(|tls| tls.client.clone()).unwrap_or_default(),
        management_url: management,
        admin_user: ADMIN.to_owned(),
        admin_password: secrets.rabbitmq_password.clone(),
        vhost: "tourbus".to_owned(),
    })
}

fn mapper(ports: &InfraPorts) -> Result<ChildSpec, LocalError> {
    let mut spec = ChildSpec::new(MAPPER, programs::epmd()?).args([
        "-address",
        "127.0.0.1",
        "-port",
        &ports.epmd.to_string(),
    ]);
    spec.clean_env = true;
    spec.stage = Stage::Mapper;
    Ok(spec)
}

fn broker(program: &Path, home: &Path, ports: &InfraPorts) -> ChildSpec {
    let mut spec = ChildSpec::new(NAME, program)
        .env("HOME", home)
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_DIST_PORT", ports.dist.to_string())
        .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", home.join("log"))
        .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
        .env("RABBITMQ_CONFIG_FILES", home.join("conf.d"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", home.join("generated"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins"))
        // Nothing of the machine's own broker.
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_LOG", "-color")
        // The script execs the virtual machine: the process that we watch is the broker itself.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", ports.epmd.to_string())
        // No port mapper but ours, also not from the helpers that the broker starts.
        .env("ERL_FLAGS", "-start_epmd false")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} -noinput",
        );
    spec.clean_env = true;
    spec.stage = Stage::Broker;
    spec.stop_wait = STOP_WAIT;
    spec
}

fn write_config(
    home: &Path,
    ports: &InfraPorts,
    secrets: &Secrets,
    tls: Option<&InfraTls>,
) -> Result<(), LocalError> {
    let prometheus = ports.prometheus;
    let listeners = listeners(ports, tls);
    let password = &secrets.rabbitmq_password;
    let config = format!(
        "{listeners}prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus}
default_user = {ADMIN}
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 33554432
collect_statistics_interval = 2000
log.file.level = info
log.console = true
log.console.level = warning
"
    );
    files::make_dir(&home.join("conf.d"))?;
    files::write_atomic(&home.join("rabbitmq.conf"), config.as_bytes(), 0o600)?;
    let plugins = b"[rabbitmq_management,rabbitmq_prometheus].\n";
    Ok(files::write_atomic(&home.join("enabled_plugins"), plugins, 0o644)?)
}

/// The lines for AMQP and the management API.
fn listeners(ports: &InfraPorts, tls: Option<&InfraTls>) -> String {
    let InfraPorts { amqp, management, .. } = ports;
    let Some(InfraTls { server, client }) = tls else {
        return format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
"
        );
    };
    let (certificate, key) = (server.certificate.display(), server.key.display());
    let ca = client.ca_file.clone().unwrap_or_default();
    let (ca, asks) = (ca.display(), client.certificate.is_some());
    format!(
        "listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{amqp}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = {verify}
ssl_options.fail_if_no_peer_cert = {asks}
management.ssl.ip = 127.0.0.1
management.ssl.port = {management}
management.ssl.cacertfile = {ca}
management.ssl.certfile = {certificate}
management.ssl.keyfile = {key}
",
        verify = if asks { "verify_peer" } else { "verify_none" },
    )
}
