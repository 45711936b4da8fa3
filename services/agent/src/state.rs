//! What an agent keeps in its directory: the number of its last report, and how things stand.

use crate::AgentError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};
use tourbus_protocol::{CheckResult, agent::Settings};
use tourbus_supervisor::{SupervisorError, files};

/// How things stand, as the agent last knew; for `tourbus join` and for people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AgentState {
    /// When this was written.
    pub at: DateTime<Utc>,
    /// Every check, the master's included.
    pub checks: Vec<CheckResult>,
    /// Why the last report was not taken; none when it was.
    pub trouble: Option<Trouble>,
    /// The master says that this server was deleted.
    #[serde(default)]
    pub deleted: bool,
}

/// Why a report was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What is wrong, and where.
    pub cause: String,
    /// How to mend it.
    pub remedy: String,
}

const STATE: &str = "state.json";
const SEQ: &str = "seq";

impl AgentState {
    /// What the agent of this directory wrote last; none when it has not, or is just writing.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(STATE)).ok()?).ok()
    }

    /// Keeps it.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), SupervisorError> {
        files::write_json(&dir.join(STATE), self, 0o600)
    }
}

/// Numbers reports, each higher than any before, over restarts and lost files.
#[derive(Debug)]
pub(crate) struct Counter {
    path: std::path::PathBuf,
    last: u64,
}

/// How far to jump when the master has seen a higher number: its clock was ahead once.
const JUMP: u64 = 1_000_000;

impl Counter {
    pub(crate) fn open(dir: &Path) -> Result<Self, AgentError> {
        files::make_dir(dir)?;
        let path = dir.join(SEQ);
        let last = fs::read_to_string(&path).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        Ok(Self { path, last })
    }

    /// The next number. The clock is only a floor, for when the file is lost.
    pub(crate) fn next(&mut self, now: DateTime<Utc>) -> Result<u64, SupervisorError> {
        let floor = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        self.last = (self.last + 1).max(floor);
        files::write_atomic(&self.path, format!("{}\n", self.last).as_bytes(), 0o600)?;
        Ok(self.last)
    }

    /// The master has seen a higher number.
    pub(crate) const fn jump(&mut self) {
        self.last = self.last.saturating_add(JUMP);
    }
}

/// The fingerprint of the settings in a file; empty when there are none that can be read.
pub(crate) fn fingerprint(file: &Path) -> String {
    let settings = fs::read(file).ok().and_then(|b| serde_json::from_slice::<Settings>(&b).ok());
    settings.and_then(|s| s.fingerprint().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn numbers_only_rise() {
        let dir = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let mut counter = Counter::open(dir.path()).unwrap();
        let first = counter.next(now).unwrap();
        assert!(counter.next(now).unwrap() > first);
        let earlier = now - TimeDelta::days(1);
        let again = Counter::open(dir.path()).unwrap().next(earlier).unwrap();
        assert!(again > first + 1, "a restart with the clock set back");
        fs::remove_file(dir.path().join(SEQ)).unwrap();
        let lost = Counter::open(dir.path()).unwrap().next(now + TimeDelta::minutes(1)).unwrap();
        assert!(lost > again, "the file lost");
        let mut counter = Counter::open(dir.path()).unwrap();
        counter.jump();
        assert!(counter.next(now).unwrap() > lost + JUMP);
    }
}
