//! How far the shutdown of this worker is.

use std::{sync::OnceLock, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the end of a try may still be told after its step was cut off.
const TELL: Duration = Duration::from_secs(3);

/// Shared by everything that must end.
#[derive(Debug)]
pub struct Phase {
    begun: OnceLock<Instant>,
    patience: Duration,
    /// No more work is taken, and long steps come to a point where they can be taken up again.
    pub stopping: CancellationToken,
    /// Steps that still run are cut off.
    pub cut_off: CancellationToken,
}

impl Phase {
    /// Running; a shutdown will wait for `patience` before it cuts steps off.
    pub fn new(patience: Duration) -> Self {
        Self {
            begun: OnceLock::new(),
            patience,
            stopping: CancellationToken::new(),
            cut_off: CancellationToken::new(),
        }
    }

    /// Begins the shutdown.
    pub fn stop(&self) {
        self.begun.get_or_init(Instant::now);
        self.stopping.cancel();
    }

    /// When steps are cut off; `None` while there is no shutdown.
    pub fn cut_off_at(&self) -> Option<Instant> {
        self.begun.get().map(|b| *b + self.patience)
    }

    /// When nothing more is told.
    pub fn silent_at(&self) -> Option<Instant> {
        self.cut_off_at().map(|c| c + TELL)
    }
}
