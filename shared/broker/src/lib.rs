//! RabbitMQ: the only crate that knows lapin. A supervisor that survives any broker fault.
//!
//! ```text
//!            ┌ publishing connection ── 8 channels, one publish (or one batch) each, confirmed
//!  Broker ───┤
//!            └ consuming connection ─── one channel per consumer, prefetch = its buffer
//! ```
//!
//! Nothing of lapin's own recovery is used. On any fault the connection, its channels and its
//! consumers are built anew, for ever, until shutdown. Every wait has a timeout ([`limits`]). AMQP
//! goes over streams of `tourbus_tls`, plain or TLS; the certificates of `broker.tls` are read again
//! whenever a connection is rebuilt.
//!
//! *Invariant:* a delivery is acknowledged on the channel it came from or not at all.
//! *Invariant:* a publish that returned `Ok` stands on a queue: confirmed and not returned.

mod broker;
mod consumer;
mod death;
mod delivery;
mod error;
pub mod limits;
mod link;
mod publisher;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod wire;

pub use broker::Broker;
pub use consumer::Deliveries;
pub use death::Death;
pub use delivery::Delivery;
pub use error::{ConnectError, DepthError, Lost, PublishError};
pub use publisher::{Publication, Publisher};
pub use state::BrokerState;
pub use wire::try_once;
