//! Webhooks as scripts see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tourbus_store::{DeliveryRow, WebhookRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// A webhook. Its secret is told once, when it is made or rotated.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// The webhook.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// Of which events, by name.
    pub events: Vec<String>,
    /// Whether it is told at all.
    pub active: bool,
    /// `off`, `switched_off` (by itself), `failing`, `well`, or `new` while nothing was sent.
    pub state: &'static str,
    /// Why it was switched off by itself.
    pub off_note: Option<String>,
    /// Until when the secret before the last rotation signs too.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom.
    pub created_by: String,
    /// When something last arrived.
    pub last_success_at: Option<DateTime<Utc>>,
    /// Since when nothing has; null while all is well.
    pub failing_since: Option<DateTime<Utc>>,
    /// Deliveries that wait.
    pub waiting: i64,
}

const fn state(row: &WebhookRow) -> &'static str {
    match (row.active, row.off_note.is_some()) {
        (false, true) => "switched_off",
        (false, false) => "off",
        (true, _) if row.failing_since.is_some() => "failing",
        (true, _) if row.last_success_at.is_some() => "well",
        (true, _) => "new",
    }
}

impl From<WebhookRow> for WebhookView {
    fn from(row: WebhookRow) -> Self {
        Self {
            state: state(&row),
            id: row.id,
            name: row.name,
            url: row.url,
            events: row.events,
            active: row.active,
            off_note: row.off_note,
            old_secret_until: row.old_secret_until,
            created_at: row.created_at,
            created_by: row.created_by,
            last_success_at: row.last_success_at,
            failing_since: row.failing_since,
            waiting: row.waiting,
        }
    }
}

/// One event for one webhook, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryView {
    /// The delivery.
    pub id: Uuid,
    /// For which webhook.
    pub webhook_id: Uuid,
    /// The header `webhook-id`: the same however often it is sent.
    pub message_id: String,
    /// Which event, by name.
    pub event: String,
    /// What is sent.
    pub body: Value,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// Tries so far.
    pub tries: i32,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next; null unless it waits.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When it was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// What the receiver answered then; null if it did not.
    pub status: Option<i32>,
    /// How long that took, in milliseconds.
    pub latency_ms: Option<i64>,
    /// The first 1024 bytes of the answer.
    pub answer: Option<String>,
    /// Why it did not arrive.
    pub error: Option<String>,
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            webhook_id: row.webhook_id,
            message_id: format!("msg_{}", row.event_id.simple()),
            event: row.event,
            // The database made it of JSON.
            body: serde_json::from_str(&row.body).unwrap_or(Value::String(row.body)),
            state: row.state,
            tries: row.tries,
            created_at: row.created_at,
            next_try_at: row.next_try_at,
            tried_at: row.tried_at,
            status: row.status,
            latency_ms: row.latency_ms,
            answer: row.answer,
            error: row.error,
        }
    }
}
