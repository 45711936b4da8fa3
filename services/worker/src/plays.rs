//! Delivers the plays that this server's media service has counted, and what artists have changed.
//!
//! One batch is one event. It counts as delivered when the broker has confirmed it; until then it
//! stays in the spool, and a batch that is delivered twice is applied once.

use crate::events::Events;
use rustix::fs::{FlockOperation, flock};
use std::{collections::BTreeMap, fs::File, io, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tourbus_mediaroot::{MediaRoot, Play, RootError};
use tourbus_protocol::{EventBody, PlayCount};
use uuid::Uuid;

/// How often the spool is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause after the broker did not take a batch.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Delivers until it is dropped.
pub async fn deliver(root: MediaRoot, events: Events) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = round(&root, &events).await {
            tracing::warn!(%error, "plays.not_delivered");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Why a batch was not delivered. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undelivered {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("the broker did not take it: {0}")]
    Broker(#[from] tourbus_broker::PublishError),
}

pub(crate) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, RootError> + Send + 'static,
) -> Result<T, RootError> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|e| {
        let source = io::Error::other(e);
        Err(RootError { action: "use", path: "the media root".into(), source })
    })
}

async fn round(root: &MediaRoot, events: &Events) -> Result<(), Undelivered> {
    let here = root.clone();
    let Some(_lock) = blocking(move || lock(&here)).await? else { return Ok(()) };
    let here = root.clone();
    let batches = blocking(move || {
        here.close_orphaned_plays()?;
        here.closed_plays()
    });
    for batch in batches.await? {
        let here = root.clone();
        let plays = blocking(move || here.read_plays(batch)).await?;
        events.publish(event(batch, &plays)).await?;
        metrics::counter!("tourbus_worker_plays_delivered_total").increment(plays.len() as u64);
        let here = root.clone();
        blocking(move || here.plays_sent(batch)).await?;
    }
    crate::changes::round(root, events).await
}

/// Held by the one worker of this server that delivers; `None` when it is another.
fn lock(root: &MediaRoot) -> Result<Option<File>, RootError> {
    let path = root.plays_lock();
    let bad = |source| RootError { action: "open", path: path.clone(), source };
    let file = File::create(&path).map_err(bad)?;
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file))
}

fn event(batch: Uuid, plays: &[Play]) -> EventBody {
    let mut counts = BTreeMap::new();
    for play in plays {
        let day = chrono::DateTime::from_timestamp(play.at_s, 0).unwrap_or_default().date_naive();
        *counts.entry((play.artist, play.path.clone(), day)).or_insert(0_u32) += 1;
    }
    let count = |((artist_id, path, day), plays)| PlayCount { artist_id, path, day, plays };
    EventBody::Plays { batch, counts: counts.into_iter().map(count).collect() }
}
