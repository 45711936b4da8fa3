//! What can go wrong, told so that an operator can mend it.

use crate::limits::{BODY_BYTES_MAX, PUBLISH_TIMEOUT};
use lapin::ErrorKind;
use std::io;
use tourbus_config::NoPlace;
use tourbus_domain::ErrorClass;
use tourbus_tls::Fault;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("{0}; correct broker.address")]
    Address(#[from] NoPlace),
    /// TLS was not agreed on: a certificate, or what answers, is wrong.
    #[error("{0}; {remedy}", remedy = .0.remedy("broker.tls.ca_file", "broker.tls"))]
    Tls(Fault),
    /// The broker answers, and does not let this user in.
    #[error("{0}")]
    Refused(String),
    /// The connection ended before the broker had said a word of AMQP.
    #[error(
        "what answers there hangs up instead of speaking AMQP ({0}); if that port speaks TLS, say \
         amqps:// in broker.address"
    )]
    NotAmqp(String),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
}

impl ConnectError {
    pub(crate) fn from_io(error: &io::Error) -> Self {
        match Fault::of(error) {
            Some(fault) => Self::Tls(fault),
            None if error.to_string().contains("tls handshake eof") => Self::Tls(Fault::NotTls),
            None => Self::Unreachable(error.to_string()),
        }
    }

    /// `if_hung_up` is what it means when the connection ended without a word.
    pub(crate) fn from_lapin(error: &lapin::Error, if_hung_up: Option<Fault>) -> Self {
        match error.kind() {
            ErrorKind::IOError(e) => match Fault::of(&**e).or(if_hung_up) {
                Some(fault) => Self::Tls(fault),
                None => Self::NotAmqp(e.to_string()),
            },
            ErrorKind::ParsingError(e) => Self::NotAmqp(e.to_string()),
            ErrorKind::ProtocolError(_) => Self::Refused(explain(error)),
            _ => Self::Unreachable(explain(error)),
        }
    }
}

/// Why a publication is not known to stand on a queue.
///
/// After `Timeout`, `Blocked` and `Disconnected` it may nevertheless arrive: publish it again,
/// and let the receiver ignore what it has seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound for this routing key.
    #[error(
        "no queue is bound to {exchange} for {routing_key:?}; `tourbus topology doctor` says what is missing"
    )]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// The broker could not write it: a queue is full, or has lost its majority.
    #[error("the broker could not store a message for {routing_key:?}; look at its log")]
    Nacked {
        /// The routing key.
        routing_key: String,
    },
    /// The broker forbids it: no such exchange, no permission, or a forged sender.
    #[error("the broker refuses the message: {reason}")]
    Refused {
        /// What the broker says, and what to do.
        reason: String,
    },
    /// No confirm in time.
    #[error("no confirm within {} s; the message may have arrived or not", PUBLISH_TIMEOUT.as_secs())]
    Timeout,
    /// There is no connection, or it was lost before the confirm.
    #[error("not connected to the broker: {reason}")]
    Disconnected {
        /// Why.
        reason: String,
    },
    /// The broker takes no messages for now.
    #[error("the broker blocks publishing ({reason}); free its memory or disk")]
    Blocked {
        /// What the broker says.
        reason: String,
    },
    /// Larger than [`BODY_BYTES_MAX`]; it was not sent.
    #[error("a message of {bytes} bytes is larger than the limit of {BODY_BYTES_MAX} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl PublishError {
    /// What the retry logic does about it: only a message that is too large stays so.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::TooLarge { .. } => ErrorClass::Permanent,
            _ => ErrorClass::Transient,
        }
    }

    /// Whether the next publication would fail likewise, so that a batch need not try.
    pub(crate) const fn stops_batch(&self) -> bool {
        matches!(self, Self::Timeout | Self::Disconnected { .. } | Self::Blocked { .. })
    }

    /// The stable name, for metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Unroutable { .. } => "unroutable",
            Self::Nacked { .. } => "nacked",
            Self::Refused { .. } => "refused",
            Self::Timeout => "timeout",
            Self::Disconnected { .. } => "disconnected",
            Self::Blocked { .. } => "blocked",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// From a fault of the channel that was published on.
    pub(crate) fn from_lapin(error: &lapin::Error) -> Self {
        match reply_code(error) {
            Some(403 | 404 | 406) => Self::Refused { reason: explain(error) },
            _ => Self::Disconnected { reason: explain(error) },
        }
    }
}

/// A delivery cannot be acknowledged any more: its channel is gone. The broker gives the message
/// to a consumer again, marked as redelivered. Nothing is to be done about it but to expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery's channel is gone; the broker will deliver the message again")]
pub struct Lost;

/// Why a queue's depth is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepthError {
    /// No such queue.
    #[error("queue {queue} does not exist; run `tourbus topology declare`")]
    NoQueue {
        /// Which.
        queue: String,
    },
    /// No connection, or it was lost meanwhile.
    #[error("cannot look at queue {queue}: {reason}")]
    Unavailable {
        /// Which.
        queue: String,
        /// Why.
        reason: String,
    },
}

/// The broker's reply code, if it is the broker that complains.
pub(crate) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(e) => Some(e.get_id()),
        _ => None,
    }
}

/// What happened and what to do about it.
pub(crate) fn explain(error: &lapin::Error) -> String {
    let remedy = match reply_code(error) {
        Some(403) => "; `tourbus topology declare` sets users, passwords and permissions",
        Some(404) => "; `tourbus topology declare` creates it",
        Some(406) => "; `tourbus topology doctor` says what differs",
        Some(530) => "; check the virtual host, and run `tourbus topology declare`",
        _ => "",
    };
    match error.kind() {
        ErrorKind::ProtocolError(e) => format!("{}{remedy}", e.get_message()),
        ErrorKind::IOError(e) => e.to_string(),
        _ => format!("{error}{remedy}"),
    }
}
