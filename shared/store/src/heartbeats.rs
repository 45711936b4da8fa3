//! Heartbeats: who is alive, and which tries are in somebody's hand.

use crate::{Store, StoreError, jobs_core::column, steps::step_key};
use sqlx::{FromRow, PgConnection, types::Json};
use std::collections::BTreeMap;
use tourbus_domain::{Epoch, JobId, Lane, Slug, StepRef};
use tourbus_protocol::{Heartbeat, Order};
use uuid::Uuid;

use crate::outbox::{self, NewOrder};

/// A heartbeat and who sent it.
#[derive(Debug, Clone)]
pub struct HeartbeatFrom {
    /// The server.
    pub server: Slug,
    /// The worker process.
    pub worker: String,
    /// What it says.
    pub beat: Heartbeat,
}

/// A try that a worker holds although it does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VoidTry {
    /// Whose worker.
    pub server: Slug,
    /// The try.
    pub step: StepRef,
    /// Tries of the job below this are void.
    pub floor: Epoch,
}

#[derive(FromRow)]
struct VoidRow {
    server_slug: String,
    job_id: Uuid,
    kind: String,
    seq: i32,
    epoch: i64,
    floor: i64,
}

/// A named try, as columns.
struct Named<'a> {
    server: &'a Slug,
    step: StepRef,
}

impl Store {
    /// Takes note of these heartbeats (of one worker, only the last counts), and returns the
    /// tries that they name but that are void. Heartbeats of unknown or deleted servers are passed
    /// over.
    pub async fn take_heartbeats(
        &self,
        beats: &[HeartbeatFrom],
    ) -> Result<Vec<VoidTry>, StoreError> {
        let last: BTreeMap<(&Slug, &str), &HeartbeatFrom> =
            beats.iter().map(|b| ((&b.server, b.worker.as_str()), b)).collect();
        let last: Vec<&HeartbeatFrom> = last.into_values().collect();
        let mut named: Vec<Named<'_>> = last
            .iter()
            .flat_map(|b| b.beat.running.iter().map(|s| Named { server: &b.server, step: *s }))
            .collect();
        named.sort_unstable_by_key(|n| n.step);
        let mut tx = self.pool().begin().await?;
        touch_servers(&mut tx, &last).await?;
        touch_workers(&mut tx, &last).await?;
        touch_steps(&mut tx, &named).await?;
        let void = find_void(&mut tx, &named).await?;
        tx.commit().await?;
        Ok(void)
    }

