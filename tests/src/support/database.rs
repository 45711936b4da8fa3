//! The cluster's database, asked past the store: by benches that fill it and
//! count what is asked of it.

use super::Cluster;
use anyhow::{Context, Result, bail};
use std::{
    io::Write,
    process::{Command, Stdio},
};

impl Cluster {
    /// Runs a script with `psql`, and returns what it says, unaligned and without heads.
    pub fn sql(&self, script: &str) -> Result<String> {
        let at = &self.endpoints.database;
        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-w", "-h", &at.host])
            .args(["-p", &at.port.to_string(), "-U", &at.user, "-d", &at.database])
            .env("PGPASSWORD", &at.password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("psql does not start: run compose/install.sh")?;
        psql.stdin.take().context("no stdin")?.write_all(script.as_bytes())?;
        let out = psql.wait_with_output()?;
        if !out.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Transactions that the database has committed or rolled back so far.
    pub fn transactions(&self) -> Result<u64> {
        let sql = "SELECT pg_stat_clear_snapshot(); SELECT xact_commit + xact_rollback \
                   FROM pg_stat_database WHERE datname = current_database()";
        self.sql(sql)?.parse().context("no number")
    }
}
