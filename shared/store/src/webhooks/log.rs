//! What became of what was sent, and sending it again.

use super::tell;
use crate::{Action, By, Deed, Listener, NewestCursor, Store, StoreError, audit};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::WebhookEvent;
use uuid::Uuid;

/// How long the log is kept.
const PRUNE: &str = "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries \
     WHERE created_at < now() - interval '30 days' LIMIT 10000)";

/// One event for one webhook.
#[derive(Debug, Clone, FromRow)]
pub struct DeliveryRow {
    /// The delivery.
    pub id: Uuid,
    /// For which webhook.
    pub webhook_id: Uuid,
    /// What a receiver knows it by.
    pub event_id: Uuid,
    /// Which event, by name.
    pub event: String,
    /// What is sent.
    pub body: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// Tries so far.
    pub tries: i32,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next, if it waits.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When it was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// What the receiver answered then.
    pub status: Option<i32>,
    /// How long that took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// The beginning of the answer.
    pub answer: Option<String>,
    /// Why it did not arrive.
    pub error: Option<String>,
}

/// Which deliveries of a webhook.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// In this state.
    pub state: Option<String>,
    /// Behind this one.
    pub after: Option<NewestCursor>,
    /// How many at most.
    pub limit: u32,
}

const COLUMNS: &str = "SELECT id, webhook_id, event_id, event, body, state, tries, created_at, \
         CASE WHEN state = 'pending' THEN next_try_at END AS next_try_at, tried_at, status, \
         latency_ms, answer, error \
     FROM webhook_deliveries WHERE ";

impl Store {
    /// Deliveries of a webhook, the newest first.
    pub async fn webhook_deliveries(
        &self,
        webhook: Uuid,
        query: &DeliveryQuery,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        sql.push("webhook_id = ").push_bind(webhook);
        if let Some(state) = &query.state {
            sql.push(" AND state = ").push_bind(state);
        }
        if let Some(after) = &query.after {
            sql.push(" AND (created_at, id) < (").push_bind(after.created_at);
            sql.push(", ").push_bind(after.id).push(")");
        }
        sql.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// One of them.
    pub async fn webhook_delivery(&self, id: Uuid) -> Result<Option<DeliveryRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        sql.push("id = ").push_bind(id);
        Ok(sql.build_query_as().fetch_optional(self.pool()).await?)
    }

    /// Sends a test to one webhook, active or not. The delivery; none without such a webhook.
    pub async fn test_webhook(&self, by: &By, id: Uuid) -> Result<Option<Uuid>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let data = json!({ "asked_by": by.actor });
        let news = tell::News::new(WebhookEvent::Test, data, format!("/webhooks/{id}"));
        let Some(delivery) = tell::only(&mut tx, id, &news).await? else { return Ok(None) };
        let deed = Deed::done(by, Action::WebhookTest, format!("webhook:{id}"));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Some(delivery))
    }

    /// Sends what was delivered, or could not be, again: at once, with as many tries as the first
    /// time, under the same id. One that waits is tried at once. Its webhook; none without such a
    /// delivery.
    pub async fn send_delivery_again(&self, by: &By, id: Uuid) -> Result<Option<Uuid>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let webhook: Option<Uuid> = sqlx::query_scalar(
            "UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_try_at = now(), \
                 finished_at = NULL WHERE id = $1 RETURNING webhook_id",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(webhook) = webhook else { return Ok(None) };
        let deed = Deed::done(by, Action::WebhookResend, format!("webhook:{webhook}"))
            .detail(json!({ "delivery_id": id }));
        audit::record(&mut tx, &[deed]).await?;
        sqlx::query("SELECT pg_notify($1, '')").bind(tell::CHANNEL).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(webhook))
    }

    /// Takes deliveries off the log that are older than 30 days. How many.
    pub async fn prune_webhook_deliveries(&self) -> Result<u64, StoreError> {
        Ok(sqlx::query(PRUNE).execute(self.pool()).await?.rows_affected())
    }

    /// Wakes whoever sends. Holds a connection of the pool for good.
    pub async fn listen_webhooks(&self) -> Result<Listener, StoreError> {
        Listener::on(self, tell::CHANNEL).await
    }
}
