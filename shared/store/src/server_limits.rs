//! Telling servers which limits to keep to.

use crate::{
    Store, StoreError,
    outbox::{self, NewOrder},
};
use sqlx::{FromRow, types::Json};
use tourbus_domain::{JobId, Lane, ServerLimits, Slug, StepKey, StepKind};
use tourbus_protocol::Order;

/// Limits that not all live workers of a server keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedLimits {
    /// Which server.
    pub server: Slug,
    /// Counts up with every change.
    pub revision: u64,
    /// Workers that reported within the last minute.
    pub workers: u32,
    /// The limits.
    pub limits: ServerLimits,
}

#[derive(FromRow)]
struct Row {
    slug: String,
    limits_revision: i64,
    workers: i64,
    limits: Json<ServerLimits>,
}

impl Store {
    /// The servers that have a worker which does not say that it keeps to the limits as they are; of
    /// those that take from `control`, which says that they know limits.
    pub async fn owed_limits(&self) -> Result<Vec<OwedLimits>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "WITH live AS (SELECT w.server_id, w.limits_revision, w.limits_workers, \
                     w.lanes_generation, \
                     count(*) OVER (PARTITION BY w.server_id) AS workers FROM workers w \
                 WHERE w.last_seen_at > now() - interval '1 minute') \
             SELECT DISTINCT s.slug, s.limits_revision, l.workers, s.limits \
             FROM servers s JOIN live l ON l.server_id = s.id \
             WHERE s.deleted_at IS NULL AND s.limits_revision > 0 \
                 AND l.lanes_generation IS NOT NULL \
                 AND (l.limits_revision IS DISTINCT FROM s.limits_revision \
                     OR l.limits_workers IS DISTINCT FROM l.workers) \
             ORDER BY s.slug",
        )
        .fetch_all(self.pool())
        .await?;
        let owed = |row: Row| {
            Ok(OwedLimits {
                server: row.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
                revision: row.limits_revision.unsigned_abs(),
                workers: u32::try_from(row.workers).unwrap_or(u32::MAX),
                limits: row.limits.0,
            })
        };
        rows.into_iter().map(owed).collect()
    }

    /// Owes these servers the announcement of their limits.
    pub async fn announce_limits(&self, owed: &[OwedLimits]) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let now = sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
        let order = |owed: &OwedLimits| NewOrder {
            server: owed.server.clone(),
            lane: Lane::Control,
            // No job's: the order is to the server itself.
            job_id: JobId::new(),
            key: StepKey { kind: StepKind::Export, seq: 0 },
            epoch: 0,
            floor: 0,
            order: Order::LimitsV1 {
                revision: owed.revision,
                workers: owed.workers,
                limits: owed.limits.clone(),
            },
            run_after: now,
        };
        let orders: Vec<NewOrder> = owed.iter().map(order).collect();
        outbox::owe(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(())
    }
}
