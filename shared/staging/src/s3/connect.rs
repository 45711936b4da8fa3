//! Building the client.

use super::{Inner, S3Staging};
use crate::error::StagingError;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use secrecy::ExposeSecret;
use std::{sync::Arc, time::Duration};
use tourbus_config::StagingConfig;

/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept. Shorter than the 75 s and 60 s after which nginx and
/// load balancers close theirs, so that we seldom write into a closing one.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

impl S3Staging {
    /// A client for this bucket. Connects with the first call, not here: [`Staging::probe`]
    /// says whether the store is there.
    ///
    /// [`Staging::probe`]: crate::Staging::probe
    ///
    /// # Errors
    /// [`StagingError::Invalid`] when the configuration cannot work.
    pub fn connect(config: &StagingConfig) -> Result<Self, StagingError> {
        check(config)?;
        let endpoint = config.endpoint.trim_end_matches('/').to_owned();
        let inner = Inner {
            client: Client::from_conf(sdk_config(config, &endpoint)),
            endpoint,
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            attempts_max: config.attempts_max,
            request_timeout: Duration::from_secs(config.request_timeout_s),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

fn sdk_config(config: &StagingConfig, endpoint: &str) -> Config {
    let http = HttpClientBuilder::new().pool_idle_timeout(POOL_IDLE_TIMEOUT).build_http();
    let secret = config.secret_key.expose_secret();
    let keys = Credentials::new(&config.access_key, secret, None, None, "tourbus");
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(keys)
        .http_client(http)
        // A CRC on each put and get would be a third hash of the same bytes, and some stores
        // refuse it: every slice is checked by BLAKE3 at the other end.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // We retry ourselves (`attempt.rs`), and each try has a deadline over its whole length.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

fn check(config: &StagingConfig) -> Result<(), StagingError> {
    let invalid = |message: String, remedy: &str| {
        Err(StagingError::Invalid { message, remedy: remedy.to_owned() })
    };
    let endpoint = &config.endpoint;
    if endpoint.starts_with("https://") {
        return invalid(
            format!("the staging endpoint {endpoint} is https, which is not supported yet"),
            "Use an http:// endpoint on a private network, or a local TLS proxy in front of it",
        );
    }
    if !endpoint.starts_with("http://") {
        return invalid(
            format!("the staging endpoint {endpoint:?} is no URL"),
            "Set endpoint in [staging], for example http://127.0.0.1:3900",
        );
    }
    if config.bucket.is_empty() {
        return invalid("no staging bucket is named".to_owned(), "Set bucket in [staging]");
    }
    let prefix = &config.prefix;
    if !prefix.is_empty() && (!prefix.ends_with('/') || prefix.starts_with('/')) {
        return invalid(
            format!("the staging prefix {prefix:?} must end in / and not begin with it"),
            "Set prefix in [staging], for example cluster1/",
        );
    }
    if config.attempts_max == 0 || config.request_timeout_s == 0 {
        return invalid(
            "attempts_max and request_timeout_s of staging must be at least 1".to_owned(),
            "Set them in [staging], or leave them out",
        );
    }
    Ok(())
}
