//! Databases in PostgreSQL, made and dropped with the package's own tools.

use crate::{DatabaseEndpoint, LocalError, programs};
use std::time::Duration;
use tourbus_supervisor::{ChildSpec, run_once};

/// Longest wait for one tool.
const TOOL_MAX: Duration = Duration::from_mins(1);

/// Creates the database unless it is there.
pub async fn create(at: &DatabaseEndpoint) -> Result<(), LocalError> {
    let query = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", at.database);
    let found = tool(at, "psql", &["-d", "postgres", "-X", "-A", "-t", "-c", &query]).await?;
    if found.trim() == "1" {
        return Ok(());
    }
    tool(at, "createdb", &[&at.database]).await.map(drop)
}

/// Drops the database if it is there; its connections are ended.
pub async fn remove(at: &DatabaseEndpoint) -> Result<(), LocalError> {
    tool(at, "dropdb", &["--if-exists", "--force", &at.database]).await.map(drop)
}

async fn tool(at: &DatabaseEndpoint, tool: &str, args: &[&str]) -> Result<String, LocalError> {
    let program = programs::postgres_bin(None)?.join(tool);
    let spec = ChildSpec::new(tool, program)
        .args(["-h", &at.host, "-p", &at.port.to_string(), "-U", &at.user, "-w"])
        .args(args)
        .env("PGPASSWORD", &at.password)
        .env("PGCONNECT_TIMEOUT", "10");
    let output = run_once(&spec, TOOL_MAX).await.map_err(|source| LocalError::Spawn {
        name: tool.to_owned(),
        program: spec.program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LocalError::Command {
        what: format!("{tool} on database {}", at.database),
        exit: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
