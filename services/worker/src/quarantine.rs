//! Whether this server is in quarantine: decided here, remembered in the media root.

use crate::context::{Outcome, Stop};
use chrono::Utc;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use tourbus_domain::{ArtistId, FailureRun, Quarantine, StepKind};
use tourbus_mediaroot::{MediaRoot, RootError};
use tourbus_telemetry::Health;
use uuid::Uuid;

/// The name of this part on the health page.
const PART: &str = "quarantine";

/// Counts failures, and knows whether the server is in quarantine.
pub struct Watchman {
    root: MediaRoot,
    health: Health,
    run: Mutex<FailureRun>,
    standing: watch::Sender<Option<Quarantine>>,
    /// A quarantine that could not be noted yet: the disk may be the very reason for it.
    unnoted: Mutex<Option<Quarantine>>,
}

impl Watchman {
    /// Begins with what is noted in the media root. Blocks.
    pub fn new(root: MediaRoot, limit: u32, health: Health) -> Result<Self, RootError> {
        let noted = root.quarantine()?;
        let watchman = Self {
            root,
            health,
            run: Mutex::new(FailureRun::new(limit)),
            standing: watch::Sender::new(None),
            unnoted: Mutex::new(None),
        };
        watchman.set(noted);
        Ok(watchman)
    }

    /// The quarantine that stands, as it changes.
    pub fn subscribe(&self) -> watch::Receiver<Option<Quarantine>> {
        self.standing.subscribe()
    }

    /// The quarantine that stands.
    pub fn standing(&self) -> Option<Quarantine> {
        self.standing.borrow().clone()
    }

    /// Takes note of how a step ended; the server may be in quarantine afterwards. Blocks.
    pub fn ended(&self, kind: StepKind, artist: ArtistId, outcome: &Outcome) {
        let error = match outcome {
            Ok(_) => return lock(&self.run).done(kind),
            Err(Stop::Failed(error)) => error,
            Err(Stop::Interrupted | Stop::Snoozed { .. } | Stop::Void) => return,
        };
        let Some(failures) = lock(&self.run).failed(kind, artist, error) else { return };
        if self.standing.borrow().is_some() {
            return;
        }
        let new =
            Quarantine { id: Uuid::new_v4(), since: Utc::now(), failures, error: error.clone() };
        *lock(&self.unnoted) = Some(new.clone());
        self.set(Some(new));
        self.look();
    }

    /// Compares with what is noted in the media root, where others of this server's workers
    /// note it too. Blocks; to be called now and then.
    pub fn look(&self) {
        let mut unnoted = lock(&self.unnoted);
        let noted = match unnoted.clone() {
            Some(new) => self.root.enter_quarantine(new).map(Some),
            None => self.root.quarantine(),
        };
        match noted {
            Ok(noted) => {
                *unnoted = None;
                self.set(noted);
            }
            // What stands, stands until the disk says otherwise.
            Err(error) => tracing::warn!(%error, "quarantine.not_noted"),
        }
    }

    /// Lifts the quarantine of this id, if it stands. Blocks.
    pub fn release(&self, id: Uuid) -> Result<(), RootError> {
        let mut unnoted = lock(&self.unnoted);
        self.root.lift_quarantine(id)?;
        if unnoted.as_ref().is_some_and(|u| u.id == id) {
            *unnoted = None;
        }
        if self.standing.borrow().as_ref().is_some_and(|s| s.id == id) {
            self.set(None);
        }
        Ok(())
    }

    fn set(&self, now: Option<Quarantine>) {
        self.health.set(PART, now.as_ref().map_or(Ok(()), |q| Err(shout(q))));
        metrics::gauge!("tourbus_worker_quarantined").set(f64::from(u8::from(now.is_some())));
        self.standing.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            match (&before, &now) {
                (_, Some(q)) => tracing::error!(id = %q.id, code = q.error.code, "{}", shout(q)),
                (Some(q), None) => {
                    tracing::warn!(id = %q.id, "quarantine.released");
                    lock(&self.run).reset();
                }
                (None, None) => (),
            }
            *before = now;
            true
        });
    }
}

/// What people are told.
fn shout(quarantine: &Quarantine) -> String {
    format!(
        "this server is in quarantine since {}: {} steps failed in a row, the last because {}. It \
         takes no more artists' files in or out until the fault is mended and an admin releases it",
        quarantine.since.format("%Y-%m-%d %H:%M:%S UTC"),
        quarantine.failures,
        quarantine.error
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
