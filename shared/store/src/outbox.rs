//! Orders that are owed to the broker. What is in the table is exactly what is owed.

use crate::{Store, StoreError, jobs_core::column, steps::step_key};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, Postgres, Transaction, types::Json};
use std::time::Duration;
use tourbus_domain::{Epoch, JobId, Lane, Slug, StepKey, TraceParent};
use tourbus_protocol::Order;
use uuid::Uuid;

/// The channel that a new row is announced on.
pub(crate) const CHANNEL: &str = "tourbus_outbox";
/// How long a row is put off that is not understood.
const ODD_PAUSE: Duration = Duration::from_hours(1);

/// An order to be owed.
#[derive(Debug, Clone)]
pub(crate) struct NewOrder {
    pub server: Slug,
    pub lane: Lane,
    pub job_id: JobId,
    pub key: StepKey,
    pub epoch: Epoch,
    pub floor: Epoch,
    pub order: Order,
    pub run_after: DateTime<Utc>,
}

/// Owes these orders from the caller's commit on, and wakes the relays then.
pub(crate) async fn owe(conn: &mut PgConnection, orders: &[NewOrder]) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let rows: Vec<&NewOrder> = orders.iter().collect();
    sqlx::query(
        "INSERT INTO outbox (server_slug, lane, job_id, kind, seq, epoch, floor, work_order, \
             run_after) \
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::text[], $5::int[], \
             $6::bigint[], $7::bigint[], $8::jsonb[], $9::timestamptz[])",
    )
    .bind(column(&rows, |o| o.server.as_str()))
    .bind(column(&rows, |o| o.lane.as_str()))
    .bind(column(&rows, |o| o.job_id.0))
    .bind(column(&rows, |o| o.key.kind.as_str()))
    .bind(column(&rows, |o| o.key.seq as i32))
    .bind(column(&rows, |o| o.epoch as i64))
    .bind(column(&rows, |o| o.floor as i64))
    .bind(column(&rows, |o| Json(&o.order)))
    .bind(column(&rows, |o| o.run_after))
    .execute(&mut *conn)
    .await?;
    sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(conn).await?;
    Ok(())
}

/// An order that is due.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// The row.
    pub id: i64,
    /// Whose lane.
    pub server: Slug,
    /// Which lane.
    pub lane: Lane,
    /// The job.
    pub job_id: JobId,
    /// The step.
    pub key: StepKey,
    /// The try.
    pub epoch: Epoch,
    /// Tries of the job below this are void.
    pub floor: Epoch,
    /// What to do.
    pub order: Order,
    /// The request that the job follows from.
    pub trace: Option<TraceParent>,
}

#[derive(FromRow)]
struct DueRow {
    id: i64,
    server_slug: String,
    lane: String,
    job_id: Uuid,
    kind: String,
    seq: i32,
    epoch: i64,
    floor: i64,
    work_order: Json<serde_json::Value>,
    live: bool,
    trace_parent: Option<String>,
}

impl TryFrom<DueRow> for DueOrder {
    type Error = StoreError;
    fn try_from(row: DueRow) -> Result<Self, StoreError> {
        let bad = |message: String| StoreError::undecodable("outbox", message);
        Ok(Self {
            id: row.id,
            server: row.server_slug.parse().map_err(|e| bad(format!("row {}: {e}", row.id)))?,
            lane: row.lane.parse().map_err(|e| bad(format!("row {}: {e}", row.id)))?,
            job_id: JobId(row.job_id),
            key: step_key(&row.kind, row.seq)?,
            epoch: row.epoch as u64,
            floor: row.floor as u64,
            order: serde_json::from_value(row.work_order.0)
                .map_err(|e| bad(format!("row {}: {e}", row.id)))?,
            trace: row.trace_parent.and_then(|t| t.parse().ok()),
        })
    }
}

/// Due orders, locked until this is settled or dropped: other relays pass them by. Holds one
/// connection and its transaction, so settle soon.
#[derive(Debug)]
pub struct OutboxLease {
    tx: Transaction<'static, Postgres>,
    orders: Vec<DueOrder>,
    /// Rows found, whatever came of them.
    taken: usize,
}

impl OutboxLease {
    /// The orders to publish.
    pub fn orders(&self) -> &[DueOrder] {
        &self.orders
    }