    /// Owes the servers of these tries the order to stop them.
    pub async fn void_tries(&self, tries: &[VoidTry]) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let now = sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
        let orders: Vec<NewOrder> = tries
            .iter()
            .map(|t| NewOrder {
                server: t.server.clone(),
                lane: Lane::Upkeep,
                job_id: t.step.job_id,
                key: t.step.key,
                epoch: t.step.epoch,
                floor: t.floor,
                order: Order::VoidV1,
                run_after: now,
            })
            .collect();
        outbox::owe(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn touch_servers(
    conn: &mut PgConnection,
    beats: &[&HeartbeatFrom],
) -> Result<(), StoreError> {
    let last: BTreeMap<&Slug, &HeartbeatFrom> = beats.iter().map(|b| (&b.server, *b)).collect();
    let rows: Vec<&HeartbeatFrom> = last.into_values().collect();
    let slugs = column(&rows, |b| b.server.as_str());
    sqlx::query(
        "SELECT FROM servers WHERE slug = ANY($1) AND deleted_at IS NULL \
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(&slugs)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE servers s SET last_seen_at = clock_timestamp(), free_bytes = u.free, \
             total_bytes = u.total, version = u.version \
         FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[]) \
             AS u(slug, free, total, version) WHERE s.slug = u.slug AND s.deleted_at IS NULL",
    )
    .bind(&slugs)
    .bind(column(&rows, |b| b.beat.free_bytes as i64))
    .bind(column(&rows, |b| b.beat.total_bytes as i64))
    .bind(column(&rows, |b| b.beat.version.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

async fn touch_workers(
    conn: &mut PgConnection,
    beats: &[&HeartbeatFrom],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO workers (server_id, name, version, pid, running, quarantine, trusts, \
             lofi_slots, limits_revision, limits_workers, lanes_generation, lanes_paused, last_seen_at) \
         SELECT s.id, u.name, u.version, u.pid, u.running, u.quarantine, \
             ARRAY(SELECT jsonb_array_elements_text(u.trusts)), u.lofi_slots, \
             u.limits_revision, u.limits_workers, u.lanes_generation, \
             CASE WHEN u.lanes_generation IS NOT NULL THEN ARRAY(SELECT l FROM \
                 jsonb_array_elements_text(u.lanes) l ORDER BY l) END, clock_timestamp() \
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::jsonb[], \
                 $7::jsonb[], $8::int[], $9::bigint[], $10::int[], $11::bigint[], $12::jsonb[]) \
             AS u(slug, name, version, pid, running, quarantine, trusts, lofi_slots, limits_revision, \
                 limits_workers, lanes_generation, lanes) \
             JOIN servers s ON s.slug = u.slug AND s.deleted_at IS NULL \
         ORDER BY s.id, u.name \
         ON CONFLICT (server_id, name) DO UPDATE SET version = EXCLUDED.version, \
             pid = EXCLUDED.pid, running = EXCLUDED.running, \
             quarantine = EXCLUDED.quarantine, trusts = EXCLUDED.trusts, \
             lofi_slots = EXCLUDED.lofi_slots, \
             limits_revision = EXCLUDED.limits_revision, \
             limits_workers = EXCLUDED.limits_workers, \
             lanes_generation = EXCLUDED.lanes_generation, \
             lanes_paused = EXCLUDED.lanes_paused, \
             last_seen_at = EXCLUDED.last_seen_at",
    )
    .bind(column(beats, |b| b.server.as_str()))
    .bind(column(beats, |b| b.worker.as_str()))
    .bind(column(beats, |b| b.beat.version.as_str()))
    .bind(column(beats, |b| b.beat.pid as i32))
    .bind(column(beats, |b| b.beat.running.len() as i32))
    .bind(column(beats, |b| b.beat.quarantine.as_ref().map(Json)))
    .bind(column(beats, |b| Json(&b.beat.trusts)))
    .bind(column(beats, |b| i32::from(b.beat.lofi_slots)))
    .bind(column(beats, |b| b.beat.limits.map(|l| l.revision as i64)))
    .bind(column(beats, |b| b.beat.limits.map(|l| l.workers as i32)))
    .bind(column(beats, |b| b.beat.lanes.as_ref().map(|l| l.generation.cast_signed())))
    .bind(column(beats, |b| Json(b.beat.lanes.clone().unwrap_or_default().paused)))
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks the named live tries as seen. Rows that are locked are being written by their job's
/// transaction at this moment: they are alive, and passing them by rules out deadlocks.
async fn touch_steps(conn: &mut PgConnection, named: &[Named<'_>]) -> Result<(), StoreError> {
    if named.is_empty() {
        return Ok(());
    }
    let rows: Vec<&Named<'_>> = named.iter().collect();
    sqlx::query(
        "WITH seen AS ( \
             SELECT s.job_id, s.kind, s.seq FROM steps s \
             JOIN UNNEST($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[]) \
                 AS u(job, kind, seq, epoch, slug) \
                 ON s.job_id = u.job AND s.kind = u.kind AND s.seq = u.seq AND s.epoch = u.epoch \
             JOIN servers v ON v.id = s.server_id AND v.slug = u.slug \
             WHERE s.state IN ('sent', 'running') \
             ORDER BY s.job_id, s.kind, s.seq FOR NO KEY UPDATE OF s SKIP LOCKED) \
         UPDATE steps s SET seen_at = clock_timestamp() FROM seen \
         WHERE s.job_id = seen.job_id AND s.kind = seen.kind AND s.seq = seen.seq",
    )
    .bind(column(&rows, |n| n.step.job_id.0))
    .bind(column(&rows, |n| n.step.key.kind.as_str()))
    .bind(column(&rows, |n| n.step.key.seq as i32))
    .bind(column(&rows, |n| n.step.epoch as i64))
    .bind(column(&rows, |n| n.server.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

/// The named tries that count no more. One that is done is not among them: its worker is just
/// about to forget it.
async fn find_void(
    conn: &mut PgConnection,
    named: &[Named<'_>],
) -> Result<Vec<VoidTry>, StoreError> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&Named<'_>> = named.iter().collect();
    let found: Vec<VoidRow> = sqlx::query_as(
        "SELECT u.slug AS server_slug, u.job AS job_id, u.kind, u.seq, u.epoch, \
             COALESCE(j.floor, 0) AS floor \
         FROM UNNEST($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[]) \
             AS u(job, kind, seq, epoch, slug) \
         JOIN servers v ON v.slug = u.slug AND v.deleted_at IS NULL \
         LEFT JOIN jobs j ON j.id = u.job \
         LEFT JOIN steps s ON s.job_id = u.job AND s.kind = u.kind AND s.seq = u.seq \
         WHERE s.epoch IS DISTINCT FROM u.epoch OR s.state = 'void' OR s.server_id <> v.id",
    )
    .bind(column(&rows, |n| n.step.job_id.0))
    .bind(column(&rows, |n| n.step.key.kind.as_str()))
    .bind(column(&rows, |n| n.step.key.seq as i32))
    .bind(column(&rows, |n| n.step.epoch as i64))
    .bind(column(&rows, |n| n.server.as_str()))
    .fetch_all(conn)
    .await?;
    let void = |row: VoidRow| {
        Ok(VoidTry {
            server: row.server_slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
            step: StepRef {
                job_id: JobId(row.job_id),
                key: step_key(&row.kind, row.seq)?,
                epoch: row.epoch as u64,
            },
            floor: row.floor as u64,
        })
    };
    found.into_iter().map(void).collect()
}
