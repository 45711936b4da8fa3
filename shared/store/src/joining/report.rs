//! Reports of servers' agents.

use super::checks;
use crate::{Store, StoreError};
use sqlx::FromRow;
use tourbus_domain::{ServerId, Slug};
use tourbus_protocol::{CheckName, CheckResult};
use uuid::Uuid;

/// A server, as far as a report's signature needs it.
#[derive(Debug, Clone, FromRow)]
pub struct AgentServer {
    /// The server.
    pub id: Uuid,
    /// Its public key, hex; none before it has joined.
    pub public_key: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A report that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether the agent's checks are older than is wanted.
    pub checks_wanted: bool,
}

impl Store {
    /// The newest server of this name: a deleted one may have had it before.
    pub async fn agent_server(&self, slug: &Slug) -> Result<Option<AgentServer>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT id, public_key, deleted_at IS NOT NULL AS deleted FROM servers
             WHERE slug = $1 ORDER BY deleted_at DESC NULLS FIRST LIMIT 1",
        )
        .bind(slug.as_str())
        .fetch_optional(self.pool())
        .await?)
    }

    /// Takes note of a report whose signature was right. None when a report with this number or
    /// a higher one was taken before: then nothing is changed.
    pub async fn take_report(
        &self,
        server: ServerId,
        seq: u64,
        version: &str,
        found: &[CheckResult],
    ) -> Result<Option<Taken>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let taken = sqlx::query(
            "UPDATE servers SET agent_seq = $2, agent_seen_at = clock_timestamp(),
                 agent_version = $3
             WHERE id = $1 AND agent_seq < $2 AND deleted_at IS NULL",
        )
        .bind(server.0)
        .bind(i64::try_from(seq).unwrap_or(i64::MAX))
        .bind(version)
        .execute(&mut *tx)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
        let own: Vec<&CheckResult> =
            found.iter().filter(|c| CheckName::BY_AGENT.contains(&c.name)).collect();
        checks::keep(&mut tx, server, &own).await?;
        let checks_wanted = sqlx::query_scalar(
            "SELECT s.checks_wanted_at IS NOT NULL AND
                    (SELECT count(*) FROM server_checks c WHERE c.server_id = s.id
                     AND c.name = ANY($2) AND c.checked_at >= s.checks_wanted_at) < $3
             FROM servers s WHERE s.id = $1",
        )
        .bind(server.0)
        .bind(CheckName::BY_AGENT.map(CheckName::as_str).as_slice())
        .bind(CheckName::BY_AGENT.len() as i64)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Taken { checks_wanted }))
    }
}
