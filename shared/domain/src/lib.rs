//! Types and state machines of the cluster: pure, no I/O, no clock, no database.
//!
//! Start with [`job_state`] (the diagram and the total transition function), then
//! [`job`] (one job as the coordinator sees it: events in, effects out).

pub mod admission;
pub mod backoff;
pub mod balance;
pub mod error;
pub mod ids;
pub mod job;
pub mod job_state;
pub mod lane;
mod limits;
pub mod numbers;
pub mod quarantine;
pub mod server;
pub mod settings;
pub mod spread;
pub mod step;
pub mod trace;
mod verify;
mod webhook_event;

pub use admission::{Candidate, Refusal, TargetRoom, admit};
pub use backoff::Backoff;
pub use balance::{
    BalanceArtist, BalanceFault, BalanceGoal, BalanceServer, MoveCause, MoveReason, Plan,
    PlannedMove, Role, ServerLoad, Shortfall, ShortfallReason, suggest_moves,
};
pub use error::{ErrorClass, JobError, full_stop};
pub use ids::{ArtistId, BatchId, Epoch, JobId, SLUG_BYTES_MAX, ServerId, Slug, SlugError};
pub use job::{Effect, Input, Job, JobKind, Totals, UnknownKind};
pub use job_state::{IllegalTransition, JobState, Trigger};
pub use lane::{Lane, LanePauses};
pub use limits::{
    Bandwidth, Clock, Day, LIMIT_BYTES_S_MAX, LIMIT_BYTES_S_MIN, LIMIT_MOVES_MAX,
    LIMIT_WINDOWS_MAX, LimitFault, RateNow, RateWindow, ServerLimits, rate_share,
};
pub use quarantine::{FailureRun, Quarantine};
pub use server::{ServerFault, Site, server_ip, server_name, server_slugs, server_url};
pub use settings::MoveSettings;
pub use spread::{Leaver, Taker, spread};
pub use step::{LofiMade, SegmentRef, Step, StepKey, StepKind, StepRef, StepResult, StepState};
pub use trace::{NoTraceParent, TraceParent};
pub use verify::{Accepted, Finding, FindingKind, UnknownFinding, VerifyReport};
pub use webhook_event::WebhookEvent;
