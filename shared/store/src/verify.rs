//! Verify: queuing the jobs that read artists' files back, what they found, and whose turn it is.

mod due;
mod enqueue;
mod findings;
mod overview;
mod results;
mod write;

pub use enqueue::{
    ARTISTS_PER_VERIFY_MAX, VerifyAnswer, VerifyOnce, VerifyRefusal, VerifyRequest, VerifyShare,
    VerifyWhich,
};
pub use findings::{FindingQuery, FindingRow, Resolution, Resolved};
pub use overview::{OpenFindings, VerifyLast, VerifyServer};
pub(crate) use results::{Told, record};

use serde::{Deserialize, Serialize};
use tourbus_domain::Accepted;

/// What a job of this kind works with, as its row keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VerifyParams {
    /// How fast to read, in bytes per second.
    pub rate_bytes_s: u64,
    /// Findings that a person has called right.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
}
