//! Jobs, as pages and scripts see them. What changes a job is in `moves` and `inputs`.

mod list;
mod timeline;

pub use list::{JobGroup, JobQuery, JobRow, NewestCursor};
pub use timeline::{JobEventRow, JobStepRow};
