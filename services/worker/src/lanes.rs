//! Which lanes this worker takes nothing from, because a person has paused them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tourbus_domain::LanePauses;
use tourbus_mediaroot::{MediaRoot, RootError};

/// The paused lanes, as they are noted in the media root.
pub struct LaneGate {
    root: MediaRoot,
    standing: watch::Sender<LanePauses>,
    /// Reading and setting are one: an older reading must not replace a newer one.
    looking: Mutex<()>,
}

impl LaneGate {
    /// Begins with what is noted in the media root. Blocks.
    pub fn new(root: MediaRoot) -> Result<Self, RootError> {
        let standing = watch::Sender::new(root.lane_pauses()?);
        Ok(Self { root, standing, looking: Mutex::default() })
    }

    /// The paused lanes, as they change.
    pub fn subscribe(&self) -> watch::Receiver<LanePauses> {
        self.standing.subscribe()
    }

    /// The paused lanes.
    pub fn standing(&self) -> LanePauses {
        self.standing.borrow().clone()
    }

    /// Takes an order of the master's. Blocks.
    pub fn ordered(&self, new: &LanePauses) -> Result<(), RootError> {
        let _one = self.lock();
        self.root.note_lane_pauses(new)?;
        self.set(self.root.lane_pauses()?);
        Ok(())
    }

    /// Reads what others of this server's workers have noted. Blocks; to be called now and then.
    pub fn look(&self) {
        let _one = self.lock();
        match self.root.lane_pauses() {
            Ok(noted) => self.set(noted),
            // What is paused, is paused until the disk says otherwise.
            Err(error) => tracing::warn!(%error, "lanes.unreadable"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, new: LanePauses) {
        metrics::gauge!("tourbus_worker_paused_lanes").set(new.paused.len() as f64);
        self.standing.send_if_modified(|before| {
            if *before == new {
                return false;
            }
            if before.paused != new.paused {
                tracing::warn!(paused = ?new.paused, "lanes.changed");
            }
            *before = new;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_domain::Lane;

    #[test]
    fn all_workers_of_a_server_hear_an_order_and_one_that_starts_knows_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        let (told, other) =
            (LaneGate::new(root.clone()).unwrap(), LaneGate::new(root.clone()).unwrap());
        let order = LanePauses { generation: 4, paused: [Lane::Export].into() };
        told.ordered(&order).unwrap();
        assert_eq!(told.standing(), order);
        assert_eq!(other.standing(), LanePauses::default());
        other.look();
        assert_eq!(other.standing(), order);
        assert_eq!(LaneGate::new(root).unwrap().standing(), order);
        let late = LanePauses { generation: 3, ..LanePauses::default() };
        other.ordered(&late).unwrap();
        assert_eq!(other.standing(), order, "a late order of before");
    }
}
