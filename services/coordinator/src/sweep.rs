//! The sweep: what moves that are over, or that nobody knows, have left in the staging bucket.

use crate::{Coordinator, CoordinatorError};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use tourbus_domain::JobId;
use tourbus_protocol::names::{self, MOVES_PREFIX};
use tourbus_staging::{LIST_LIMIT_MAX, Object, Staging, StagingError};
use tourbus_store::StoreError;

/// The first sweep comes this long after the start.
const FIRST_AFTER: Duration = Duration::from_mins(1);
/// Objects of a job that the database does not know are left alone until they are this old: the
/// database may have been restored, and the clocks may differ.
const UNKNOWN_AGE_MIN: Duration = Duration::from_hours(1);
/// Only one coordinator sweeps at a time.
const CLAIM: &str = "tourbus:sweep";

/// Why a sweep was broken off. The next one comes soon enough.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Staging(#[from] StagingError),
}

impl Coordinator {
    /// Sweeps now and then until the end.
    pub(crate) async fn sweep(&self) -> Result<(), CoordinatorError> {
        let every = Duration::from_secs(self.config.sweep_every_s.max(1));
        let mut wait = FIRST_AFTER.min(every);
        while self.pause(wait).await {
            wait = every;
            let swept = tokio::select! {
                () = self.shutdown.cancelled() => break,
                swept = self.sweep_once() => swept,
            };
            match swept {
                Ok(0) => {}
                Ok(objects) => tracing::info!(objects, "sweep.removed"),
                Err(error) => tracing::warn!(%error, "sweep.broken_off"),
            }
        }
        Ok(())
    }

    /// Returns how many objects were removed.
    async fn sweep_once(&self) -> Result<u64, SweepError> {
        let Some(mut claim) = self.store.claim(CLAIM).await? else { return Ok(0) };
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.staging.list(MOVES_PREFIX, after.as_deref(), LIST_LIMIT_MAX).await?;
            let jobs = by_job(&page.objects);
            for job in self.dead_jobs(&jobs).await? {
                // Looked at again just before: it may have been retried meanwhile.
                if self.store.jobs_final(&[job]).await?.get(&job) != Some(&false) {
                    removed += self.staging.delete_prefix(&names::job_prefix(job)).await?;
                }
                if !claim.holds().await {
                    return Ok(removed);
                }
            }
            if page.next.is_none() {
                break;
            }
            after = next_page(&page.objects).or(page.next);
            if !claim.holds().await {
                return Ok(removed);
            }
        }
        metrics::counter!("tourbus_sweep_objects_total").increment(removed);
        claim.release().await?;
        Ok(removed)
    }

    async fn dead_jobs(
        &self,
        jobs: &BTreeMap<JobId, SystemTime>,
    ) -> Result<Vec<JobId>, StoreError> {
        let ids: Vec<JobId> = jobs.keys().copied().collect();
        let known = self.store.jobs_final(&ids).await?;
        let now = SystemTime::now();
        let old = |newest| now.duration_since(newest).is_ok_and(|age| age > UNKNOWN_AGE_MIN);
        let dead = |(job, newest): (&JobId, &SystemTime)| {
            let dead = known.get(job).copied().unwrap_or_else(|| old(*newest));
            dead.then_some(*job)
        };
        Ok(jobs.iter().filter_map(dead).collect())
    }
}

/// The jobs of these objects, each with the time of its newest one here. Keys that are not ours
/// are left alone.
fn by_job(objects: &[Object]) -> BTreeMap<JobId, SystemTime> {
    let mut jobs = BTreeMap::new();
    for object in objects {
        if let Some(job) = names::job_of_key(&object.key) {
            let newest = jobs.entry(job).or_insert(object.modified);
            *newest = object.modified.max(*newest);
        }
    }
    jobs
}

/// Where to go on: behind the last job of the page, however many objects it has.
fn next_page(objects: &[Object]) -> Option<String> {
    let job = names::job_of_key(&objects.last()?.key)?;
    // '0' is the byte after '/'.
    Some(format!("{MOVES_PREFIX}{job}0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_behind_the_last_job() {
        let job = JobId::new();
        let key = |key| Object { key, bytes: 1, modified: SystemTime::UNIX_EPOCH };
        let page = [key("moves/other".to_owned()), key(format!("moves/{job}/chunks/1-000001"))];
        let after = next_page(&page).unwrap();
        assert!(after > format!("moves/{job}/segments/9-999999.json"));
        assert!(after < format!("moves/{job}1"));
        assert_eq!(by_job(&page).into_keys().collect::<Vec<_>>(), [job]);
    }
}
