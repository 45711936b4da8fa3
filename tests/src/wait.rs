//! Waiting for something to become true, bounded, reporting the last thing seen.

use std::{fmt::Debug, future::Future, time::Duration};
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Looks until `done` holds for what `look` gives; panics with the last sight after `patience`.
pub async fn until<T: Debug, F: Future<Output = T>>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> F,
    done: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        let seen = look().await;
        if done(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}; last seen: {seen:#?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
