//! Draining: everybody moves off.

use super::refused;
use crate::{
    api::moves::{self, Refused, RefusedReason},
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use tourbus_domain::ServerId;
use tourbus_store::{DrainAnswer, DrainPlan, DrainRequest};
use utoipa::ToSchema;
use uuid::Uuid;

/// How to empty a server.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainBody {
    /// Where its artists may go, spread by free disk and plays; left out or empty for every server
    /// that takes artists.
    pub target_server_ids: Vec<Uuid>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Why, for people to read; at most 500 characters.
    pub reason: String,
}

/// What one target gets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DrainShare {
    /// The target.
    pub server_id: Uuid,
    /// Artists.
    pub artists: u64,
    /// Size of their files.
    pub bytes: u64,
    /// Their plays in the last 30 days.
    pub plays_30d: u64,
}

impl From<DrainPlan> for DrainShare {
    fn from(plan: DrainPlan) -> Self {
        let DrainPlan { server, artists, bytes, plays_30d } = plan;
        Self { server_id: server.0, artists, bytes, plays_30d }
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DrainResult {
    /// The batch; null for a dry run, and when nobody was queued.
    pub batch_id: Option<Uuid>,
    /// Artists that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// Where to.
    pub plan: Vec<DrainShare>,
    /// Those that stay for now.
    pub refused: Vec<Refused>,
    /// The same, added up; the most frequent reason first.
    pub refused_reasons: Vec<RefusedReason>,
    /// Moves to this server that were called off.
    pub cancelled: u64,
}

/// Empties a server, or goes on with what could not leave before; the API's and the pages' way.
pub async fn drain(
    app: &App,
    actor: &Actor,
    id: ServerId,
    body: &DrainBody,
) -> Result<DrainResult, Problem> {
    actor.require(Right::Servers)?;
    let reason = moves::reason(&body.reason)?;
    let request = DrainRequest {
        by: actor.by(),
        server: id,
        targets: body.target_server_ids.iter().copied().map(ServerId).collect(),
        reason,
        dry_run: body.dry_run,
        disk_reserve_bytes: app.config.disk_reserve_bytes,
        offline_after_s: app.config.offline_after_s,
    };
    let drained = app.store.drain_server(&request).await?;
    told(app, drained.map_err(|e| refused(e, Some(id)))?).await
}

async fn told(app: &App, answer: DrainAnswer) -> Result<DrainResult, Problem> {
    let (refused, refused_reasons) =
        crate::api::moves::refusals(app, &answer.refused, "the other servers").await?;
    Ok(DrainResult {
        batch_id: answer.batch_id.map(|id| id.0),
        accepted: answer.accepted,
        plan: answer.plan.into_iter().map(Into::into).collect(),
        refused,
        refused_reasons,
        cancelled: answer.cancelled,
    })
}

/// What stopping has called off.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DrainStopResult {
    /// Moves that are being undone: these artists stay.
    pub cancelled: u64,
    /// Moves that had gone too far: these artists have left.
    pub too_late: u64,
}

/// Stops emptying a server; the API's and the pages' way.
pub async fn undrain(app: &App, actor: &Actor, id: ServerId) -> Result<DrainStopResult, Problem> {
    actor.require(Right::Servers)?;
    let stopped = app.store.undrain_server(&actor.by(), id).await?;
    let stopped = stopped.map_err(|e| refused(e, Some(id)))?;
    Ok(DrainStopResult { cancelled: stopped.cancelled, too_late: stopped.too_late })
}
