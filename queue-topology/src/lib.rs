//! Exchanges, lanes, policies and permissions as data; declare and doctor.
//!
//! ```text
//!   coordinator ─▶ tourbus.work (direct) ──<slug>.<lane>──▶ tourbus.lane.<slug>.<lane>  × 6 a server
//!                                                                │ refused, or spent
//!                                                                ▼
//!                                                  tourbus.dead (fanout) ─▶ tourbus.dead
//!                                                                ▲
//!                                                                │
//!   workers ─▶ tourbus.events (topic) ──server.#──▶ tourbus.events ─▶ coordinator
//! ```
//!
//! [`Topology`] says what there should be; it is pure. [`Management`] talks to RabbitMQ's
//! management API. [`Topology::doctor`] compares the two, [`Topology::declare`] mends what differs.
//!
//! *Invariant:* a queue that holds messages is never deleted. *Invariant:* nobody but
//! `tourbus topology declare` declares anything: the users of coordinator and servers cannot.

mod compare;
mod declare;
mod difference;
mod error;
mod management;
mod parts;
mod password;
mod permissions;
mod policies;
mod queues;
mod seen;
mod server;
mod show;
mod topology;

pub use difference::{Change, Difference};
pub use error::TopologyError;
pub use management::Management;
pub use parts::{Binding, Exchange, Password, Permission, Policy, Queue, TopicPermission, User};
pub use password::password_hash;
pub use policies::{
    DEAD_MESSAGES_MAX, EVENTS_DELIVERY_LIMIT, LANE_DELIVERY_LIMIT, POLICY_PRIORITY,
};
pub use queues::{ConnectionInfo, QueueDepth};
pub use server::{add_server, remove_server};
pub use topology::{Topology, server_user};
