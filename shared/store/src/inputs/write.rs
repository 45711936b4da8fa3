//! Writing a transaction's changes, in bulk.

use super::apply::{Note, Touched, Work};
use crate::{
    Deed, StoreError, audit,
    jobs_core::{self, Ground, Held, Lap, column},
    notify, outbox, reports, steps,
    tally::Tally,
    verify,
    webhooks::tell,
};
use sqlx::{PgConnection, types::Json};
use tourbus_domain::{JobId, Step};
use uuid::Uuid;

/// Writes everything; the caller commits.
pub(super) async fn all(
    conn: &mut PgConnection,
    work: &mut Work<'_>,
    ground: &Ground,
) -> Result<Vec<Lap>, StoreError> {
    tracing::trace!(jobs = work.touched.len(), now = %ground.now, settings = ?work.settings(), "inputs.write");
    let orders: Vec<_> =
        work.touched.iter_mut().flat_map(|t| std::mem::take(&mut t.orders)).collect();
    artists_and_timeline(conn, work).await?;
    let begun_anew: Vec<Uuid> = work
        .touched
        .iter()
        .filter(|t| t.held.before.steps.keys().any(|k| !t.held.job.steps.contains_key(k)))
        .map(|t| t.held.job.id.0)
        .collect();
    steps::forget(conn, &begun_anew).await?;
    let changed: Vec<(JobId, &Step)> =
        work.touched.iter().flat_map(|t| changed_steps(t, &begun_anew)).collect();
    steps::save(conn, &changed).await?;
    let began = work
        .touched
        .iter()
        .flat_map(|t| t.began.iter().map(|(step, worker)| (t.held.job.id, *step, worker.as_str())));
    steps::note_workers(conn, &began.collect::<Vec<_>>()).await?;
    outbox::owe(conn, &orders).await?;
    let reports = work.touched.iter().filter_map(|t| {
        let report = t.report.as_ref()?;
        Some(verify::Told { held: &t.held, report })
    });
    verify::record(conn, &reports.collect::<Vec<_>>()).await?;
    let held: Vec<Held> = std::mem::take(&mut work.touched).into_iter().map(|t| t.held).collect();
    let (jobs, laps) = jobs_core::save(conn, &held).await?;
    reports::owe(conn, &held).await?;
    tell::stuck(conn, &held).await?;
    let mut tally = Tally::default();
    for one in &held {
        tally.count(one);
    }
    let batches = tally.save(conn).await?;
    notify::changed(conn, &jobs, &batches).await?;
    Ok(laps)
}

async fn artists_and_timeline(conn: &mut PgConnection, work: &Work<'_>) -> Result<(), StoreError> {
    super::artists::write(conn, work).await?;
    let notes: Vec<(Uuid, &Note)> = work
        .touched
        .iter()
        .flat_map(|t| t.notes.iter().map(move |n| (t.held.job.id.0, n)))
        .collect();
    timeline(conn, &notes).await?;
    deeds(conn, &notes).await
}

fn changed_steps<'a>(touched: &'a Touched, anew: &[Uuid]) -> Vec<(JobId, &'a Step)> {
    let (job, before) = (&touched.held.job, &touched.held.before);
    let anew = anew.contains(&job.id.0);
    job.steps
        .values()
        .filter(|step| anew || before.steps.get(&step.key) != Some(*step))
        .map(|step| (job.id, step))
        .collect()
}

async fn timeline(conn: &mut PgConnection, notes: &[(Uuid, &Note)]) -> Result<(), StoreError> {
    if notes.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = notes.iter().collect();
    sqlx::query(
        "INSERT INTO job_events (job_id, name, detail) \
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::jsonb[])",
    )
    .bind(column(&rows, |(job, _)| *job))
    .bind(column(&rows, |(_, note)| note.name))
    .bind(column(&rows, |(_, note)| Json(&note.detail)))
    .execute(conn)
    .await?;
    Ok(())
}

/// What people asked for.
async fn deeds(conn: &mut PgConnection, notes: &[(Uuid, &Note)]) -> Result<(), StoreError> {
    let deed = |(job, note): &(Uuid, &Note)| {
        let (by, action) = note.audit.as_ref()?;
        Some(Deed::done(by, *action, format!("job:{job}")))
    };
    audit::record(conn, &notes.iter().filter_map(deed).collect::<Vec<_>>()).await
}
