//! The note that this server takes no work: beside the trees, so that all its workers see it and
//! none forgets it.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::RootError,
};
use tourbus_domain::Quarantine;
use uuid::Uuid;

impl MediaRoot {
    /// The quarantine of this server, if it is in one.
    pub fn quarantine(&self) -> Result<Option<Quarantine>, RootError> {
        atomic::read_json(&self.quarantine_note())
    }

    /// Puts the server into quarantine, unless it is in one already. Returns the one it is in.
    pub fn enter_quarantine(&self, new: Quarantine) -> Result<Quarantine, RootError> {
        if let Some(standing) = self.quarantine()? {
            return Ok(standing);
        }
        atomic::write_json(&self.quarantine_note(), &new, Durable::Yes)?;
        Ok(new)
    }

    /// Lifts the quarantine of this id; another one stays. Whether there was one to lift.
    pub fn lift_quarantine(&self, id: Uuid) -> Result<bool, RootError> {
        match self.quarantine()? {
            Some(standing) if standing.id == id => atomic::remove(&self.quarantine_note()),
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use tourbus_domain::{ErrorClass, JobError};

    fn quarantine() -> Quarantine {
        let error = JobError::new(ErrorClass::Transient, "disk_error", "m", "r");
        Quarantine { id: Uuid::new_v4(), since: Utc::now(), failures: 5, error }
    }

    #[test]
    fn the_first_stands_until_it_is_lifted_by_its_own_id() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        assert_eq!(root.quarantine().unwrap(), None);
        let (first, second) = (quarantine(), quarantine());
        assert_eq!(root.enter_quarantine(first.clone()).unwrap(), first);
        assert_eq!(root.enter_quarantine(second.clone()).unwrap(), first);
        assert!(!root.lift_quarantine(second.id).unwrap());
        assert_eq!(root.quarantine().unwrap(), Some(first.clone()));
        assert!(root.lift_quarantine(first.id).unwrap());
        assert!(!root.lift_quarantine(first.id).unwrap());
        assert_eq!(root.quarantine().unwrap(), None);
    }
}
