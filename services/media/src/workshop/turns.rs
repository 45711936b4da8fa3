//! One request at a time writes to an upload. A new one takes over from an old one that hangs on a
//! connection which is dead, or does not know it yet.

use super::problem::Problem;
use http::StatusCode;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::OwnedMutexGuard, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest wait for the request before to write what it has.
const TAKE_OVER_WAIT: Duration = Duration::from_secs(15);

#[derive(Default, Clone)]
struct Entry {
    lock: Arc<tokio::sync::Mutex<()>>,
    newest: CancellationToken,
}

/// Whose turn it is, for every upload that is written at the moment.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Uuid, Entry>>);

/// A request's turn. `over` is cancelled when another wants it.
pub(super) struct Turn {
    pub(super) over: CancellationToken,
    _held: OwnedMutexGuard<()>,
}

impl Turns {
    /// Takes over the turn at an upload.
    pub(super) async fn take(&self, id: Uuid) -> Result<Turn, Problem> {
        let over = CancellationToken::new();
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds or waits for.
            all.retain(|of, entry| *of == id || Arc::strong_count(&entry.lock) > 1);
            let entry = all.entry(id).or_default();
            entry.newest.cancel();
            entry.newest = over.clone();
            Arc::clone(&entry.lock)
        };
        match timeout(TAKE_OVER_WAIT, lock.lock_owned()).await {
            Ok(held) => Ok(Turn { over, _held: held }),
            Err(_) => Err(Problem::new(
                StatusCode::LOCKED,
                "upload_busy",
                "Another request is writing to this upload.",
            )
            .remedy("Ask for its offset in a moment, and go on from there.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_request_takes_over() {
        let turns = Arc::new(Turns::default());
        let id = Uuid::now_v7();
        let first = turns.take(id).await.unwrap();
        assert!(!first.over.is_cancelled());
        let others = Arc::clone(&turns);
        let second = tokio::spawn(async move { others.take(id).await.map(|t| t.over) });
        first.over.cancelled().await;
        drop(first);
        assert!(!second.await.unwrap().unwrap().is_cancelled());
        turns.take(Uuid::now_v7()).await.unwrap();
        assert_eq!(turns.0.lock().unwrap().len(), 1, "the others are forgotten");
    }
}
