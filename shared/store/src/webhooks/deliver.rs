//! Deliveries in a coordinator's hand: claimed with a lease, tried, settled. Several coordinators
//! take different ones; what one dies with is due again when its lease ends.

use crate::{Store, StoreError};
use secrecy::SecretSlice;
use sqlx::FromRow;
use uuid::Uuid;

/// Of one webhook at a time: a slow receiver does not hold up the others.
const OF_ONE_WEBHOOK_MAX: i64 = 4;

/// A delivery that is due, leased.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// The delivery.
    pub id: Uuid,
    /// For which webhook.
    pub webhook_id: Uuid,
    /// What the receiver knows it by.
    pub event_id: Uuid,
    /// To where.
    pub url: String,
    /// To the byte what is sent.
    pub body: String,
    /// Which try this is, from 1.
    pub tries: u32,
    /// What signs it: the current secret first.
    pub secrets: Vec<SecretSlice<u8>>,
}

#[derive(FromRow)]
struct DueRow {
    id: Uuid,
    webhook_id: Uuid,
    event_id: Uuid,
    url: String,
    body: String,
    tries: i32,
    secret: Vec<u8>,
    old_secret: Option<Vec<u8>>,
}

/// What a receiver answered, or why it did not.
#[derive(Debug, Clone, Default)]
pub struct TriedBody {
    /// Its status, if it answered.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// The beginning of its answer.
    pub answer: String,
    /// Why it did not arrive; empty if it did.
    pub error: String,
}

/// What comes of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It arrived.
    Delivered,
    /// It is tried again after so many milliseconds.
    Again {
        /// From now on.
        after_ms: u64,
    },
    /// It is given up.
    GivenUp,
    /// It is given up, and so is its webhook, for this reason.
    SwitchOff(String),
}

impl Store {
    /// Takes due deliveries of active webhooks (and tests of any), at most `limit`, for `lease_s`
    /// seconds. A claim counts as a try.
    pub async fn claim_webhook_deliveries(
        &self,
        limit: u32,
        lease_s: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let rows: Vec<DueRow> = sqlx::query_as(
            "WITH due AS ( \
                 SELECT d.id FROM webhooks w CROSS JOIN LATERAL ( \
                     SELECT d.id, d.next_try_at FROM webhook_deliveries d \
                     WHERE d.webhook_id = w.id AND d.state = 'pending' \
                         AND d.next_try_at <= now() \
                         AND (d.leased_until IS NULL OR d.leased_until < now()) \
                         AND (w.active OR d.event = 'webhook.test') \
                     ORDER BY d.next_try_at \
                     LIMIT greatest(0, $3 - (SELECT count(*) FROM webhook_deliveries l \
                         WHERE l.webhook_id = w.id AND l.state = 'pending' \
                             AND l.leased_until >= now())) \
                     FOR UPDATE SKIP LOCKED) d \
                 ORDER BY d.next_try_at LIMIT $1) \
             UPDATE webhook_deliveries d SET tries = d.tries + 1, tried_at = clock_timestamp(), \
                 leased_until = now() + make_interval(secs => $2) \
             FROM due, webhooks w WHERE d.id = due.id AND w.id = d.webhook_id \
             RETURNING d.id, d.webhook_id, d.event_id, w.url, d.body, d.tries, w.secret, \
                 CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret",
        )
        .bind(i64::from(limit))
        .bind(f64::from(lease_s))
        .bind(OF_ONE_WEBHOOK_MAX)
        .fetch_all(self.pool())
        .await?;
        let due = |row: DueRow| DueDelivery {
            id: row.id,
            webhook_id: row.webhook_id,
            event_id: row.event_id,
            url: row.url,
            body: row.body,
            tries: row.tries.unsigned_abs(),
            secrets: [Some(row.secret), row.old_secret]
                .into_iter()
                .flatten()
                .map(Into::into)
                .collect(),
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// Notes what came of a try. Nothing if somebody else has the delivery by now, or wants it to
    /// be sent again.
    pub async fn settle_webhook_delivery(
        &self,
        due: &DueDelivery,
        body: &TriedBody,
        tried: &Tried,
    ) -> Result<(), StoreError> {
        let (state, after_ms) = match tried {
            Tried::Delivered => ("delivered", 0),
            Tried::Again { after_ms } => ("pending", *after_ms),
            Tried::GivenUp | Tried::SwitchOff(_) => ("failed", 0),
        };
        let mut tx = self.pool().begin().await?;
        // First, as whoever deletes it does.
        sqlx::query("SELECT FROM webhooks WHERE id = $1 FOR NO KEY UPDATE")
            .bind(due.webhook_id)
            .execute(&mut *tx)
            .await?;
        let settled = sqlx::query(
            "UPDATE webhook_deliveries SET leased_until = NULL, status = $3, latency_ms = $4, \
                 answer = $5, error = nullif($6, ''), state = $7, \
                 next_try_at = now() + make_interval(secs => $8), \
                 finished_at = CASE WHEN $7 <> 'pending' THEN now() END \
             WHERE id = $1 AND tries = $2 AND state = 'pending'",
        )
        .bind(due.id)
        .bind(due.tries.cast_signed())
        .bind(body.status.map(i32::from))
        .bind(i64::try_from(body.latency_ms).unwrap_or(i64::MAX))
        .bind(body.answer.replace('\0', ""))
        .bind(body.error.replace('\0', ""))
        .bind(state)
        .bind(after_ms as f64 / 1000.0)
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() == 0 {
            // The lease stays for whoever has it; a wish to send again must not wait for it.
            sqlx::query(
                "UPDATE webhook_deliveries SET leased_until = NULL WHERE id = $1 AND tries = 0",
            )
            .bind(due.id)
            .execute(&mut *tx)
            .await?;
        }
        let off = match tried {
            Tried::SwitchOff(why) => Some(why.as_str()),
            _ => None,
        };
        sqlx::query(
            "UPDATE webhooks SET \
                 last_success_at = CASE WHEN $2 THEN now() ELSE last_success_at END, \
                 failing_since = CASE WHEN NOT $2 THEN coalesce(failing_since, now()) END, \
                 active = active AND $3::text IS NULL, \
                 off_note = CASE WHEN active AND $3::text IS NOT NULL THEN $3 ELSE off_note END \
             WHERE id = $1",
        )
        .bind(due.webhook_id)
        .bind(*tried == Tried::Delivered)
        .bind(off)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Since how many seconds nothing has arrived at a webhook; none while all is well.
    pub async fn webhook_failing_s(&self, id: Uuid) -> Result<Option<f64>, StoreError> {
        let failing: Option<Option<f64>> = sqlx::query_scalar(
            "SELECT extract(epoch FROM now() - failing_since)::float8 FROM webhooks WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?;
        Ok(failing.flatten())
    }
}
