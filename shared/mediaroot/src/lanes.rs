//! Which lanes this server's workers take nothing from: beside the trees, so that all of them
//! agree, and one that starts knows before it takes anything.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError},
};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use tourbus_domain::LanePauses;

impl MediaRoot {
    /// The lanes that are paused; none before the first order.
    pub fn lane_pauses(&self) -> Result<LanePauses, RootError> {
        Ok(atomic::read_json(&self.lanes_note())?.unwrap_or_default())
    }

    /// Notes an order, unless a newer one is noted. Whether it was.
    pub fn note_lane_pauses(&self, new: &LanePauses) -> Result<bool, RootError> {
        let path = self.lanes_note().with_extension("lock");
        // Several workers may be told at once, each by its own message.
        let lock = File::create(&path).doing("create", &path)?;
        flock(&lock, FlockOperation::LockExclusive).doing("lock", &path)?;
        if self.lane_pauses()?.generation >= new.generation {
            return Ok(false);
        }
        atomic::write_json(&self.lanes_note(), new, Durable::Yes)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_domain::Lane;

    #[test]
    fn an_older_order_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        assert_eq!(root.lane_pauses().unwrap(), LanePauses::default());
        let order = |generation, paused: &[Lane]| LanePauses {
            generation,
            paused: paused.iter().copied().collect(),
        };
        assert!(root.note_lane_pauses(&order(2, &[Lane::Export])).unwrap());
        assert!(!root.note_lane_pauses(&order(1, &[])).unwrap());
        assert!(!root.note_lane_pauses(&order(2, &[])).unwrap());
        assert_eq!(root.lane_pauses().unwrap(), order(2, &[Lane::Export]));
        assert!(root.note_lane_pauses(&order(3, &[])).unwrap());
        assert!(root.lane_pauses().unwrap().paused.is_empty());
    }
}
