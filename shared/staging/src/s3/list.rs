//! One try of a listing.

use super::{S3Staging, classify::Call};
use crate::{
    error::StagingError,
    staging::{LIST_LIMIT_MAX, Object, Page},
};
use aws_sdk_s3::types;
use std::time::SystemTime;

impl S3Staging {
    pub(super) async fn list_once(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StagingError> {
        let limit = limit.clamp(1, LIST_LIMIT_MAX);
        let answer = self
            .client()
            .list_objects_v2()
            .bucket(&self.inner.bucket)
            .prefix(self.full_key(prefix))
            .set_start_after(after.map(|key| self.full_key(key)))
            .max_keys(limit as i32)
            .send()
            .await
            .map_err(|e| self.classify(Call { action: "list", key: prefix }, &e))?;
        let truncated = answer.is_truncated.unwrap_or(false);
        let found = answer.contents.unwrap_or_default();
        let objects: Vec<Object> = found.iter().filter_map(|o| self.listed(o)).collect();
        // Continue after the last key, not with the store's token: a key survives a restart of
        // either side, and means the same on every store.
        let next = truncated.then(|| objects.last().map(|o| o.key.clone())).flatten();
        Ok(Page { objects, next })
    }

    fn listed(&self, object: &types::Object) -> Option<Object> {
        let key = object.key()?.strip_prefix(self.inner.prefix.as_str())?;
        let modified = object.last_modified().and_then(|t| SystemTime::try_from(*t).ok());
        Some(Object {
            key: key.to_owned(),
            bytes: object.size().unwrap_or(0) as u64,
            modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }
}
