//! `/balance/watch`: who looks at the balance while nobody does.

use crate::{
    app::App,
    auth::{Actor, Right},
    extract::Body,
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_store::{BalanceWatchRow, WatchEvery};
use utoipa::ToSchema;
use uuid::Uuid;

/// The watch over the balance, and what it found last.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BalanceWatch)]
pub struct WatchView {
    /// How often it looks: `off`, `hourly` or `daily`.
    pub every: String,
    /// How far a server may be from its share of the plays, as a part of that share.
    pub tolerance: f64,
    /// When it last looked.
    pub last_run_at: Option<DateTime<Utc>>,
    /// The server that was the furthest from its share then; null if none has a share.
    pub worst_server_id: Option<Uuid>,
    /// What people call it.
    pub worst_server: Option<String>,
    /// How far it was, as a part of its share; negative below it.
    pub worst_off: Option<f64>,
    /// Looks in a row that found the cluster out of balance; two of them alert.
    pub out_runs: i32,
    /// Since when it alerts; null while it does not.
    pub alert_since: Option<DateTime<Utc>>,
    /// Whether it has not looked for twice as long as it should: then nobody knows.
    pub silent: bool,
    /// Whether somebody has asked for a look that has not come yet.
    pub wanted: bool,
}

impl From<BalanceWatchRow> for WatchView {
    fn from(row: BalanceWatchRow) -> Self {
        Self {
            every: row.every,
            tolerance: row.tolerance,
            last_run_at: row.run_at,
            worst_server_id: row.worst_server_id,
            worst_server: row.worst_server,
            worst_off: row.worst_off,
            out_runs: row.out_runs,
            alert_since: row.alert_since,
            silent: row.silent,
            wanted: row.wanted,
        }
    }
}

/// What becomes different; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchPatch {
    /// How often it looks: `off`, `hourly` or `daily`.
    pub every: Option<String>,
    /// How far a server may be from its share, as a part of that share: 0.01 to 1.
    pub tolerance: Option<f64>,
}

/// The watch; the API's and the pages' way.
pub async fn read(app: &App) -> Result<WatchView, Problem> {
    Ok(app.store.balance_watch().await?.into())
}

/// Changes it; the API's and the pages' way.
pub async fn change(app: &App, actor: &Actor, patch: &WatchPatch) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    let (every, tolerance) = checked(patch)?;
    Ok(app.store.change_balance_watch(&actor.by(), every, tolerance).await?)
}

fn checked(patch: &WatchPatch) -> Result<(Option<WatchEvery>, Option<f64>), Problem> {
    let every = patch.every.as_deref().map(|name| {
        let shown: String = name.chars().take(40).collect();
        WatchEvery::parse(name).ok_or_else(|| {
            Problem::unprocessable("bad_watch", format!("`every` is {shown:?}."))
                .remedy("Use off, hourly or daily.")
                .field("every")
        })
    });
    if let Some(tolerance) = patch.tolerance
        && !(0.01..=1.0).contains(&tolerance)
    {
        return Err(Problem::unprocessable("bad_watch", format!("`tolerance` is {tolerance}."))
            .remedy("Use a part from 0.01 (1 %) to 1 (100 %).")
            .field("tolerance"));
    }
    Ok((every.transpose()?, patch.tolerance))
}

/// Wants a look now; the API's and the pages' way.
pub async fn look(app: &App, actor: &Actor) -> Result<(), Problem> {
    actor.require(Right::Steer)?;
    Ok(app.store.want_balance_look(&actor.by()).await?)
}

/// The watch over the balance, and what it found last.
#[utoipa::path(get, path = "/balance/watch", tag = "balance", operation_id = "get_balance_watch",
    responses((status = 200, body = WatchView)))]
pub async fn get(State(app): State<App>) -> Result<Json<WatchView>, Problem> {
    read(&app).await.map(Json)
}

/// Changes how it watches. What it found before counts no more.
#[utoipa::path(patch, path = "/balance/watch", tag = "balance",
    operation_id = "modify_balance_watch", request_body = WatchPatch,
    responses((status = 200, body = WatchView), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Body(patch): Body<WatchPatch>,
) -> Result<Json<WatchView>, Problem> {
    change(&app, &actor, &patch).await?;
    read(&app).await.map(Json)
}

/// Wants the watch to look now. The coordinator does so within seconds.
#[utoipa::path(post, path = "/balance/watch/run", tag = "balance",
    operation_id = "run_balance_watch",
    responses((status = 202, body = WatchView), (status = 403, body = Problem)))]
pub async fn run(
    State(app): State<App>,
    actor: Actor,
) -> Result<(StatusCode, Json<WatchView>), Problem> {
    look(&app, &actor).await?;
    Ok((StatusCode::ACCEPTED, Json(read(&app).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_watch_is_refused_in_its_field() {
        let patch = |every: &str, tolerance| WatchPatch {
            every: Some(every.to_owned()),
            tolerance: Some(tolerance),
        };
        assert_eq!(checked(&patch("hourly", 0.2)).unwrap(), (Some(WatchEvery::Hourly), Some(0.2)));
        for (bad, field) in [
            (patch("weekly", 0.2), "every"),
            (patch("off", 0.0), "tolerance"),
            (patch("off", f64::NAN), "tolerance"),
        ] {
            assert_eq!(checked(&bad).unwrap_err().field, Some(field));
        }
    }
}
