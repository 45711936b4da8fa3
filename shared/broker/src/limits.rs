//! Every bound of this crate, by name.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// Longest wait for a connection, handshake included. A refused password takes the broker a
/// second or so on purpose.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for one round trip on a channel: open, prefetch, consume, cancel, look.
pub const CHANNEL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait of one publish: for a connection, for the broker to unblock, for the confirm.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait until an acknowledgement is written.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a connection to close politely.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Publishes that wait for a confirm at the same time, each on a channel of its own: with one
/// publish a channel, a returned message is certainly the one just published.
pub const PUBLISH_CHANNELS_MAX: usize = 8;
/// Publications of one [`crate::Publisher::publish_all`] that are under way at once.
pub const PIPELINE_MAX: usize = 256;
/// Largest body that is published, in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// A connection or consumer that held this long was sound: the next fault starts the backoff anew.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(5);
/// How often a connection's state is looked at, should its own event be lost.
pub(crate) const LIVENESS_TICK: Duration = Duration::from_millis(250);

/// Waits between tries: 50 ms doubled up to 2.5 s, plus up to as much again at random, so at
/// most 5 s; for ever.
pub(crate) fn retry() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(2_500))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Waits like [`retry`], starting anew after something that held.
pub(crate) struct Pause {
    waits: ExponentialBackoff,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { waits: retry() }
    }

    /// The next wait, given how long the last try held.
    pub(crate) fn after(&mut self, held: Duration) -> Duration {
        if held >= STABLE_AFTER {
            self.waits = retry();
        }
        self.waits.next().unwrap_or(Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_never_end() {
        let waits: Vec<Duration> = retry().take(200).collect();
        assert_eq!(waits.len(), 200);
        assert!(waits[0] <= Duration::from_millis(100), "{:?}", waits[0]);
        assert!(waits.iter().all(|w| *w <= Duration::from_secs(5)));
        assert!(waits[100] >= Duration::from_millis(2_500));
    }

    #[test]
    fn what_held_starts_anew() {
        let mut pause = Pause::new();
        for _ in 0..20 {
            pause.after(Duration::ZERO);
        }
        assert!(pause.after(Duration::ZERO) > Duration::from_secs(2));
        assert!(pause.after(STABLE_AFTER) <= Duration::from_millis(100));
    }
}
