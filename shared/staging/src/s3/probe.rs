//! Does the store let us do what we need?

use super::S3Staging;
use crate::{
    error::StagingError,
    staging::{ProbeReport, Staging},
};
use bytes::Bytes;
use std::time::Instant;
use uuid::Uuid;

/// Two objects go below here, under a name of their own, and away again.
const PROBE_PREFIX: &str = ".probe/";

impl S3Staging {
    pub(super) async fn probe_all(&self) -> Result<ProbeReport, StagingError> {
        let started = Instant::now();
        let id = Uuid::new_v4().to_string();
        let prefix = format!("{PROBE_PREFIX}{id}/");
        let (first, second) = (format!("{prefix}1"), format!("{prefix}2"));
        let body = Bytes::from(id);

        self.put(&first, body.clone()).await?;
        self.put(&second, Bytes::new()).await?;
        let whole = self.get(&first, body.len()).await?;
        let part = self.get_range(&first, 4, 8).await?;
        if whole != body || part != body.slice(4..12) {
            return Err(self.corrupt(first));
        }
        let listed = self.list(&prefix, None, 10).await?;
        let names: Vec<&str> = listed.objects.iter().map(|o| o.key.as_str()).collect();
        if names != [&first, &second] {
            return Err(self.corrupt(prefix));
        }
        let mut warnings = Vec::new();
        match self.delete_batch_once(&[first.clone(), second]).await {
            Ok(leftover) if leftover.is_empty() => {}
            Ok(_) => warnings.push(one_by_one("it deleted none of a batch")),
            Err(e) => warnings.push(one_by_one(&e.to_string())),
        }
        self.delete_prefix(&prefix).await?;
        if self.exists(&first).await? {
            return Err(self.corrupt(first));
        }
        Ok(ProbeReport {
            endpoint: self.inner.endpoint.clone(),
            bucket: self.inner.bucket.clone(),
            took_ms: started.elapsed().as_millis() as u64,
            warnings,
        })
    }

    fn corrupt(&self, key: String) -> StagingError {
        StagingError::Corrupt { key, endpoint: self.inner.endpoint.clone() }
    }
}

fn one_by_one(why: &str) -> String {
    format!("objects can only be deleted one by one, which is slow: {why}")
}
