//! `stack COMMAND …`: starts one private set of real parts (PostgreSQL, RabbitMQ, an S3 store),
//! tells the command where they are, runs it, and stops them again. Its exit status is the
//! command's.
//!
//! `STAGING=garage` runs a real Garage instead of the embedded S3 server.

use anyhow::{Context, Result, bail};
use std::{
    process::{ExitCode, ExitStatus},
    time::Duration,
};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tourbus_local::{Endpoints, Infra, InfraPorts, InfraSpec, Logs, StagingEndpoint, find_tourbus};
use tourbus_tests::garage::{self, Garage};

/// How long a command that was told to stop may take.
const STOP_WAIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(status) => status.code().map_or(ExitCode::FAILURE, |c| ExitCode::from(c as u8)),
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitStatus> {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else { bail!("usage: stack COMMAND [ARGUMENT …]") };
    let dir = tempfile::Builder::new().prefix("tourbus-test-").tempdir()?;
    // PostgreSQL runs as another user when we are root, and must be able to pass through.
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs)?;
    let garage = match std::env::var("STAGING").as_deref() {
        Ok("garage") => Some(Garage::start(&garage::binary()).await?),
        Ok("embedded" | "") | Err(_) => None,
        Ok(other) => bail!("STAGING={other:?}: expected `garage` or `embedded`"),
    };
    let spec = InfraSpec {
        data_dir: dir.path().join("infra"),
        ports: InfraPorts::free()?,
        tourbus_binary: find_tourbus()?,
        staging: garage.as_ref().map(endpoint_of),
        tls: None,
        durable: false,
        logs: Logs::files(&logs),
    };
    let infra = Infra::start(spec).await.context("the real parts did not start")?;
    let file = dir.path().join("endpoints.json");
    std::fs::write(&file, serde_json::to_vec(infra.endpoints())?)?;
    let mut command = Command::new(program);
    command.args(args).env("TOURBUS_TEST_ENDPOINTS", &file);
    tell(&mut command, infra.endpoints());
    let status = supervise(command).await;
    infra.stop().await?;
    drop(garage);
    status
}

fn endpoint_of(garage: &Garage) -> StagingEndpoint {
    StagingEndpoint {
        endpoint: garage.endpoint.clone(),
        tls: tourbus_config::ClientTlsConfig::default(),
        region: garage.region.clone(),
        bucket: garage.bucket.clone(),
        prefix: String::new(),
        access_key: garage.access_key.clone(),
        secret_key: garage.secret_key.clone(),
    }
}

/// One variable per fact, for tests that need only one part.
fn tell(command: &mut Command, endpoints: &Endpoints) {
    let Endpoints { database, broker, staging } = endpoints;
    let mut server = database.clone();
    "postgres".clone_into(&mut server.database);
    let variables: [(&str, &str); 10] = [
        ("TOURBUS_TEST_POSTGRES_URL", &server.url()),
        ("TOURBUS_TEST_AMQP", &broker.address),
        ("TOURBUS_TEST_MANAGEMENT_URL", &broker.management_url),
        ("TOURBUS_TEST_RABBITMQ_USER", &broker.admin_user),
        ("TOURBUS_TEST_RABBITMQ_PASSWORD", &broker.admin_password),
        ("TOURBUS_TEST_S3_ENDPOINT", &staging.endpoint),
        ("TOURBUS_TEST_S3_REGION", &staging.region),
        ("TOURBUS_TEST_S3_BUCKET", &staging.bucket),
        ("TOURBUS_TEST_S3_ACCESS_KEY", &staging.access_key),
        ("TOURBUS_TEST_S3_SECRET_KEY", &staging.secret_key),
    ];
    command.envs(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
}

/// Runs the command; on a signal stops it first, so that the parts are always stopped last.
async fn supervise(mut command: Command) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = command.kill_on_drop(true).spawn().context("the command did not start")?;
    tokio::select! {
        status = child.wait() => return Ok(status?),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    if let Some(pid) = child.id().and_then(|p| rustix::process::Pid::from_raw(p as i32)) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    if let Ok(status) = timeout(STOP_WAIT, child.wait()).await {
        return Ok(status?);
    }
    child.kill().await?;
    Ok(child.wait().await?)
}
