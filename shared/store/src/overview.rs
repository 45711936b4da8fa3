//! What the overview asks: figures that no list has.

use crate::{Store, StoreError};
use sqlx::FromRow;

/// Moves that failed are counted up to here.
pub const FAILED_MOVES_MAX: i64 = 200;

/// What needs a person, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Needs {
    /// Jobs that are stuck: undoing them has failed.
    pub stuck: i64,
    /// Moves that failed within the last seven days, of artists that no job holds and that have
    /// not moved since; of the newest [`FAILED_MOVES_MAX`] such moves and one more.
    pub failed_moves: i64,
    /// Batches that somebody has paused.
    pub paused_batches: i64,
    /// Checks of servers that are red.
    pub red_checks: i64,
}

impl Store {
    /// What needs a person.
    pub async fn needs(&self) -> Result<Needs, StoreError> {
        let needs = sqlx::query_as(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'stuck') AS stuck,
                 (SELECT count(DISTINCT artist_id) FROM (SELECT j.artist_id FROM jobs j
                  WHERE j.state = 'failed' AND j.kind = 'move'
                      AND j.finished_at > now() - interval '7 days'
                      AND (SELECT a.operating_job_id IS NULL FROM artists a
                           WHERE a.id = j.artist_id)
                      AND (SELECT max(l.created_at) FROM jobs l WHERE l.artist_id = j.artist_id
                           AND l.kind = 'move') = j.created_at
                  ORDER BY j.finished_at DESC LIMIT $1) newest) AS failed_moves,
                 (SELECT count(*) FROM batches WHERE finished_at IS NULL
                      AND paused_at IS NOT NULL) AS paused_batches,
                 (SELECT count(*) FROM server_checks c JOIN servers s ON s.id = c.server_id
                  WHERE c.state = 'red' AND s.deleted_at IS NULL) AS red_checks",
        )
        .bind(FAILED_MOVES_MAX + 1)
        .fetch_one(self.pool())
        .await?;
        Ok(needs)
    }
}
