//! The staging bucket, with a real object.

use bytes::Bytes;
use tourbus_config::{AgentConfig, StagingConfig};
use tourbus_protocol::{CheckName, CheckResult, names};
use tourbus_staging::{S3Staging, Staging, StagingError};
use uuid::Uuid;

/// Where a joined server is told who vouches for the store.
const CA: &str = "joining.staging.tls.ca_file of web's configuration on the master";
/// A check is quick or it is red: moves themselves try for longer.
const REQUEST_TIMEOUT_S: u64 = 10;
/// Tries of each request.
const ATTEMPTS: usize = 2;

/// Writes an object, reads it back, deletes it.
pub(super) async fn check(config: &AgentConfig) -> CheckResult {
    let prefix = names::checks_prefix(&config.server);
    let key = format!("{prefix}{}", Uuid::new_v4());
    let found = match probe(&config.staging, &prefix, &key).await {
        Ok(()) => Ok(()),
        // The embedded store may be starting just now.
        Err((_, error)) if error.class() == tourbus_domain::ErrorClass::Transient => {
            probe(&config.staging, &prefix, &key).await
        }
        Err(error) => Err(error),
    };
    let StagingConfig { endpoint, bucket, .. } = &config.staging;
    match found {
        Ok(()) => CheckResult::green(
            CheckName::Staging,
            format!("Wrote, read and deleted an object in bucket {bucket} at {endpoint}."),
        ),
        Err((doing, error)) => {
            let remedy = match &error {
                StagingError::Untrusted { fault, .. } => fault.remedy(CA, "staging.tls"),
                other => other.remedy(),
            };
            CheckResult::red(
                CheckName::Staging,
                format!("Cannot {doing} an object in bucket {bucket} at {endpoint}: {error}."),
                format!("{}.", remedy.trim_end_matches('.')),
            )
        }
    }
}

async fn probe(
    config: &StagingConfig,
    prefix: &str,
    key: &str,
) -> Result<(), (&'static str, StagingError)> {
    let quick = StagingConfig {
        request_timeout_s: REQUEST_TIMEOUT_S,
        attempts_max: ATTEMPTS,
        ..config.clone()
    };
    let staging = S3Staging::connect(&quick).map_err(|e| ("reach the store for", e))?;
    let body = Bytes::from(key.to_owned());
    staging.put(key, body.clone()).await.map_err(|e| ("write", e))?;
    let read = staging.get(key, body.len()).await.map_err(|e| ("read", e))?;
    if read != body {
        let error =
            StagingError::Corrupt { key: key.to_owned(), endpoint: config.endpoint.clone() };
        return Err(("read back", error));
    }
    // Also what earlier checks left when they were cut off.
    staging.delete_prefix(prefix).await.map_err(|e| ("delete", e))?;
    let there = staging.exists(key).await.map_err(|e| ("look for", e))?;
    if there {
        let message = "it is still there after the delete".to_owned();
        let remedy = "Look into the store's log; the key must be allowed to delete".to_owned();
        return Err(("delete", StagingError::Invalid { message, remedy }));
    }
    Ok(())
}
