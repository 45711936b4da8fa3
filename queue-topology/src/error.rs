//! Why the topology could not be read or changed.

use reqwest::StatusCode;
use tourbus_domain::ErrorClass;
use tourbus_http::ClientError;
use tourbus_tls::Fault;

/// What the management API did not do.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// No client can be made for its URL.
    #[error("management: {0}")]
    Client(#[from] ClientError),
    /// TLS was not agreed on.
    #[error(
        "the broker's management API at {url} is not to be trusted: {fault}; {remedy}",
        remedy = fault.remedy("management.tls.ca_file", "management.tls")
    )]
    Tls {
        /// Its base URL.
        url: String,
        /// What is wrong.
        fault: Fault,
    },
    /// It does not answer.
    #[error(
        "the broker's management API at {url} does not answer: {why}; is RabbitMQ up, and its management plugin on?"
    )]
    Unreachable {
        /// Its base URL.
        url: String,
        /// Why.
        why: String,
    },
    /// Wrong user or password, or too few rights.
    #[error(
        "the management API refuses {user} on {path}: {reason}; it takes the right password, the tag `administrator`, and permissions on the virtual host"
    )]
    Forbidden {
        /// As whom.
        user: String,
        /// What was asked.
        path: String,
        /// What it says.
        reason: String,
    },
    /// It refuses a request.
    #[error("the management API answers {status} to {path}: {reason}")]
    Refused {
        /// What was asked.
        path: String,
        /// The status.
        status: StatusCode,
        /// What it says.
        reason: String,
    },
    /// Its answer is not what its documentation says.
    #[error("the management API's answer to {path} is not understood: {reason}")]
    Answer {
        /// What was asked.
        path: String,
        /// Why.
        reason: String,
    },
}

impl TopologyError {
    /// What the retry logic does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } => ErrorClass::Transient,
            Self::Refused { status, .. } if status.is_server_error() => ErrorClass::Transient,
            Self::Client(_)
            | Self::Tls { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::Answer { .. } => ErrorClass::Permanent,
        }
    }
}
