//! Who is told: made, changed, rotated, removed by an admin.

use crate::{Action, By, Deed, Store, StoreError, audit};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use tourbus_domain::WebhookEvent;
use uuid::Uuid;

/// How long the secret before the last rotation still signs, in seconds (a day).
const OLD_SECRET_S: f64 = 86_400.0;

/// A webhook, without its secrets.
#[derive(Debug, Clone, FromRow)]
pub struct WebhookRow {
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
    /// Until when the secret before the last rotation signs too.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom.
    pub created_by: String,
    /// When something last arrived.
    pub last_success_at: Option<DateTime<Utc>>,
    /// Since when nothing has; none while all is well.
    pub failing_since: Option<DateTime<Utc>>,
    /// Why it was switched off by itself.
    pub off_note: Option<String>,
    /// Deliveries that wait.
    pub waiting: i64,
}

/// A webhook that somebody wants.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// What people call it.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// Of which events.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told from now on.
    pub active: bool,
    /// What signs; 24 to 64 bytes.
    pub secret: Vec<u8>,
}

/// What becomes different; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// What people call it.
    pub name: Option<String>,
    /// Where it is told.
    pub url: Option<String>,
    /// Of which events.
    pub events: Option<Vec<WebhookEvent>>,
    /// Whether it is told. Switching it on forgets that it failed.
    pub active: Option<bool>,
}

/// Webhooks that need a person, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct WebhooksAmiss {
    /// That were switched off by themselves.
    pub switched_off: i64,
    /// At which nothing has arrived for an hour, and that are still tried.
    pub failing: i64,
}

fn names(events: &[WebhookEvent]) -> Vec<&'static str> {
    events.iter().map(|e| e.as_str()).collect()
}

const WEBHOOKS: &str = "SELECT w.id, w.name, w.url, w.events, w.active, \
         CASE WHEN w.old_secret_until > now() THEN w.old_secret_until END AS old_secret_until, \
         w.created_at, w.created_by, w.last_success_at, w.failing_since, w.off_note, \
         (SELECT count(*) FROM webhook_deliveries d \
             WHERE d.webhook_id = w.id AND d.state = 'pending') AS waiting \
     FROM webhooks w WHERE $1::uuid IS NULL OR w.id = $1 ORDER BY lower(w.name), w.id";

impl Store {
    /// Every webhook, by name. There are few, so there are no pages.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        Ok(sqlx::query_as(WEBHOOKS).bind(None::<Uuid>).fetch_all(self.pool()).await?)
    }

    /// One of them.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<WebhookRow>, StoreError> {
        Ok(sqlx::query_as(WEBHOOKS).bind(Some(id)).fetch_optional(self.pool()).await?)
    }

    /// Makes one, unless there are `most` already. Its id.
    pub async fn create_webhook(
        &self,
        by: &By,
        new: &NewWebhook,
        most: u32,
    ) -> Result<Option<Uuid>, StoreError> {
        let id = Uuid::now_v7();
        let mut tx = self.pool().begin().await?;
        let made = sqlx::query(
            "INSERT INTO webhooks (id, name, url, events, active, secret, created_by) \
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM webhooks) < $8",
        )
        .bind(id)
        .bind(&new.name)
        .bind(&new.url)
        .bind(names(&new.events))
        .bind(new.active)
        .bind(&new.secret)
        .bind(&by.actor)
        .bind(i64::from(most))
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(None);
        }
        let detail = json!({ "name": new.name, "events": names(&new.events) });
        let deed = Deed::done(by, Action::WebhookCreate, format!("webhook:{id}")).detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// Changes one. Whether there is such a webhook.
    pub async fn change_webhook(
        &self,
        by: &By,
        id: Uuid,
        change: &WebhookChange,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let name: Option<String> = sqlx::query_scalar(
            "UPDATE webhooks SET name = coalesce($2, name), url = coalesce($3, url), \
                 events = coalesce($4, events), active = coalesce($5, active), \
                 off_note = CASE WHEN $5 THEN NULL ELSE off_note END, \
                 failing_since = CASE WHEN $5 AND NOT active THEN NULL ELSE failing_since END \
             WHERE id = $1 RETURNING name",
        )
        .bind(id)
        .bind(&change.name)
        .bind(&change.url)
        .bind(change.events.as_deref().map(names))
        .bind(change.active)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(name) = name else { return Ok(false) };
        // Its address is no secret here, but it may hold one of the receiver's.
        let detail = json!({
            "name": name, "url_changed": change.url.is_some(), "active": change.active,
            "events": change.events.as_deref().map(names),
        });
        let deed = Deed::done(by, Action::WebhookModify, format!("webhook:{id}")).detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        sqlx::query("SELECT pg_notify($1, '')")
            .bind(super::tell::CHANNEL)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Signs with another secret from now on, and with the one before too, for a day. Whether
    /// there is such a webhook.
    pub async fn rotate_webhook(
        &self,
        by: &By,
        id: Uuid,
        secret: &[u8],
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let name: Option<String> = sqlx::query_scalar(
            "UPDATE webhooks SET old_secret = secret, secret = $2, \
                 old_secret_until = now() + make_interval(secs => $3) \
             WHERE id = $1 RETURNING name",
        )
        .bind(id)
        .bind(secret)
        .bind(OLD_SECRET_S)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(name) = name else { return Ok(false) };
        let deed = Deed::done(by, Action::WebhookRotate, format!("webhook:{id}"))
            .detail(json!({ "name": name }));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes one, with its log. Whether there was such a webhook.
    pub async fn delete_webhook(&self, by: &By, id: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let name: Option<String> =
            sqlx::query_scalar("DELETE FROM webhooks WHERE id = $1 RETURNING name")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(name) = name else { return Ok(false) };
        let deed = Deed::done(by, Action::WebhookDelete, format!("webhook:{id}"))
            .detail(json!({ "name": name }));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Webhooks that need a person.
    pub async fn webhooks_amiss(&self) -> Result<WebhooksAmiss, StoreError> {
        Ok(sqlx::query_as(
            "SELECT count(*) FILTER (WHERE NOT active AND off_note IS NOT NULL) AS switched_off, \
                 count(*) FILTER (WHERE active AND failing_since < now() - interval '1 hour') \
                     AS failing \
             FROM webhooks",
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// Notes where the pages are, so that events can link to them.
    pub async fn note_main_url(&self, url: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE cluster_settings SET main_url = $1 WHERE main_url <> $1")
            .bind(url)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
