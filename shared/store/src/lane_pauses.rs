//! Lanes that a person has paused. The rows are the truth; the server's workers are told, and
//! told again when what they report differs.

use crate::{
    Action, By, Deed, Store, StoreError, audit,
    outbox::{self, NewOrder},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use std::time::Duration;
use tourbus_domain::{JobId, Lane, ServerId, StepKey, StepKind};
use tourbus_protocol::Order;
use uuid::Uuid;

/// A worker that has not reported for this long, in seconds, is not told again: the first order
/// stands on its lane.
const REPORTS_WITHIN_S: f64 = 30.0;

/// A paused lane.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LanePauseRow {
    /// Whose lane.
    pub server_id: Uuid,
    /// That server's slug.
    pub server_slug: String,
    /// That server's name for people.
    pub server_name: String,
    /// Which lane.
    pub lane: String,
    /// Why, in the person's words; may be empty.
    pub reason: String,
    /// Who: an email address.
    pub paused_by: String,
    /// Since when.
    pub paused_at: DateTime<Utc>,
    /// Workers of that server that have reported lately.
    pub workers: i64,
    /// Those of them that take nothing from it, by their own report.
    pub workers_paused: i64,
}

/// What came of pausing or resuming a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneChanged {
    /// It is so from now on.
    Changed,
    /// It was so already.
    AsItWas,
    /// There is no such server, or it was deleted.
    NoServer,
}

#[derive(FromRow)]
struct Disagreeing {
    id: Uuid,
    /// The highest generation that a worker reports.
    reported: i64,
}

impl Store {
    /// Pauses a lane: the server's workers finish what they hold of it, and take no more. A lane
    /// that is paused already keeps its reason and its person.
    pub async fn pause_lane(
        &self,
        server: ServerId,
        lane: Lane,
        reason: &str,
        by: &By,
    ) -> Result<LaneChanged, StoreError> {
        let mut tx = self.pool().begin().await?;
        if !lock_server(&mut tx, server).await? {
            return Ok(LaneChanged::NoServer);
        }
        let inserted = sqlx::query(
            "INSERT INTO lane_pauses (server_id, lane, reason, paused_by) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(server.0)
        .bind(lane.as_str())
        .bind(reason)
        .bind(&by.actor)
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(LaneChanged::AsItWas);
        }
        tell(&mut tx, server.0, 0).await?;
        let deed = Deed::done(by, Action::LanePause, format!("server:{server}")).reason(reason);
        audit::record(&mut tx, &[deed.detail(json!({ "lane": lane.as_str() }))]).await?;
        tx.commit().await?;
        Ok(LaneChanged::Changed)
    }

