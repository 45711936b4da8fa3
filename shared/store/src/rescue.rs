//! Which tries may be lost.

use crate::{Store, StoreError, steps::step_key};
use sqlx::FromRow;
use std::time::Duration;
use tourbus_domain::{JobId, Lane, Slug, StepRef};
use uuid::Uuid;

/// A try that nobody has named for too long.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// The try.
    pub step: StepRef,
    /// Whose lane it was sent to.
    pub server: Slug,
    /// Which lane.
    pub lane: Lane,
    /// A worker has begun it; else it was only sent, and may still stand on its lane.
    pub running: bool,
}

#[derive(FromRow)]
struct SuspectRow {
    job_id: Uuid,
    kind: String,
    seq: i32,
    epoch: i64,
    slug: String,
    lane: String,
    running: bool,
}

impl Store {
    /// Tries that were sent and not named for `silence`, and that the outbox does not owe.
    /// At most `limit`, the longest silent first.
    pub async fn suspects(
        &self,
        silence: Duration,
        limit: u32,
    ) -> Result<Vec<Suspect>, StoreError> {
        let rows: Vec<SuspectRow> = sqlx::query_as(
            "SELECT s.job_id, s.kind, s.seq, s.epoch, v.slug, s.lane, \
                 s.state = 'running' AS running \
             FROM steps s JOIN servers v ON v.id = s.server_id \
             WHERE s.state IN ('sent', 'running') \
                 AND GREATEST(s.sent_at, s.seen_at) < now() - $1 * interval '1 s' \
                 AND NOT EXISTS (SELECT FROM outbox o WHERE o.job_id = s.job_id \
                     AND o.kind = s.kind AND o.seq = s.seq AND o.epoch = s.epoch) \
             ORDER BY GREATEST(s.sent_at, s.seen_at) LIMIT $2",
        )
        .bind(silence.as_secs_f64())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        let suspect = |row: SuspectRow| {
            Ok(Suspect {
                step: StepRef {
                    job_id: JobId(row.job_id),
                    key: step_key(&row.kind, row.seq)?,
                    epoch: row.epoch as u64,
                },
                server: row.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
                lane: row.lane.parse().map_err(|e| StoreError::undecodable("steps", e))?,
                running: row.running,
            })
        };
        rows.into_iter().map(suspect).collect()
    }

    /// How long ago the newest heartbeat of all was taken note of; `None` before the first.
    pub async fn newest_heartbeat_age(&self) -> Result<Option<Duration>, StoreError> {
        let age: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM now() - max(last_seen_at))::float8 FROM servers",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(age.map(|s| Duration::try_from_secs_f64(s).unwrap_or(Duration::ZERO)))
    }
}
