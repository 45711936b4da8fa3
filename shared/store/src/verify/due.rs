//! Whose turn it is: every artist once in so many days, a few at a time, spread over those days.

use super::write::{self, Picked};
use crate::{Store, StoreError, notify};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Artists of one server that are queued at a time at most, by themselves.
const PORTION_MAX: i64 = 20;
/// Turns of a server that wait or are at work at most, before more are given out.
const OPEN_MAX: i64 = 40;
/// The turns of all artists are given out in this part of the period, so that nobody is late who
/// waited for theirs.
const PACE: f64 = 0.9;

#[derive(FromRow)]
struct ServerRow {
    id: Uuid,
    artists: i64,
    open: i64,
    given_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
}

impl ServerRow {
    /// How many turns are due, and up to when they have been given out then.
    fn turns(&self, every_s: f64) -> (i64, DateTime<Utc>) {
        let Some(given_at) = self.given_at else { return (1, self.now) };
        let each_s = every_s * PACE / (self.artists.max(1) as f64);
        let due = ((self.now - given_at).as_seconds_f64() / each_s).floor();
        let turns = (due as i64).clamp(0, PORTION_MAX.min(OPEN_MAX - self.open).max(0));
        if due as i64 > turns {
            // What could not be given out is not owed: no flood after an outage.
            return (turns, self.now);
        }
        let given = chrono::Duration::milliseconds((turns as f64 * each_s * 1000.0) as i64);
        (turns, given_at + given)
    }
}

/// How fast files are read unless asked otherwise, in bytes per second.
pub(super) async fn rate(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let rate: i64 = sqlx::query_scalar("SELECT verify_rate_bytes_s FROM cluster_settings")
        .fetch_one(conn)
        .await?;
    Ok(rate.unsigned_abs())
}

impl Store {
    /// Queues those whose turn has come. Several may call it at once: each turn is given out once.
    /// Returns how many artists.
    pub async fn queue_due_verifies(&self) -> Result<u64, StoreError> {
        let (every_days,): (i32,) =
            sqlx::query_as("SELECT verify_every_days FROM cluster_settings")
                .fetch_one(self.pool())
                .await?;
        if every_days == 0 {
            return Ok(0);
        }
        let servers: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM servers WHERE deleted_at IS NULL ORDER BY id")
                .fetch_all(self.pool())
                .await?;
        let mut queued = 0;
        for server in servers {
            match self.queue_due_of(server, every_days).await {
                Ok(of_server) => queued += of_server,
                // The others have their turn; this one has it a minute later.
                Err(error) => tracing::warn!(%error, %server, "verify.turns_not_given"),
            }
        }
        Ok(queued)
    }

    async fn queue_due_of(&self, server: Uuid, every_days: i32) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        // One coordinator at a time. The server's row is written last: jobs and artists come before
        // servers in the order of locks.
        let mine: bool = sqlx::query_scalar(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('verify.due:' || $1::text, 0))",
        )
        .bind(server)
        .fetch_one(&mut *tx)
        .await?;
        if !mine {
            return Ok(0);
        }
        let row: Option<ServerRow> = sqlx::query_as(
            "SELECT s.id, s.verify_given_at AS given_at, clock_timestamp() AS now,
                 (SELECT count(*) FROM artists a WHERE a.server_id = s.id) AS artists,
                 (SELECT count(*) FROM jobs j WHERE j.kind = 'verify' AND j.target_server_id = s.id
                     AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
                     AND NOT EXISTS (SELECT FROM batches b WHERE b.id = j.batch_id
                         AND b.paused_at IS NOT NULL)) AS open
             FROM servers s WHERE s.id = $1 AND s.deleted_at IS NULL",
        )
        .bind(server)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row.filter(|r| r.artists > 0) else { return Ok(0) };
        let (turns, given_at) = row.turns(f64::from(every_days) * 86_400.0);
        if turns == 0 && row.given_at == Some(given_at) {
            return Ok(0);
        }
        let mut picked: Vec<Picked> = sqlx::query_as(
            "SELECT a.id, a.slug, a.server_id, a.bytes FROM artists a
             WHERE a.server_id = $1 AND a.operating_job_id IS NULL
                 AND (a.verify_queued_at IS NULL
                     OR a.verify_queued_at < now() - make_interval(days => $2))
                 AND NOT EXISTS (SELECT FROM jobs j WHERE j.artist_id = a.id AND j.kind = 'verify'
                     AND j.state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck'))
             ORDER BY a.verify_queued_at NULLS FIRST, a.id LIMIT $3",
        )
        .bind(row.id)
        .bind(every_days)
        .bind(turns)
        .fetch_all(&mut *tx)
        .await?;
        picked.sort_unstable_by_key(|p| p.id);
        let rate = rate(&mut tx).await?;
        let jobs = write::jobs(&mut tx, None, &picked, rate).await?;
        sqlx::query("UPDATE servers SET verify_given_at = $2 WHERE id = $1")
            .bind(row.id)
            .bind(given_at)
            .execute(&mut *tx)
            .await?;
        let ids: Vec<Uuid> = jobs.iter().map(|h| h.job.id.0).collect();
        notify::changed(&mut tx, &ids, &[]).await?;
        tx.commit().await?;
        Ok(jobs.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const WEEK_S: f64 = 7.0 * 86_400.0;

    fn server(artists: i64, open: i64, ago: Option<TimeDelta>) -> ServerRow {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        ServerRow { id: Uuid::nil(), artists, open, given_at: ago.map(|a| now - a), now }
    }

    #[test]
    fn turns_are_spread_over_the_period() {
        assert_eq!(server(30, 0, None).turns(WEEK_S).0, 1);
        // Each has a turn in 6.3 days: one in about five hours.
        assert_eq!(server(30, 0, Some(TimeDelta::hours(5))).turns(WEEK_S).0, 0);
        assert_eq!(server(30, 0, Some(TimeDelta::minutes(303))).turns(WEEK_S).0, 1);
        assert_eq!(server(20_000, 0, Some(TimeDelta::minutes(1))).turns(WEEK_S).0, 2);
    }

    #[test]
    fn what_is_left_over_of_a_minute_counts_for_the_next() {
        let one = server(20_000, 0, Some(TimeDelta::minutes(1)));
        let (_, given) = one.turns(WEEK_S);
        assert!(given < one.now && given > one.now - TimeDelta::seconds(28), "{given}");
    }

    #[test]
    fn there_is_never_a_flood() {
        let long = server(100_000, 0, Some(TimeDelta::days(3)));
        assert_eq!(long.turns(WEEK_S), (PORTION_MAX, long.now));
        let full = server(100_000, OPEN_MAX, Some(TimeDelta::days(3)));
        assert_eq!(full.turns(WEEK_S), (0, full.now));
    }
}
