//! Deadlines and retries, the same for every call.

use super::S3Staging;
use crate::error::StagingError;
use backon::{ExponentialBuilder, Retryable};
use std::{future::Future, time::Duration};
use tourbus_domain::ErrorClass;

/// Wait before the second try; doubles, with jitter of up to its own length on top.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// Longest wait between tries, jitter not included.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);
/// The slowest transfer that is not a failure: a body of n bytes gets n of these seconds on top
/// of the request's own time limit.
const BYTES_PER_S_MIN: u64 = 512 << 10;

impl S3Staging {
    /// Runs `call` with a deadline, again while it fails for a passing reason.
    pub(super) async fn retried<T, F>(
        &self,
        action: &'static str,
        body_bytes: u64,
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<T, StagingError>
    where
        T: Send,
        F: Future<Output = Result<T, StagingError>> + Send,
    {
        let limit = self.inner.request_timeout + Duration::from_secs(body_bytes / BYTES_PER_S_MIN);
        let policy = ExponentialBuilder::new()
            .with_min_delay(RETRY_DELAY_MIN)
            .with_max_delay(RETRY_DELAY_MAX)
            .with_max_times(self.inner.attempts_max.saturating_sub(1))
            .with_jitter();
        let attempt = || async {
            match tokio::time::timeout(limit, call()).await {
                Ok(result) => result,
                Err(_) => Err(self.unavailable(action, format!("no answer within {limit:?}"))),
            }
        };
        attempt
            .retry(policy)
            .when(|e: &StagingError| {
                matches!(e.class(), ErrorClass::Transient | ErrorClass::RateLimited { .. })
            })
            .adjust(|e, delay| match e.class() {
                ErrorClass::RateLimited { after_s } => {
                    delay.map(|d| d + Duration::from_secs(u64::from(after_s)))
                }
                _ => delay,
            })
            .notify(|e, delay| {
                tracing::debug!(
                    error = %e, delay_ms = delay.as_millis() as u64, "staging.retry"
                );
            })
            .await
    }

    pub(super) fn unavailable(&self, action: &'static str, message: String) -> StagingError {
        StagingError::Unavailable { action, endpoint: self.inner.endpoint.clone(), message }
    }
}
