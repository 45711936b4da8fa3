//! Following a batch until it ends: by the master's events, and by looking now and then.

mod bars;
mod words;

use crate::{
    Ended,
    client::{self, Api},
    error::CliError,
    events::{Events, Told},
    names,
    screen::{self, Screen},
    view::{Batch, Failure, Finding, Job, Page},
};
use bars::Progress;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tourbus_domain::JobState;
use uuid::Uuid;

pub use words::Words;

/// Without an event for this long the batch is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pause before the master is asked again that did not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// So long it may be away: it is restarted, or its database is.
const AWAY_MAX: Duration = Duration::from_secs(300);
/// Jobs at work that are asked for.
const AT_WORK_MAX: u32 = 20;
/// Findings that are told.
const FINDINGS_MAX: u32 = 10;
/// Failed jobs that are told.
const FAILED_MAX: u32 = 10;

/// Follows a batch to its end, and says what came of it.
pub async fn to_its_end(screen: &Screen, batch: Uuid) -> Result<Ended, CliError> {
    let value = follow(&screen.api, batch).await?;
    let ended: Batch = client::read(value.clone())?;
    if screen.json {
        screen::print_json(&value)?;
    } else {
        screen::print(&format!("{}\n", words::summary(&ended)))?;
        tell_failures(screen, &ended).await?;
    }
    let sound = ended.kind != "verify" || tell_findings(screen, &ended).await?;
    Ok(Ended::well_if(ended.is_well() && sound))
}

/// What the readings of a batch have found. Whether that is nothing.
async fn tell_findings(screen: &Screen, batch: &Batch) -> Result<bool, CliError> {
    let of_batch = [("batch_id", Some(batch.id.to_string()))];
    let page = screen.api.pages("/verify/findings", &of_batch, Some(FINDINGS_MAX + 1)).await?;
    let found: Vec<Finding> = client::read::<Page<Finding>>(page)?.items;
    for one in found.iter().take(FINDINGS_MAX as usize) {
        screen.beside(&format!(
            "  {}: {} ({}): {}",
            one.artist_name, one.path, one.kind, one.meaning
        ));
    }
    if found.len() > FINDINGS_MAX as usize {
        screen.beside("  …");
    }
    if !found.is_empty() {
        screen.beside("Not all files are as they should be: see `tourbus verify findings`.");
    }
    Ok(found.is_empty())
}

async fn tell_failures(screen: &Screen, batch: &Batch) -> Result<(), CliError> {
    if batch.jobs_failed == 0 {
        return Ok(());
    }
    let query =
        [("batch_id", Some(batch.id.to_string())), ("state", Some("failed,stuck".to_owned()))];
    let failed: Page<Job> =
        client::read(screen.api.pages("/jobs", &query, Some(FAILED_MAX)).await?)?;
    for job in &failed.items {
        let why = job.error.as_ref().map(Failure::of).unwrap_or_default();
        screen.beside(&format!("  {} ({}): {}", job.subject(), job.id, why.told()));
    }
    if failed.next_cursor.is_some() {
        screen.beside("  …");
    }
    screen.beside(&format!(
        "When the cause is mended: tourbus batches retry {}",
        names::short(batch.id)
    ));
    Ok(())
}

/// The states in which somebody works on a job.
fn at_work() -> String {
    let works = |s: &JobState| !s.is_final() && *s != JobState::Queued;
    let states: Vec<&str> = JobState::ALL.iter().filter(|s| works(s)).map(|s| s.as_str()).collect();
    states.join(",")
}

async fn look(api: &Api, batch: Uuid) -> Result<(Value, Vec<Job>), CliError> {
    let value = api.get(&format!("/batches/{batch}")).await?;
    let query = [("batch_id", Some(batch.to_string())), ("state", Some(at_work()))];
    let jobs: Page<Job> = client::read(api.pages("/jobs", &query, Some(AT_WORK_MAX)).await?)?;
    Ok((value, jobs.items))
}

/// The batch as it is when it has ended.
async fn follow(api: &Api, batch: Uuid) -> Result<Value, CliError> {
    let mut events = Events::new(batch);
    // The first look must go well: a batch that is not there does not come.
    let (mut value, jobs) = look(api, batch).await?;
    let mut progress = Progress::new();
    progress.jobs(jobs);
    let mut away_since: Option<Instant> = None;
    loop {
        let seen: Batch = client::read(value.clone())?;
        progress.show(&seen);
        if seen.finished_at.is_some() {
            progress.end();
            return Ok(value);
        }
        let told = match timeout(LOOK_EVERY, events.next(api)).await {
            Ok(Ok(Told::Change(change))) => change_of(change).map(|seen| (seen, false)),
            // Missed something, or nothing was said for a while.
            Ok(Ok(Told::Resync)) | Err(_) => look(api, batch).await.map(|seen| (seen, true)),
            Ok(Err(error)) => Err(error),
        };
        match told {
            Ok(((new, jobs), all)) => {
                away_since = None;
                value = new;
                if all { progress.jobs_are(jobs) } else { progress.jobs(jobs) }
            }
            Err(error) if error.passes() => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() > AWAY_MAX {
                    progress.end();
                    return Err(error);
                }
                progress.away(&error);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            Err(error) => {
                progress.end();
                return Err(error);
            }
        }
    }
}

fn change_of(mut change: Value) -> Result<(Value, Vec<Job>), CliError> {
    let jobs = client::read(change["jobs"].take())?;
    Ok((change["batch"].take(), jobs))
}