    /// How many rows were due, counting those that were not worth publishing any more.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Forgets what the broker has confirmed, and puts others off. Rows in neither list stay due.
    pub async fn settle(
        mut self,
        confirmed: &[i64],
        put_off: &[(i64, Duration)],
    ) -> Result<(), StoreError> {
        if !confirmed.is_empty() {
            forget(&mut self.tx, confirmed).await?;
        }
        if !put_off.is_empty() {
            put_off_by(&mut self.tx, put_off).await?;
        }
        self.tx.commit().await?;
        Ok(())
    }
}

/// How much is owed.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct OutboxDepth {
    /// Rows.
    pub rows: i64,
    /// Of these, rows that are due.
    pub due: i64,
    /// How long the one that is due longest has been due, in milliseconds; 0 when none is.
    pub oldest_due_ms: i64,
}

impl Store {
    /// Takes up to `limit` due orders. A try that does not count any more is forgotten instead
    /// of published; a row that is not understood is put off by an hour and reported.
    pub async fn take_due_orders(&self, limit: u32) -> Result<OutboxLease, StoreError> {
        let mut tx = self.pool().begin().await?;
        let rows: Vec<DueRow> = sqlx::query_as(
            // What is for the server itself gets there while its `upkeep` is paused.
            "SELECT o.id, o.server_slug, CASE WHEN o.lane = 'upkeep' AND o.work_order->>'order' IN \
                     ('void_v1', 'release_v1', 'trust_v1') AND EXISTS (SELECT FROM lane_pauses p \
                         JOIN servers v ON v.id = p.server_id \
                         WHERE p.lane = 'upkeep' AND v.slug = o.server_slug) \
                 THEN 'control' ELSE o.lane END AS lane, \
                 o.job_id, o.kind, o.seq, o.epoch, o.floor, o.work_order, \
                 o.work_order->>'order' IN ('void_v1', 'release_v1', 'limits_v1', 'trust_v1', 'lanes_v1') OR EXISTS ( \
                     SELECT FROM steps s WHERE s.job_id = o.job_id AND s.kind = o.kind \
                         AND s.seq = o.seq AND s.epoch = o.epoch AND s.state = 'sent') AS live, \
                 (SELECT j.trace_parent FROM jobs j WHERE j.id = o.job_id) AS trace_parent \
             FROM outbox o WHERE o.run_after <= now() \
             ORDER BY o.run_after, o.id LIMIT $1 FOR UPDATE OF o SKIP LOCKED",
        )
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
        let taken = rows.len();
        let (mut orders, mut dead, mut odd) = (Vec::with_capacity(taken), Vec::new(), Vec::new());
        for row in rows {
            let (id, live) = (row.id, row.live);
            match DueOrder::try_from(row) {
                _ if !live => dead.push(id),
                Ok(order) => orders.push(order),
                Err(error) => {
                    tracing::error!(%error, row = id, "outbox.row_not_understood");
                    odd.push((id, ODD_PAUSE));
                }
            }
        }
        if !dead.is_empty() {
            forget(&mut tx, &dead).await?;
        }
        if !odd.is_empty() {
            put_off_by(&mut tx, &odd).await?;
        }
        Ok(OutboxLease { tx, orders, taken })
    }

    /// How long until the next order is due; `None` when nothing is owed.
    pub async fn next_order_due_in(&self) -> Result<Option<Duration>, StoreError> {
        let wait: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM min(run_after) - now())::float8 FROM outbox",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(wait.map(|s| Duration::try_from_secs_f64(s).unwrap_or(Duration::ZERO)))
    }

    /// How much is owed, for the operator.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, StoreError> {
        let depth = sqlx::query_as(
            "SELECT count(*) AS rows, count(*) FILTER (WHERE run_after <= now()) AS due, GREATEST(0, COALESCE(extract(epoch FROM now() - \
                 min(run_after)) * 1000, 0))::bigint AS oldest_due_ms FROM outbox",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(depth)
    }
}

async fn forget(tx: &mut PgConnection, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids).execute(tx).await?;
    Ok(())
}

async fn put_off_by(tx: &mut PgConnection, rows: &[(i64, Duration)]) -> Result<(), StoreError> {
    let (ids, waits): (Vec<i64>, Vec<f64>) =
        rows.iter().map(|(id, wait)| (*id, wait.as_secs_f64())).unzip();
    sqlx::query(
        "UPDATE outbox o SET run_after = now() + u.wait * interval '1 s' \
         FROM UNNEST($1::bigint[], $2::float8[]) AS u(id, wait) WHERE o.id = u.id",
    )
    .bind(ids)
    .bind(waits)
    .execute(tx)
    .await?;
    Ok(())
}
