//! Telling whether a file is still the one that was read.

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tourbus_protocol::Stamp;

/// File systems stamp changes with the kernel's tick, 10 ms at the coarsest: two changes within
/// one tick look alike.
const TICK: Duration = Duration::from_millis(50);

/// What changes when a file's content does. Nobody but the kernel sets the ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Stamp,
    /// Time of the last change of content, mode or name.
    pub ctime: Stamp,
    /// Inode number.
    pub inode: u64,
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stamp(stat.st_mtime, stat.st_mtime_nsec),
            ctime: stamp(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino,
        }
    }

    /// Whether a change after `now` would surely change the identity. A file that was changed
    /// in this very tick could be changed again unseen.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else { return false };
        let changed = Duration::new(u64::try_from(self.ctime.s).unwrap_or(0), self.ctime.ns);
        changed + TICK < now
    }
}

/// A time as the kernel tells it; the types differ between architectures.
pub(crate) fn stamp<S, N>(s: S, ns: N) -> Stamp
where
    i64: TryFrom<S>,
    u32: TryFrom<N>,
{
    Stamp { s: i64::try_from(s).unwrap_or(0), ns: u32::try_from(ns).unwrap_or(0) }
}
