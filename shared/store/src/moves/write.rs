//! Writing an admitted request: batch, jobs, steps, outbox, refusals, holds.

use super::admit::{Admitted, Verdict};
use crate::{
    Action, By, Deed, StoreError, audit,
    jobs_core::{self, column},
    notify,
    outbox::{self, NewOrder},
    steps,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use tourbus_domain::job::Context;
use tourbus_domain::{BatchId, Job, JobId, MoveSettings, ServerId, Step, Totals};
use tourbus_protocol::Order;

/// What a batch is about.
pub(crate) struct Wish<'a> {
    pub(crate) by: &'a By,
    pub(crate) reason: &'a str,
    pub(crate) express: bool,
    /// Where all of it goes; none if it goes to several servers.
    pub(crate) target: Option<ServerId>,
    /// The server that it empties.
    pub(crate) drains: Option<ServerId>,
}

/// Writes everything; the caller commits.
pub(crate) async fn all(
    conn: &mut PgConnection,
    wish: &Wish<'_>,
    verdict: &Verdict,
    now: DateTime<Utc>,
) -> Result<BatchId, StoreError> {
    let batch_id = BatchId::new();
    // Nothing that the settings steer happens at the first try of an export.
    let ctx = Context { now, unit: 0.0, settings: MoveSettings::default() };
    let jobs: Vec<(Job, &Admitted)> = verdict
        .accepted
        .iter()
        .map(|a| {
            let totals = Totals { files: 0, bytes: a.bytes };
            let (id, from, to) = (JobId::new(), a.source_id, a.target_id);
            let (job, _) = Job::new(id, a.artist.id, from, to, totals, wish.express, &ctx);
            (job, a)
        })
        .collect();
    insert_batch(conn, batch_id, wish, &jobs).await?;
    let rows: Vec<&Job> = jobs.iter().map(|(j, _)| j).collect();
    jobs_core::insert(conn, Some(batch_id), &rows, &json!({})).await?;
    let first: Vec<(JobId, &Step)> =
        jobs.iter().flat_map(|(j, _)| j.steps.values().map(move |s| (j.id, s))).collect();
    steps::insert(conn, &first).await?;
    let orders: Vec<NewOrder> = jobs.iter().flat_map(|(j, a)| orders(j, a)).collect();
    outbox::owe(conn, &orders).await?;
    hold(conn, &rows).await?;
    insert_refusals(conn, batch_id, verdict).await?;
    deed(conn, batch_id, wish, verdict).await?;
    notify::changed(conn, &[], &[batch_id.0]).await?;
    Ok(batch_id)
}

fn orders(job: &Job, admitted: &Admitted) -> impl Iterator<Item = NewOrder> {
    job.steps.values().map(|step| NewOrder {
        server: admitted.source_slug.clone(),
        lane: step.lane,
        job_id: job.id,
        key: step.key,
        epoch: step.epoch,
        floor: job.floor,
        order: Order::ExportV1 { artist: admitted.artist.clone() },
        run_after: step.run_after,
    })
}

async fn insert_batch(
    conn: &mut PgConnection,
    id: BatchId,
    wish: &Wish<'_>,
    jobs: &[(Job, &Admitted)],
) -> Result<(), StoreError> {
    let bytes: u64 = jobs.iter().map(|(j, _)| j.totals.bytes).sum();
    sqlx::query(
        "INSERT INTO batches (id, kind, target_server_id, drains_server_id, account_id, \
             requested_by, reason, jobs_total, jobs_queued, bytes_total) \
         VALUES ($1, 'move', $2, $3, $4, $5, $6, $7, $7, $8)",
    )
    .bind(id.0)
    .bind(wish.target.map(|t| t.0))
    .bind(wish.drains.map(|d| d.0))
    .bind(wish.by.account_id)
    .bind(&wish.by.actor)
    .bind(wish.reason)
    .bind(jobs.len() as i32)
    .bind(bytes as i64)
    .execute(conn)
    .await?;
    Ok(())
}

/// From here on the artists are held by their jobs.
async fn hold(conn: &mut PgConnection, rows: &[&Job]) -> Result<(), StoreError> {
    let held = sqlx::query(
        "UPDATE artists a SET operating_job_id = u.job \
         FROM UNNEST($1::uuid[], $2::uuid[]) AS u(artist, job) \
         WHERE a.id = u.artist AND a.operating_job_id IS NULL",
    )
    .bind(column(rows, |j| j.artist_id.0))
    .bind(column(rows, |j| j.id.0))
    .execute(conn)
    .await?
    .rows_affected();
    if held == rows.len() as u64 {
        return Ok(());
    }
    let message = format!("{} jobs hold {held} artists", rows.len());
    Err(StoreError::Undecodable { table: "artists", message })
}

async fn insert_refusals(
    conn: &mut PgConnection,
    batch: BatchId,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    if verdict.refused.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = verdict.refused.iter().collect();
    sqlx::query(
        "INSERT INTO refusals (batch_id, artist_id, reason) \
         SELECT $1, * FROM UNNEST($2::uuid[], $3::text[])",
    )
    .bind(batch.0)
    .bind(column(&rows, |(artist, _)| artist.0))
    .bind(column(&rows, |(_, refusal)| refusal.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn deed(
    conn: &mut PgConnection,
    batch: BatchId,
    wish: &Wish<'_>,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    let detail = json!({
        "target_server_id": wish.target,
        "drains_server_id": wish.drains,
        "accepted": verdict.accepted.len(),
        "refused": verdict.refused.len(),
        "express": wish.express,
    });
    let deed = Deed::done(wish.by, Action::MoveQueue, format!("batch:{batch}"))
        .reason(wish.reason)
        .detail(detail);
    audit::record(conn, &[deed]).await
}
