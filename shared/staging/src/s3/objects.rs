//! One try of put, get and head.

use super::{S3Staging, classify::Call};
use crate::error::StagingError;
use aws_sdk_s3::{error::DisplayErrorContext, primitives::ByteStream};
use bytes::{Bytes, BytesMut};

impl S3Staging {
    pub(super) async fn put_once(&self, key: &str, body: Bytes) -> Result<(), StagingError> {
        let sent = self
            .client()
            .put_object()
            .bucket(&self.inner.bucket)
            .key(self.full_key(key))
            .content_length(body.len() as i64)
            .body(ByteStream::from(body))
            .customize()
            // SHA-256 over every byte would cost more than all the rest; BLAKE3 is ours.
            .disable_payload_signing()
            .send()
            .await;
        sent.map(drop).map_err(|e| self.classify(Call { action: "put", key }, &e))
    }

    pub(super) async fn get_once(
        &self,
        key: &str,
        bytes_max: usize,
    ) -> Result<Bytes, StagingError> {
        let answer = self
            .client()
            .get_object()
            .bucket(&self.inner.bucket)
            .key(self.full_key(key))
            .send()
            .await
            .map_err(|e| self.classify(Call { action: "get", key }, &e))?;
        let declared = answer.content_length.and_then(|n| u64::try_from(n).ok());
        if let Some(bytes) = declared.filter(|&n| n > bytes_max as u64) {
            // Dropping the body closes this connection: cheaper than reading what nobody wants.
            return Err(too_large(key, bytes, bytes_max));
        }
        self.collect(key, answer.body, declared, bytes_max).await
    }

    pub(super) async fn get_range_once(
        &self,
        key: &str,
        offset: u64,
        len: u64,
    ) -> Result<Bytes, StagingError> {
        let call = Call { action: "get", key };
        let end = offset.saturating_add(len - 1);
        let sent = self
            .client()
            .get_object()
            .bucket(&self.inner.bucket)
            .key(self.full_key(key))
            .range(format!("bytes={offset}-{end}"))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 416) => {
                return Err(StagingError::Truncated { key: key.to_owned(), expected: len, got: 0 });
            }
            Err(e) => return Err(self.classify(call, &e)),
        };
        let declared = answer.content_length.and_then(|n| u64::try_from(n).ok());
        match declared {
            Some(got) if got < len => {
                return Err(StagingError::Truncated { key: key.to_owned(), expected: len, got });
            }
            Some(got) if got > len => {
                return Err(StagingError::Other {
                    action: "get",
                    key: key.to_owned(),
                    endpoint: self.inner.endpoint.clone(),
                    code: "RangeIgnored".to_owned(),
                    message: format!("asked for {len} bytes of it, was offered {got}"),
                });
            }
            _ => {}
        }
        self.collect(key, answer.body, Some(len), len as usize).await
    }

    /// Reads a body into one buffer of its declared length. Each wait for more is limited too,
    /// so a store that falls silent is found out long before the whole deadline.
    async fn collect(
        &self,
        key: &str,
        mut body: ByteStream,
        declared: Option<u64>,
        bytes_max: usize,
    ) -> Result<Bytes, StagingError> {
        let mut whole = BytesMut::with_capacity(declared.unwrap_or(0) as usize);
        let truncated = |got: usize| StagingError::Truncated {
            key: key.to_owned(),
            expected: declared.unwrap_or(0),
            got: got as u64,
        };
        let silence_max = self.inner.request_timeout;
        loop {
            match tokio::time::timeout(silence_max, body.next()).await {
                Ok(Some(Ok(part))) => {
                    if whole.len() + part.len() > bytes_max {
                        let bytes = (whole.len() + part.len()) as u64;
                        return Err(too_large(key, bytes, bytes_max));
                    }
                    whole.extend_from_slice(&part);
                }
                Ok(None) => break,
                Ok(Some(Err(e))) => {
                    tracing::debug!(key, error = %DisplayErrorContext(&e), "staging.body_broke");
                    return Err(truncated(whole.len()));
                }
                Err(_) => {
                    let got = whole.len();
                    let text = format!("{key}: silent for {silence_max:?} after {got} bytes");
                    return Err(self.unavailable("get", text));
                }
            }
        }
        match declared {
            Some(n) if n != whole.len() as u64 => Err(truncated(whole.len())),
            _ => Ok(whole.freeze()),
        }
    }

    pub(super) async fn head_once(&self, key: &str) -> Result<Option<u64>, StagingError> {
        let call = Call { action: "head", key };
        let sent = self
            .client()
            .head_object()
            .bucket(&self.inner.bucket)
            .key(self.full_key(key))
            .send()
            .await;
        match sent.map_err(|e| self.classify(call, &e)) {
            Ok(found) => Ok(Some(found.content_length.unwrap_or(0) as u64)),
            // The answer to a HEAD has no body, so a missing bucket looks the same.
            Err(StagingError::NotFound { .. }) => self.head_bucket_once().await.map(|()| None),
            Err(e) => Err(e),
        }
    }

    async fn head_bucket_once(&self) -> Result<(), StagingError> {
        let sent = self.client().head_bucket().bucket(&self.inner.bucket).send().await;
        match sent.map_err(|e| self.classify(Call { action: "head", key: "" }, &e)) {
            Ok(_) => Ok(()),
            Err(StagingError::NotFound { bucket, endpoint, .. }) => {
                Err(StagingError::NoSuchBucket { bucket, endpoint })
            }
            Err(e) => Err(e),
        }
    }
}

fn too_large(key: &str, bytes: u64, bytes_max: usize) -> StagingError {
    StagingError::TooLarge { key: key.to_owned(), bytes, bytes_max: bytes_max as u64 }
}
