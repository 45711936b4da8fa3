//! Types and state machines of the cluster: pure, no I/O, no clock, no database.
//!
//! Start with [`move_state`] (the diagram and the total transition function), then
//! [`move_job`] (one move as the coordinator sees it: events in, effects out).

pub mod admission;
pub mod backoff;
pub mod error;
pub mod ids;
pub mod lane;
pub mod move_job;
pub mod move_state;
pub mod quarantine;
pub mod settings;
pub mod step;

pub use admission::{Candidate, Refusal, TargetRoom, admit};
pub use backoff::Backoff;
pub use error::{ErrorClass, JobError, full_stop};
pub use ids::{ArtistId, BatchId, Epoch, JobId, ServerId, Slug, SlugError};
pub use lane::Lane;
pub use move_job::{Effect, Input, MoveJob, Totals};
pub use move_state::{IllegalTransition, MoveState, Trigger};
pub use quarantine::{FailureRun, Quarantine};
pub use settings::MoveSettings;
pub use step::{SegmentRef, Step, StepKey, StepKind, StepRef, StepResult, StepState};
