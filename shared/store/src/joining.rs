//! Servers that join by themselves: their tokens, their agents' reports, their checks.

mod checks;
mod enrol;
mod join;
mod report;

pub(crate) use checks::CHANNEL as CHECKS_CHANNEL;
pub use checks::{AGENT_SILENT_AFTER_S, CheckRow, CheckTarget, ServerChecks};
pub use enrol::{Enrolled, EnrolmentRow, Refusal};
pub use join::{JoinRefused, JoinStart, Joining};
pub use report::{AgentServer, Taken};
