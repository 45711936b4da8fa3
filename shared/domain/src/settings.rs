//! Numbers that steer a move. All have working defaults; the coordinator's configuration may
//! change them.

use serde::{Deserialize, Serialize};

/// Limits and periods of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoveSettings {
    /// Tries of one step before the job is undone (transient errors and lost workers count).
    pub step_attempts_max: u32,
    /// Tries of one rollback step before the job is `stuck`.
    pub rollback_attempts_max: u32,
    /// First retry delay, in milliseconds.
    pub retry_base_ms: u64,
    /// Longest retry delay, in milliseconds.
    pub retry_max_ms: u64,
    /// How long a freeze of an artist's writes holds unless renewed, in seconds.
    pub freeze_lease_s: u32,
    /// A cutover happens only while at least this much of the lease is left, in seconds.
    pub freeze_margin_s: u32,
    /// How long a retired copy is kept before it is purged, in seconds (24 h).
    pub retired_keep_s: u64,
}

impl Default for MoveSettings {
    fn default() -> Self {
        Self {
            step_attempts_max: 8,
            rollback_attempts_max: 20,
            retry_base_ms: 1_000,
            retry_max_ms: 60_000,
            freeze_lease_s: 600,
            freeze_margin_s: 10,
            retired_keep_s: 24 * 60 * 60,
        }
    }
}
