//! Building the client.

use super::{Inner, Made, S3Staging};
use crate::error::StagingError;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder as HttpClientBuilder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use secrecy::ExposeSecret;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tourbus_config::{StagingConfig, is_https};
use tourbus_tls::Stamp;

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
            made: Mutex::new(make(config, &endpoint)?),
            config: config.clone(),
            endpoint,
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            attempts_max: config.attempts_max,
            request_timeout: Duration::from_secs(config.request_timeout_s),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The client; a fresh one when whom we believe has changed.
    pub(super) fn client(&self) -> Client {
        let Inner { config, endpoint, made, .. } = &*self.inner;
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        let believed = believed(config);
        if believed != made.believed {
            made.believed = believed;
            match make(config, endpoint) {
                Ok(fresh) => *made = fresh,
                Err(error) => tracing::error!(%error, "staging.kept_the_authorities_before"),
            }
        }
        made.client.clone()
    }
}

fn believed(config: &StagingConfig) -> Option<Stamp> {
    config.tls.ca_file.as_deref().map(Stamp::of)
}

fn make(config: &StagingConfig, endpoint: &str) -> Result<Made, StagingError> {
    let believed = believed(config);
    let http = http_client(config)?;
    Ok(Made { client: Client::from_conf(sdk_config(config, endpoint, http)), believed })
}

/// Plain, or by rustls. The files of `tls` are read now.
fn http_client(config: &StagingConfig) -> Result<SharedHttpClient, StagingError> {
    let builder = HttpClientBuilder::new().pool_idle_timeout(POOL_IDLE_TIMEOUT);
    if !is_https(&config.endpoint).is_ok_and(|https| https) {
        return Ok(builder.build_http());
    }
    // Also says whether this machine believes anybody at all: the SDK only warns.
    let usable = tourbus_tls::client_config(&config.tls).map(drop);
    let authorities = usable.and_then(|()| tourbus_tls::authorities(&config.tls));
    let authorities = authorities.map_err(|e| StagingError::Invalid {
        message: format!("staging.{e}"),
        remedy: "Correct [staging.tls]".to_owned(),
    })?;
    let trust = match authorities {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|e| StagingError::Invalid {
        message: format!("TLS to the staging store cannot be set up: {e}"),
        remedy: "Correct [staging.tls]".to_owned(),
    })?;
    Ok(builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

fn sdk_config(config: &StagingConfig, endpoint: &str, http: SharedHttpClient) -> Config {
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
    if is_https(endpoint).is_err() {
        return invalid(
            format!("the staging endpoint {endpoint:?} is no URL"),
            "Set endpoint in [staging], for example https://s3.example",
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
