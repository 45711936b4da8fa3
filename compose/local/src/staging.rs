//! The embedded S3 server, as a child.

use crate::{
    DataDir, InfraPorts, InfraTls, LocalError, Secrets, StagingEndpoint, config, probe::Probe,
};
use serde_json::json;
use std::{path::Path, time::Duration};
use tourbus_supervisor::{ChildSpec, Stage, Supervisor};

/// Its name among the processes.
pub const NAME: &str = "staging";
/// The bucket; made by the server.
const BUCKET: &str = "tourbus";
/// Longest wait for a start.
const READY_MAX: Duration = Duration::from_secs(30);

/// Writes its configuration, starts it, and waits until it listens.
pub async fn start(
    dir: &DataDir,
    supervisor: &Supervisor,
    ports: &InfraPorts,
    secrets: &Secrets,
    tourbus: &Path,
    tls: Option<&InfraTls>,
) -> Result<StagingEndpoint, LocalError> {
    let root = dir.sub("staging")?;
    let file = dir.sub("config")?.join("staging.toml");
    let mut settings = json!({
        "listen": format!("127.0.0.1:{}", ports.staging),
        "root": root,
        "bucket": BUCKET,
        "access_key": secrets.s3_access_key,
        "secret_key": secrets.s3_secret_key,
    });
    if let Some(InfraTls { server, .. }) = tls {
        settings["tls"] = json!({ "certificate": server.certificate, "key": server.key });
    }
    config::write(&file, &settings)?;
    let mut spec = ChildSpec::new(NAME, tourbus).args([
        "staging".as_ref(),
        "--config".as_ref(),
        file.as_os_str(),
    ]);
    spec.stage = Stage::Staging;
    supervisor.start(spec);
    supervisor.ready(NAME, &Probe::Tcp(ports.staging), READY_MAX).await?;
    Ok(StagingEndpoint {
        endpoint: format!(
            "{}://127.0.0.1:{}",
            if tls.is_some() { "https" } else { "http" },
            ports.staging
        ),
        tls: tls.map(InfraTls::authority).unwrap_or_default(),
        region: "us-east-1".to_owned(),
        bucket: BUCKET.to_owned(),
        prefix: String::new(),
        access_key: secrets.s3_access_key.clone(),
        secret_key: secrets.s3_secret_key.clone(),
    })
}
