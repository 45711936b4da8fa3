//! Asking the same of many jobs at once: by their ids, or by what a list shows.

use super::list::{JobQuery, NewestCursor, matching};
use crate::{
    Action, By, Deed, InputError, JOBS_PER_TRANSACTION_MAX, Store, StoreError, Teller, Told,
};
use chrono::Utc;
use serde_json::{Value, json};
use tourbus_domain::{Input, JobId, JobState, MoveSettings};

/// Jobs that one request walks at most: what is left is told, and can be asked for again.
pub const JOBS_PER_ASK_MAX: usize = 10_000;

/// What can be asked of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAsk {
    /// Undo them.
    Cancel,
    /// Try them again.
    Retry,
    /// Let them overtake the backlog.
    Express,
}

impl JobAsk {
    /// The states in which it makes sense, of those that are asked for. Without any, a retry
    /// leaves alone what somebody has cancelled.
    pub fn states(self, asked: &[JobState]) -> Vec<JobState> {
        use JobState as S;
        let sensible: &[S] = match self {
            Self::Cancel => &[S::Queued, S::Running, S::Copying, S::Syncing, S::Cutover],
            Self::Retry if asked.is_empty() => &[S::Failed, S::Stuck],
            Self::Retry => &[S::Failed, S::Stuck, S::Cancelled],
            Self::Express => &[S::Queued],
        };
        let wanted = |state: &&S| asked.is_empty() || asked.contains(state);
        sensible.iter().filter(wanted).copied().collect()
    }

    const fn input(self) -> Input {
        match self {
            Self::Cancel => Input::Cancel,
            Self::Retry => Input::Retry,
            Self::Express => Input::Express,
        }
    }

    const fn action(self) -> Action {
        match self {
            Self::Cancel => Action::JobCancel,
            Self::Retry => Action::JobRetry,
            Self::Express => Action::JobExpress,
        }
    }
}

/// Which jobs.
#[derive(Debug, Clone)]
pub enum JobsWhich {
    /// These.
    Ids(Vec<JobId>),
    /// All that fit and of which it can be asked. Page and limit mean nothing.
    Fitting(Box<JobQuery>),
}

/// What came of asking.
#[derive(Debug, Clone, Default)]
pub struct JobsAsked {
    /// Each job, in the order in which it was asked: whether it has changed, or why not.
    pub jobs: Vec<(JobId, Result<bool, InputError>)>,
    /// There are more than [`JOBS_PER_ASK_MAX`]: ask again.
    pub more: bool,
}

impl Store {
    /// How many jobs fit of which this can be asked; counted up to `max`.
    pub async fn count_jobs_for(
        &self,
        what: JobAsk,
        query: &JobQuery,
        max: u32,
    ) -> Result<u64, StoreError> {
        let states = what.states(&query.states);
        if states.is_empty() {
            return Ok(0);
        }
        let query = JobQuery { states, after: None, limit: max, ..query.clone() };
        let mut sql = matching(&query, &self.whose(&query).await?, "count(*)");
        let count: i64 = sql.build_query_scalar().persistent(false).fetch_one(self.pool()).await?;
        Ok(count.unsigned_abs())
    }

    /// Asks this of all of these jobs, a few hundred in each transaction. One that refuses leaves
    /// the others alone. When the database goes away half-way, what was done is done; asking again
    /// is harmless.
    pub async fn ask_jobs(
        &self,
        what: JobAsk,
        which: &JobsWhich,
        by: &By,
        note: Value,
    ) -> Result<JobsAsked, StoreError> {
        let mut asked = JobsAsked::default();
        let walked = self.walk(what, which, by, &mut asked).await;
        // Also of one that broke off: what was done is done.
        let done = asked.jobs.iter().filter(|(_, o)| matches!(o, Ok(true))).count();
        let refused = asked.jobs.iter().filter(|(_, o)| o.is_err()).count();
        let detail = json!({ "which": note, "done": done, "refused": refused });
        let recorded = self.record(&[Deed::done(by, what.action(), "job").detail(detail)]).await;
        walked?;
        recorded?;
        Ok(asked)
    }

    async fn walk(
        &self,
        what: JobAsk,
        which: &JobsWhich,
        by: &By,
        asked: &mut JobsAsked,
    ) -> Result<(), StoreError> {
        match which {
            JobsWhich::Ids(ids) => {
                for chunk in ids.chunks(JOBS_PER_TRANSACTION_MAX) {
                    self.ask_chunk(what, chunk, by, asked).await?;
                }
                Ok(())
            }
            JobsWhich::Fitting(query) => self.ask_fitting(what, query, by, asked).await,
        }
    }

    async fn ask_fitting(
        &self,
        what: JobAsk,
        query: &JobQuery,
        by: &By,
        asked: &mut JobsAsked,
    ) -> Result<(), StoreError> {
        let states = what.states(&query.states);
        if states.is_empty() {
            return Ok(());
        }
        // What is queued from now on was not meant.
        let now = Utc::now();
        let until = Some(query.until.map_or(now, |until| until.min(now)));
        let limit = u32::try_from(JOBS_PER_TRANSACTION_MAX).unwrap_or(u32::MAX);
        let mut page = JobQuery { states, until, after: None, limit, ..query.clone() };
        let whose = self.whose(&page).await?;
        loop {
            let mut sql = matching(&page, &whose, "m.created_at, m.id");
            let rows: Vec<NewestCursor> =
                sql.build_query_as().persistent(false).fetch_all(self.pool()).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            if asked.jobs.len() >= JOBS_PER_ASK_MAX {
                asked.more = true;
                return Ok(());
            }
            page.after = Some(*last);
            let ids: Vec<JobId> = rows.iter().map(|r| JobId(r.id)).collect();
            self.ask_chunk(what, &ids, by, asked).await?;
        }
    }

    async fn ask_chunk(
        &self,
        what: JobAsk,
        ids: &[JobId],
        by: &By,
        asked: &mut JobsAsked,
    ) -> Result<(), StoreError> {
        let tell = |ids: &[JobId], input: &Input| -> Vec<Told> {
            let by = || Teller::OneOfMany(by.clone());
            ids.iter().map(|id| Told { job_id: *id, input: input.clone(), by: by() }).collect()
        };
        // None of the settings has a part in what these inputs send.
        let settings = MoveSettings::default();
        let outcomes = self.apply_inputs(&tell(ids, &what.input()), &settings).await?;
        let pairs = ids.iter().copied().zip(outcomes);
        asked.jobs.extend(pairs.map(|(id, o)| (id, o.map(|outcome| !outcome.ignored))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_only_where_it_makes_sense() {
        use JobState as S;
        assert_eq!(JobAsk::Retry.states(&[]), [S::Failed, S::Stuck]);
        assert_eq!(JobAsk::Retry.states(&[S::Cancelled, S::Succeeded]), [S::Cancelled]);
        assert_eq!(JobAsk::Express.states(&[S::Failed]), []);
        assert!(!JobAsk::Cancel.states(&[]).contains(&S::Retiring));
    }
}
