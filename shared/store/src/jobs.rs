//! Jobs, as pages and scripts see them. What changes a job is in `moves` and `inputs`.

mod bulk;
mod list;
mod timeline;

pub use bulk::{JOBS_PER_ASK_MAX, JobAsk, JobsAsked, JobsWhich};
pub(crate) use list::Meant;
pub use list::{JobGroup, JobQuery, JobRow, NewestCursor};
pub use timeline::{JobEventRow, JobStepRow};
