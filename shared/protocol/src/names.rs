//! Names of staged objects, exchanges' routing keys and broker users: one place, so that the
//! sides cannot disagree.

use crate::manifest::ChunkId;
use tourbus_domain::{JobId, Lane, Slug};

/// The queues of lanes begin with this; `<server>.<lane>` follows.
pub const LANE_PREFIX: &str = "tourbus.lane.";

/// Everything staged for moves is below this.
pub const MOVES_PREFIX: &str = "moves/";

/// Everything that a job stages is below this.
pub fn job_prefix(job: JobId) -> String {
    format!("{MOVES_PREFIX}{job}/")
}

/// The job that a staged object belongs to, if its key is one of ours.
pub fn job_of_key(key: &str) -> Option<JobId> {
    key.strip_prefix(MOVES_PREFIX)?.split('/').next()?.parse().ok()
}

/// A chunk object.
pub fn chunk(job: JobId, id: ChunkId) -> String {
    format!("{MOVES_PREFIX}{job}/chunks/{}-{:06}", id.epoch, id.n)
}

/// A segment's description.
pub fn segment(job: JobId, epoch: u64, number: u32) -> String {
    format!("{MOVES_PREFIX}{job}/segments/{epoch}-{number:06}.json")
}

/// A final manifest.
pub fn manifest(job: JobId, epoch: u64, round: u32) -> String {
    format!("{MOVES_PREFIX}{job}/manifests/{epoch}-{round:03}.json")
}

/// The objects that a server's checks write, read and delete.
pub fn checks_prefix(server: &Slug) -> String {
    format!("checks/{server}/")
}

/// The direct exchange that the coordinator publishes work to.
pub const WORK_EXCHANGE: &str = "tourbus.work";
/// The topic exchange that workers publish events to.
pub const EVENTS_EXCHANGE: &str = "tourbus.events";
/// The fanout exchange that refused and spent messages go to.
pub const DEAD_EXCHANGE: &str = "tourbus.dead";
/// The queue that coordinators read events from.
pub const EVENTS_QUEUE: &str = "tourbus.events";
/// The queue where dead letters are kept.
pub const DEAD_QUEUE: &str = "tourbus.dead";

/// Routing key of work for a lane, on [`WORK_EXCHANGE`].
pub fn work_key(server: &Slug, lane: Lane) -> String {
    format!("{server}.{lane}")
}

/// The queue of a lane.
pub fn lane_queue(server: &Slug, lane: Lane) -> String {
    format!("{LANE_PREFIX}{server}.{lane}")
}

/// Routing key of an event, on [`EVENTS_EXCHANGE`].
pub fn event_key(server: &Slug, event: &str) -> String {
    format!("server.{server}.{event}")
}

/// The server that an event's routing key vouches for.
pub fn server_of_event_key(key: &str) -> Option<Slug> {
    key.strip_prefix("server.")?.split('.').next()?.parse().ok()
}

/// A server's broker user.
pub fn broker_user(server: &Slug) -> String {
    format!("tourbus-server-{server}")
}
