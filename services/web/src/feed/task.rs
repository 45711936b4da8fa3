//! The one task that listens and reads.

use super::{Feed, Told};
use crate::api::view::{BatchView, JobView};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tourbus_domain::{BatchId, JobId};
use tourbus_store::{Changed, JobsListener, Store, StoreError};
use uuid::Uuid;

/// Changes are collected this long: a page is told at most four times a second.
const COLLECT_FOR: Duration = Duration::from_millis(250);
/// Pause before listening again after an error.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// Announcements that wait to be read.
const ANNOUNCED_MAX: usize = 1024;
/// Changed jobs in one collection; beyond it pages are told to read anew.
const JOBS_MAX: usize = 4000;

#[derive(Default)]
struct Collected {
    jobs: BTreeSet<Uuid>,
    batches: BTreeSet<Uuid>,
    /// Announcements may have been missed.
    missed: bool,
}

impl Collected {
    fn add(&mut self, changed: Option<Changed>) {
        match changed {
            Some(changed) => {
                self.jobs.extend(changed.jobs);
                self.batches.extend(changed.batches);
                self.missed |= self.jobs.len() > JOBS_MAX;
            }
            None => self.missed = true,
        }
    }

    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.batches.is_empty() && !self.missed
    }
}

#[derive(Serialize)]
struct Change<'a> {
    batch: &'a BatchView,
    jobs: Vec<&'a JobView>,
}

/// Feeds until shutdown.
pub async fn run(feed: Feed, store: Store, shutdown: CancellationToken) {
    let (tx, mut rx) = mpsc::channel(ANNOUNCED_MAX);
    // Listening has a task of its own: the wait for an announcement is never dropped half-way.
    let listening = tokio::spawn(listen(store.clone(), tx, shutdown.clone()));
    let mut tick = tokio::time::interval(COLLECT_FOR);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut collected = Collected::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = rx.recv() => match changed {
                Some(changed) => collected.add(changed),
                None => break,
            },
            _ = tick.tick(), if !collected.is_empty() => {
                flush(&feed, &store, std::mem::take(&mut collected)).await;
            }
        }
    }
    listening.abort();
}

async fn listen(store: Store, tx: mpsc::Sender<Option<Changed>>, shutdown: CancellationToken) {
    let mut listener: Option<JobsListener> = None;
    while !shutdown.is_cancelled() {
        let next = match &mut listener {
            Some(listener) => listener.next().await,
            None => match store.listen_jobs().await {
                // Whatever happened before is unknown.
                Ok(fresh) => {
                    listener = Some(fresh);
                    Ok(None)
                }
                Err(error) => Err(error),
            },
        };
        match next {
            Ok(changed) => {
                if tx.send(changed).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "feed.not_listening");
                listener = None;
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
    }
}

async fn flush(feed: &Feed, store: &Store, collected: Collected) {
    if !feed.watched() {
        feed.skip();
        return;
    }
    if collected.missed {
        feed.tell(None, "{}".to_owned());
        return;
    }
    if let Err(error) = tell_changes(feed, store, &collected).await {
        tracing::warn!(%error, "feed.not_read");
        feed.tell(None, "{}".to_owned());
    }
}

async fn tell_changes(feed: &Feed, store: &Store, collected: &Collected) -> Result<(), StoreError> {
    let ids: Vec<JobId> = collected.jobs.iter().copied().map(JobId).collect();
    let jobs = store.jobs_by_ids(&ids).await?;
    let mut by_batch: BTreeMap<Uuid, Vec<JobView>> =
        collected.batches.iter().map(|id| (*id, Vec::new())).collect();
    for job in jobs {
        // Nobody watches tasks as a batch; their own pages look by themselves.
        if let Some(batch) = job.batch_id {
            by_batch.entry(batch).or_default().push(JobView::from(job));
        }
    }
    let ids: Vec<BatchId> = by_batch.keys().copied().map(BatchId).collect();
    for batch in BatchView::read(store, feed, &ids).await? {
        let jobs = by_batch.get(&batch.id).map(|j| j.iter().collect()).unwrap_or_default();
        match serde_json::to_string(&Change { batch: &batch, jobs }) {
            Ok(json) => feed.tell(Some(batch.id), json),
            Err(error) => tracing::error!(%error, "feed.not_json"),
        }
    }
    Ok(())
}

impl Told {
    /// Whether a subscriber of this batch (or of all) wants it.
    pub fn concerns(self: &Arc<Self>, batch: Option<Uuid>) -> bool {
        batch.is_none() || self.batch_id.is_none() || self.batch_id == batch
    }
}
