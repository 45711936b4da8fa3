//! From the SDK's errors to ours.

use super::S3Staging;
use crate::error::StagingError;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tourbus_tls::Fault;

/// What a call was about, for its error.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub action: &'static str,
    /// Key or prefix, without the configured prefix.
    pub key: &'a str,
}

impl S3Staging {
    pub(super) fn classify<E>(
        &self,
        call: Call<'_>,
        error: &SdkError<E, HttpResponse>,
    ) -> StagingError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let meta = answer.err().meta();
                self.refused(call, status, meta.code(), meta.message())
            }
            SdkError::ConstructionFailure(_) => StagingError::Invalid {
                message: format!("cannot build the request: {}", DisplayErrorContext(error)),
                remedy: "Check endpoint, region and bucket in [staging]".to_owned(),
            },
            SdkError::DispatchFailure(failure)
                if let Some(fault) = failure.as_connector_error().and_then(|e| Fault::of(e)) =>
            {
                let (action, endpoint) = (call.action, self.inner.endpoint.clone());
                StagingError::Untrusted { action, endpoint, fault }
            }
            // Timeouts, connections refused or lost, answers that are not HTTP or not S3.
            _ => self.unavailable(call.action, DisplayErrorContext(error).to_string()),
        }
    }

    /// An answer that is an error. A HEAD has no body, hence no code: then the status decides.
    fn refused(
        &self,
        call: Call<'_>,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> StagingError {
        let Call { action, key } = call;
        let (endpoint, bucket) = (self.inner.endpoint.clone(), self.inner.bucket.clone());
        let key = key.to_owned();
        let message = || match (code, message) {
            (Some(c), Some(m)) => format!("{c}: {m}"),
            (Some(c), None) => c.to_owned(),
            _ => format!("HTTP status {status}"),
        };
        match (status, code) {
            (_, Some("NoSuchBucket")) => StagingError::NoSuchBucket { bucket, endpoint },
            (_, Some("SlowDown" | "TooManyRequests")) | (429, _) => {
                StagingError::slow_down(&endpoint)
            }
            // A store that lost patience with our upload may be quicker with the next try. 501,
            // "not implemented", is left to the last arm: it does not pass.
            (_, Some("RequestTimeout" | "OperationAborted")) | (408 | 500 | 502..=599, _) => {
                self.unavailable(action, format!("HTTP status {status}, {}", message()))
            }
            (401 | 403, _) | (_, Some("NotSignedUp")) => {
                StagingError::Denied { action, key, bucket, endpoint, message: message() }
            }
            (404, _) => StagingError::NotFound { key, bucket, endpoint },
            (_, code) => StagingError::Other {
                action,
                key,
                endpoint,
                code: code.map_or_else(|| status.to_string(), str::to_owned),
                message: message(),
            },
        }
    }
}
