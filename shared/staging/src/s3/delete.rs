//! Deleting everything below a prefix.

use super::{S3Staging, classify::Call};
use crate::{
    error::StagingError,
    staging::{LIST_LIMIT_MAX, Staging},
};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

impl S3Staging {
    pub(super) async fn delete_all_below(&self, prefix: &str) -> Result<u64, StagingError> {
        let prefix = self.directory(prefix)?;
        let mut after: Option<String> = None;
        let mut deleted = 0;
        loop {
            let page = self.list(&prefix, after.as_deref(), LIST_LIMIT_MAX).await?;
            let keys: Vec<String> = page.objects.into_iter().map(|o| o.key).collect();
            self.delete_keys(&keys).await?;
            deleted += keys.len() as u64;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(deleted),
            }
        }
    }

    fn directory(&self, prefix: &str) -> Result<String, StagingError> {
        if prefix.is_empty() && self.inner.prefix.is_empty() {
            return Err(StagingError::Invalid {
                message: "refusing to empty the whole staging bucket".to_owned(),
                remedy: "Name a prefix".to_owned(),
            });
        }
        let ends = prefix.is_empty() || prefix.ends_with('/');
        Ok(if ends { prefix.to_owned() } else { format!("{prefix}/") })
    }

    /// Deletes these, at most [`LIST_LIMIT_MAX`], in one request, or one by one on a store that
    /// does not take a batch.
    async fn delete_keys(&self, keys: &[String]) -> Result<(), StagingError> {
        let leftover = match keys {
            [] => return Ok(()),
            [key] => return self.delete_key(key).await,
            _ => self.retried("delete", 0, || self.delete_batch_once(keys)).await,
        };
        match leftover {
            Ok(leftover) => self.delete_each(&leftover).await,
            Err(e @ StagingError::Other { .. }) => {
                tracing::debug!(error = %e, "staging.batch_delete_refused");
                self.delete_each(keys).await
            }
            Err(e) => Err(e),
        }
    }

    async fn delete_each(&self, keys: &[String]) -> Result<(), StagingError> {
        for key in keys {
            self.delete_key(key).await?;
        }
        Ok(())
    }

    async fn delete_key(&self, key: &str) -> Result<(), StagingError> {
        self.retried("delete", 0, || self.delete_once(key)).await
    }

    async fn delete_once(&self, key: &str) -> Result<(), StagingError> {
        let sent = self
            .client()
            .delete_object()
            .bucket(&self.inner.bucket)
            .key(self.full_key(key))
            .send()
            .await;
        match sent.map_err(|e| self.classify(Call { action: "delete", key }, &e)) {
            Ok(_) | Err(StagingError::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// One batch; returns the keys that the store says it could not delete. The SDK adds the
    /// checksum that AWS demands here (CRC32, where older SDKs sent Content-MD5).
    pub(super) async fn delete_batch_once(
        &self,
        keys: &[String],
    ) -> Result<Vec<String>, StagingError> {
        let call = Call { action: "delete", key: keys.first().map_or("", String::as_str) };
        let invalid = |e: aws_sdk_s3::error::BuildError| StagingError::Invalid {
            message: format!("cannot build a batch delete: {e}"),
            remedy: String::new(),
        };
        let named =
            keys.iter().map(|key| ObjectIdentifier::builder().key(self.full_key(key)).build());
        let objects = named.collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let batch = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let answer = self
            .client()
            .delete_objects()
            .bucket(&self.inner.bucket)
            .delete(batch.map_err(invalid)?)
            .send()
            .await
            .map_err(|e| self.classify(call, &e))?;
        let failed = answer.errors.unwrap_or_default();
        let ours = |e: &aws_sdk_s3::types::Error| {
            Some(e.key()?.strip_prefix(self.inner.prefix.as_str())?.to_owned())
        };
        Ok(failed.iter().filter_map(ours).collect())
    }
}
