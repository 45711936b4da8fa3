//! What can go wrong with staging, and what to do about it.

use tourbus_domain::{ErrorClass, JobError};
use tourbus_tls::Fault;

/// Pause asked for when a store says "slow down" without saying for how long, in seconds.
const SLOW_DOWN_S: u32 = 2;

/// Why a call to the staging store failed. Never carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagingError {
    /// There is no object under this key.
    #[error("there is no object {key} in staging bucket {bucket} at {endpoint}")]
    NotFound {
        /// Key without the configured prefix.
        key: String,
        /// Bucket.
        bucket: String,
        /// Endpoint.
        endpoint: String,
    },
    /// The bucket does not exist.
    #[error("the staging bucket {bucket} does not exist at {endpoint}")]
    NoSuchBucket {
        /// Bucket.
        bucket: String,
        /// Endpoint.
        endpoint: String,
    },
    /// The store refuses these credentials, or this action to them.
    #[error("staging at {endpoint} denies {action} of {key} in bucket {bucket}: {message}")]
    Denied {
        /// What was tried: `put`, `get`, `list`, …
        action: &'static str,
        /// Key or prefix without the configured prefix.
        key: String,
        /// Bucket.
        bucket: String,
        /// Endpoint.
        endpoint: String,
        /// What the store says.
        message: String,
    },
    /// The object is larger than the caller takes.
    #[error("staged object {key} is {bytes} bytes, more than the {bytes_max} that fit here")]
    TooLarge {
        /// Key without the configured prefix.
        key: String,
        /// Its size.
        bytes: u64,
        /// The most that was acceptable.
        bytes_max: u64,
    },
    /// The body ended before its declared length.
    #[error("staged object {key} ended after {got} of {expected} bytes")]
    Truncated {
        /// Key without the configured prefix.
        key: String,
        /// Bytes that were promised.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// What was read back is not what was put.
    #[error("staging at {endpoint} gave back {key} with other content than was put")]
    Corrupt {
        /// Key without the configured prefix.
        key: String,
        /// Endpoint.
        endpoint: String,
    },
    /// No connection, no answer in time, or a server error.
    #[error("staging at {endpoint} is unavailable for {action}: {message}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// Endpoint.
        endpoint: String,
        /// What happened.
        message: String,
    },
    /// The store's certificate, or what answers in its place, is wrong. It passes when that is
    /// mended, which may be soon: so it is tried again.
    #[error("staging at {endpoint} is not to be trusted for {action}: {fault}")]
    Untrusted {
        /// What was tried.
        action: &'static str,
        /// Endpoint.
        endpoint: String,
        /// What is wrong.
        fault: Fault,
    },
    /// The store asks for a pause.
    #[error("staging at {endpoint} asks to slow down")]
    RateLimited {
        /// Endpoint.
        endpoint: String,
        /// Seconds to wait.
        after_s: u32,
    },
    /// Our own configuration or call is wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// How to mend it.
        remedy: String,
    },
    /// The store answered with an error that we do not know.
    #[error("staging at {endpoint} refused {action} of {key}: {code}: {message}")]
    Other {
        /// What was tried.
        action: &'static str,
        /// Key or prefix without the configured prefix.
        key: String,
        /// Endpoint.
        endpoint: String,
        /// The store's own error code, or the HTTP status.
        code: String,
        /// What the store says.
        message: String,
    },
}

impl StagingError {
    /// "Slow down", with the usual pause.
    pub(crate) fn slow_down(endpoint: &str) -> Self {
        Self::RateLimited { endpoint: endpoint.to_owned(), after_s: SLOW_DOWN_S }
    }

    /// What retry does about it.
    ///
    /// A missing object is permanent here: whether it will still come is the caller's to know.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable { .. } | Self::Untrusted { .. } | Self::Truncated { .. } => {
                ErrorClass::Transient
            }
            Self::RateLimited { after_s, .. } => ErrorClass::RateLimited { after_s: *after_s },
            Self::NotFound { .. }
            | Self::NoSuchBucket { .. }
            | Self::Denied { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt { .. }
            | Self::Invalid { .. }
            | Self::Other { .. } => ErrorClass::Permanent,
        }
    }

    /// Stable name: `staging_…`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "staging_object_missing",
            Self::NoSuchBucket { .. } => "staging_bucket_missing",
            Self::Denied { .. } => "staging_denied",
            Self::TooLarge { .. } => "staging_object_too_large",
            Self::Truncated { .. } => "staging_object_truncated",
            Self::Corrupt { .. } => "staging_object_corrupt",
            Self::Unavailable { .. } => "staging_unavailable",
            Self::Untrusted { .. } => "staging_untrusted",
            Self::RateLimited { .. } => "staging_rate_limited",
            Self::Invalid { .. } => "staging_misconfigured",
            Self::Other { .. } => "staging_refused",
        }
    }

    /// How a person can mend it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotFound { .. } => {
                "Retry the move; if it happens again, see whether something else deletes from \
                 the bucket, such as a lifecycle rule"
                    .to_owned()
            }
            Self::NoSuchBucket { bucket, .. } => {
                format!("Create bucket {bucket}, or set the right one in [staging]")
            }
            Self::Denied { bucket, .. } => format!(
                "Check access_key and secret_key in [staging], that the key may read, write, \
                 list and delete in bucket {bucket}, and that this machine's clock is right"
            ),
            Self::TooLarge { .. } => {
                "Give all workers the same chunk_bytes in [limits], then retry".to_owned()
            }
            Self::Truncated { .. } | Self::Corrupt { .. } => {
                "Retry the move; if it happens again, check the store's disks".to_owned()
            }
            Self::Unavailable { endpoint, .. } => {
                format!("Check that the store at {endpoint} runs and can be reached from here")
            }
            Self::Untrusted { fault, .. } => fault.remedy("staging.tls.ca_file", "staging.tls"),
            Self::RateLimited { .. } => {
                "Nothing to do unless it persists; then run fewer workers".to_owned()
            }
            Self::Invalid { remedy, .. } => remedy.clone(),
            Self::Other { .. } => "Look into the store's log".to_owned(),
        }
    }

    /// The same as a job's error, for events and pages.
    pub fn to_job_error(&self) -> JobError {
        JobError::new(self.class(), self.code(), self.to_string(), self.remedy())
    }
}

impl From<StagingError> for JobError {
    fn from(error: StagingError) -> Self {
        error.to_job_error()
    }
}

impl From<&StagingError> for JobError {
    fn from(error: &StagingError) -> Self {
        error.to_job_error()
    }
}
