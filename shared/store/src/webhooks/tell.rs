//! Writing events, in the transaction of what causes them: one row for each webhook that is told.

use crate::{StoreError, jobs_core::Held};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tourbus_domain::{JobState, WebhookEvent};
use uuid::Uuid;

/// The channel on which a coordinator is told that something is to be sent.
pub(super) const CHANNEL: &str = "tourbus_webhooks";
/// Deliveries that wait for one webhook at most; a receiver that takes nothing is told no more.
const WAITING_MAX: i64 = 10_000;

/// Something that has happened.
#[derive(Debug)]
pub(crate) struct News {
    event: WebhookEvent,
    data: Value,
    /// Where it is shown, from the first slash on.
    path: String,
}

impl News {
    /// `data` is an object.
    pub(crate) fn new(event: WebhookEvent, data: Value, path: impl Into<String>) -> Self {
        Self { event, data, path: path.into() }
    }
}

/// From the caller's commit on, every active webhook that wants it is told.
pub(crate) async fn all(conn: &mut PgConnection, news: &[News]) -> Result<(), StoreError> {
    for one in news {
        write(conn, one, None).await?;
    }
    Ok(())
}

/// Tells one webhook, whatever it wants. The delivery.
pub(super) async fn only(
    conn: &mut PgConnection,
    webhook: Uuid,
    news: &News,
) -> Result<Option<Uuid>, StoreError> {
    Ok(write(conn, news, Some(webhook)).await?.pop())
}

async fn write(
    conn: &mut PgConnection,
    news: &News,
    only: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    let told: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, body) \
         SELECT gen_random_uuid(), w.id, $1, $2, jsonb_build_object('type', $2::text, \
             'timestamp', to_char(clock_timestamp() AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
             'data', $3::jsonb || jsonb_build_object('link', c.main_url || $4::text))::text \
         FROM webhooks w CROSS JOIN cluster_settings c \
         WHERE CASE WHEN $5::uuid IS NULL THEN w.active AND $2 = ANY(w.events) \
                 AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries d \
                     WHERE d.webhook_id = w.id AND d.state = 'pending' LIMIT $6) p) < $6 \
             ELSE w.id = $5 END \
         FOR KEY SHARE OF w SKIP LOCKED \
         RETURNING id",
    )
    .bind(Uuid::now_v7())
    .bind(news.event.as_str())
    .bind(&news.data)
    .bind(&news.path)
    .bind(only)
    .bind(WAITING_MAX)
    .fetch_all(&mut *conn)
    .await?;
    if !told.is_empty() {
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(conn).await?;
    }
    Ok(told)
}

/// Batches that have just ended, by their ids.
pub(crate) async fn batches_ended(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ended: Vec<(Uuid, i32, Value)> = sqlx::query_as(
        "SELECT b.id, b.jobs_failed, jsonb_build_object('batch_id', b.id, 'kind', b.kind, \
             'requested_by', b.requested_by, 'reason', b.reason, 'jobs', b.jobs_total, \
             'succeeded', b.jobs_succeeded, 'failed', b.jobs_failed, \
             'cancelled', b.jobs_cancelled, 'created_at', b.created_at, \
             'finished_at', b.finished_at, 'target_server_id', b.target_server_id, \
             'target_server', s.name) \
         FROM batches b LEFT JOIN servers s ON s.id = b.target_server_id WHERE b.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    let news = ended.into_iter().map(|(id, failed, data)| {
        let event =
            if failed > 0 { WebhookEvent::BatchFailed } else { WebhookEvent::BatchFinished };
        News::new(event, data, format!("/batches/{id}"))
    });
    all(conn, &news.collect::<Vec<_>>()).await
}

/// Of these jobs, those that have just become stuck.
pub(crate) async fn stuck(conn: &mut PgConnection, held: &[Held]) -> Result<(), StoreError> {
    let fresh = |h: &&Held| h.job.state == JobState::Stuck && h.before.state != JobState::Stuck;
    for one in held.iter().filter(fresh) {
        let job = &one.job;
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM artists WHERE id = $1")
            .bind(job.artist_id.0)
            .fetch_optional(&mut *conn)
            .await?;
        let error = job.error.as_ref();
        let data = json!({
            "job_id": job.id, "batch_id": one.batch_id, "kind": job.kind,
            "artist_id": job.artist_id, "artist": name, "artist_slug": one.artist.slug,
            "source_server_id": job.source_id, "target_server_id": job.target_id,
            "error": error.map(|e| json!({ "code": e.code, "message": e.message })),
        });
        let news = News::new(WebhookEvent::JobStuck, data, format!("/jobs/{}", job.id));
        all(conn, &[news]).await?;
    }
    Ok(())
}
