//! Ordering a server out of quarantine.

use crate::{
    Store, StoreError,
    outbox::{self, NewOrder},
};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, types::Json};
use tourbus_domain::{JobId, Lane, Quarantine, ServerId, StepKey, StepKind};
use tourbus_protocol::Order;

#[derive(FromRow)]
struct Row {
    slug: String,
    quarantine: Json<Quarantine>,
    now: DateTime<Utc>,
}

impl Store {
    /// Owes a server the order to lift each quarantine that its workers have told of within the
    /// last minute. Returns them; empty when the server is in none.
    pub async fn release_server(&self, id: ServerId) -> Result<Vec<Quarantine>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT DISTINCT ON (w.quarantine->>'id') s.slug, w.quarantine, now() AS now \
             FROM workers w JOIN servers s ON s.id = w.server_id \
             WHERE s.id = $1 AND w.quarantine IS NOT NULL \
                 AND w.last_seen_at > now() - interval '1 minute'",
        )
        .bind(id.0)
        .fetch_all(&mut *tx)
        .await?;
        let order = |row: &Row| -> Result<NewOrder, StoreError> {
            let quarantine = row.quarantine.id;
            Ok(NewOrder {
                server: row.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
                lane: Lane::Upkeep,
                // No job's: the order is to the server itself.
                job_id: JobId(quarantine),
                key: StepKey { kind: StepKind::Export, seq: 0 },
                epoch: 0,
                floor: 0,
                order: Order::ReleaseV1 { quarantine },
                run_after: row.now,
            })
        };
        let orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
        outbox::owe(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(rows.into_iter().map(|r| r.quarantine.0).collect())
    }
}
