//! [`Staging`] over an S3-compatible endpoint.

mod attempt;
mod classify;
mod connect;
mod delete;
mod list;
mod objects;
mod probe;

use crate::{
    error::StagingError,
    staging::{Page, ProbeReport, Staging},
};
use aws_sdk_s3::Client;
use bytes::Bytes;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tourbus_config::StagingConfig;
use tourbus_tls::Stamp;

/// A bucket of an S3-compatible store, below a prefix. Cheap to clone; clones share the
/// connections.
#[derive(Clone)]
pub struct S3Staging {
    inner: Arc<Inner>,
}

/// A client, and how the file of its authorities was when it was made.
struct Made {
    client: Client,
    believed: Option<Stamp>,
}

struct Inner {
    config: StagingConfig,
    made: Mutex<Made>,
    endpoint: String,
    bucket: String,
    prefix: String,
    attempts_max: usize,
    request_timeout: Duration,
}

impl std::fmt::Debug for S3Staging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Staging")
            .field("endpoint", &self.inner.endpoint)
            .field("bucket", &self.inner.bucket)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl S3Staging {
    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.inner.prefix)
    }
}

impl Staging for S3Staging {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), StagingError> {
        let bytes = body.len() as u64;
        self.retried("put", bytes, || self.put_once(key, body.clone())).await
    }

    async fn get(&self, key: &str, bytes_max: usize) -> Result<Bytes, StagingError> {
        self.retried("get", bytes_max as u64, || self.get_once(key, bytes_max)).await
    }

    async fn get_range(&self, key: &str, offset: u64, len: u64) -> Result<Bytes, StagingError> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        self.retried("get", len, || self.get_range_once(key, offset, len)).await
    }

    async fn head(&self, key: &str) -> Result<Option<u64>, StagingError> {
        self.retried("head", 0, || self.head_once(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StagingError> {
        self.retried("list", 0, || self.list_once(prefix, after, limit)).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<u64, StagingError> {
        self.delete_all_below(prefix).await
    }

    async fn probe(&self) -> Result<ProbeReport, StagingError> {
        self.probe_all().await
    }
}
