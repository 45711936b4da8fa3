//! One attempt of an address at a time: whoever guesses in parallel waits for himself, not others
//! for him.

use super::limiter::subscriber;
use std::{collections::hash_map::RandomState, hash::BuildHasher, net::IpAddr};
use tokio::sync::{Mutex, MutexGuard};

/// Queues that addresses are spread over; two that share one only wait a little longer.
const QUEUES: u64 = 256;

/// What one process has of them.
#[derive(Debug)]
pub struct Turns {
    hasher: RandomState,
    queues: Vec<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        let queues = (0..QUEUES).map(|_| Mutex::new(())).collect();
        Self { hasher: RandomState::new(), queues }
    }
}

impl Turns {
    /// Waits until no other attempt of this address is looked at.
    pub async fn of(&self, address: IpAddr) -> MutexGuard<'_, ()> {
        let queue = self.hasher.hash_one(subscriber(address)) % QUEUES;
        // Below QUEUES, so it fits.
        #[allow(clippy::cast_possible_truncation)]
        self.queues[queue as usize].lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn an_address_waits_for_itself_and_few_others_do() {
        let turns = Turns::default();
        let at = |n: u8| IpAddr::from([192, 0, 2, n]);
        let held = turns.of(at(0)).await;
        assert!(turns.of(at(0)).now_or_never().is_none());
        let waiting = (1..=100).filter(|n| turns.of(at(*n)).now_or_never().is_none()).count();
        assert!(waiting < 10, "{waiting} of 100 others wait");
        drop(held);
        assert!(turns.of(at(0)).now_or_never().is_some());
    }
}
