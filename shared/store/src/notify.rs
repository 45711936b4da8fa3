//! Wake-ups between processes over PostgreSQL's NOTIFY: hints, never the truth.

use crate::{Store, StoreError, outbox};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, postgres::PgListener};
use uuid::Uuid;

/// The channel that changed jobs are announced on.
const JOBS_CHANNEL: &str = "tourbus_jobs";
/// Ids in one payload: PostgreSQL takes less than 8000 bytes, an id is 39 in JSON.
const IDS_MAX: usize = 180;

/// Which jobs and batches have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Changed {
    /// Jobs. A new batch's jobs are not listed one by one.
    pub jobs: Vec<Uuid>,
    /// Batches.
    pub batches: Vec<Uuid>,
}

/// Announces changes from the caller's commit on.
pub(crate) async fn changed(
    conn: &mut PgConnection,
    jobs: &[Uuid],
    batches: &[Uuid],
) -> Result<(), StoreError> {
    let jobs = jobs.chunks(IDS_MAX).map(|c| Changed { jobs: c.to_vec(), ..Changed::default() });
    let batches =
        batches.chunks(IDS_MAX).map(|c| Changed { batches: c.to_vec(), ..Changed::default() });
    let payloads: Vec<String> = jobs
        .chain(batches)
        .map(|c| serde_json::to_string(&c))
        .collect::<Result<_, _>>()
        .map_err(|e| StoreError::Invalid(e.to_string()))?;
    if !payloads.is_empty() {
        sqlx::query("SELECT pg_notify($1, p) FROM UNNEST($2::text[]) p")
            .bind(JOBS_CHANNEL)
            .bind(payloads)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// One channel, listened to on a connection of its own.
pub struct Listener {
    inner: PgListener,
}

impl Listener {
    pub(crate) async fn on(store: &Store, channel: &str) -> Result<Self, StoreError> {
        let mut inner = PgListener::connect_with(store.pool()).await?;
        inner.listen(channel).await?;
        Ok(Self { inner })
    }

    /// The next payload; `None` when the connection was lost and is there again: what was
    /// announced meanwhile is lost, so look for yourself. After an error, call again later.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.inner.try_recv().await?.map(|n| n.payload().to_owned()))
    }
}

/// The feed of changed jobs.
pub struct JobsListener(Listener);

impl JobsListener {
    /// What has changed; `None` when announcements may have been missed: read everything anew.
    /// After an error, call again later.
    pub async fn next(&mut self) -> Result<Option<Changed>, StoreError> {
        let Some(payload) = self.0.next().await? else { return Ok(None) };
        match serde_json::from_str(&payload) {
            Ok(changed) => Ok(Some(changed)),
            Err(error) => {
                tracing::warn!(%error, "jobs.announcement_not_understood");
                Ok(None)
            }
        }
    }
}

impl Store {
    /// Listens for new orders in the outbox. Holds a connection of the pool for good.
    pub async fn listen_outbox(&self) -> Result<Listener, StoreError> {
        Listener::on(self, outbox::CHANNEL).await
    }

    /// Listens for changes of jobs and batches. Holds a connection of the pool for good: once
    /// per process, not once per page.
    pub async fn listen_jobs(&self) -> Result<JobsListener, StoreError> {
        Ok(JobsListener(Listener::on(self, JOBS_CHANNEL).await?))
    }
}