    /// Resumes a lane: the server's workers take from it again.
    pub async fn resume_lane(
        &self,
        server: ServerId,
        lane: Lane,
        by: &By,
    ) -> Result<LaneChanged, StoreError> {
        let mut tx = self.pool().begin().await?;
        if !lock_server(&mut tx, server).await? {
            return Ok(LaneChanged::NoServer);
        }
        let deleted = sqlx::query("DELETE FROM lane_pauses WHERE server_id = $1 AND lane = $2")
            .bind(server.0)
            .bind(lane.as_str())
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(LaneChanged::AsItWas);
        }
        tell(&mut tx, server.0, 0).await?;
        let deed = Deed::done(by, Action::LaneResume, format!("server:{server}"));
        audit::record(&mut tx, &[deed.detail(json!({ "lane": lane.as_str() }))]).await?;
        tx.commit().await?;
        Ok(LaneChanged::Changed)
    }

    /// Every paused lane, the longest paused first.
    pub async fn lane_pauses(&self) -> Result<Vec<LanePauseRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT p.server_id, s.slug AS server_slug, s.name AS server_name, p.lane, p.reason, \
                 p.paused_by, p.paused_at, count(w.name) AS workers, \
                 count(w.name) FILTER (WHERE p.lane = ANY(w.lanes_paused)) AS workers_paused \
             FROM lane_pauses p JOIN servers s ON s.id = p.server_id AND s.deleted_at IS NULL \
             LEFT JOIN workers w ON w.server_id = p.server_id \
                 AND w.last_seen_at > now() - $1 * interval '1 s' \
             GROUP BY p.server_id, p.lane, s.slug, s.name ORDER BY p.paused_at, s.slug, p.lane",
        )
        .bind(REPORTS_WITHIN_S)
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Tells the servers again of whose workers one reports other paused lanes than there are, but
    /// those in `not` no more often than their caller allows. Returns them; for the coordinator.
    pub async fn tell_lanes_again(
        &self,
        not: &[ServerId],
        settled: Duration,
    ) -> Result<Vec<ServerId>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let not: Vec<Uuid> = not.iter().map(|id| id.0).collect();
        // What was changed a moment ago is on its way still.
        let rows: Vec<Disagreeing> = sqlx::query_as(
            "SELECT s.id, max(w.lanes_generation) AS reported \
             FROM servers s JOIN workers w ON w.server_id = s.id \
             WHERE s.deleted_at IS NULL AND s.id <> ALL($1) AND w.lanes_paused IS NOT NULL \
                 AND w.last_seen_at > now() - $2 * interval '1 s' \
                 AND NOT EXISTS (SELECT FROM outbox o WHERE o.server_slug = s.slug \
                     AND o.lane = 'control') \
                 AND NOT EXISTS (SELECT FROM lane_pauses p WHERE p.server_id = s.id \
                     AND p.paused_at > now() - $3 * interval '1 s') \
                 AND w.lanes_paused IS DISTINCT FROM ARRAY(SELECT p.lane FROM lane_pauses p \
                     WHERE p.server_id = s.id ORDER BY p.lane) \
             GROUP BY s.id ORDER BY s.id",
        )
        .bind(&not)
        .bind(REPORTS_WITHIN_S)
        .bind(settled.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
        let mut told = Vec::with_capacity(rows.len());
        for Disagreeing { id, reported } in rows {
            if lock_server(&mut tx, ServerId(id)).await? {
                tell(&mut tx, id, reported).await?;
                told.push(ServerId(id));
            }
        }
        tx.commit().await?;
        Ok(told)
    }
}

/// Locks a server's row, if there is such a server.
async fn lock_server(conn: &mut PgConnection, id: ServerId) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM servers WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE";
    let found: Option<Uuid> = sqlx::query_scalar(sql).bind(id.0).fetch_optional(conn).await?;
    Ok(found.is_some())
}

/// Owes a server the order that names all of its paused lanes, with a generation above `reported`.
async fn tell(conn: &mut PgConnection, server: Uuid, reported: i64) -> Result<(), StoreError> {
    let (slug, generation, now): (String, i64, DateTime<Utc>) = sqlx::query_as(
        "UPDATE servers SET lanes_generation = greatest(lanes_generation, $2) + 1 WHERE id = $1 \
         RETURNING slug, lanes_generation, now()",
    )
    .bind(server)
    .bind(reported)
    .fetch_one(&mut *conn)
    .await?;
    let sql = "SELECT lane FROM lane_pauses WHERE server_id = $1 ORDER BY lane";
    let lanes: Vec<String> = sqlx::query_scalar(sql).bind(server).fetch_all(&mut *conn).await?;
    let paused = lanes
        .iter()
        .map(|lane| lane.parse().map_err(|e| StoreError::undecodable("lane_pauses", e)))
        .collect::<Result<Vec<Lane>, _>>()?;
    let order = NewOrder {
        server: slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
        lane: Lane::Control,
        // No job's: the order is to the server itself.
        job_id: JobId::new(),
        key: StepKey { kind: StepKind::Export, seq: 0 },
        epoch: 0,
        floor: 0,
        order: Order::LanesV1 { generation: generation.unsigned_abs(), paused },
        run_after: now,
    };
    outbox::owe(conn, &[order]).await
}
