//! `/settings`: of the whole cluster.

use crate::{
    app::App,
    auth::{Actor, Right},
    extract::Body,
    problem::Problem,
};
use axum::{Json, extract::State};
use serde::{Deserialize, Deserializer, Serialize};
use tourbus_store::{ClusterSettings, SERVER_LIMIT_MAX};
use utoipa::ToSchema;

/// The settings of the whole cluster.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ClusterSettings)]
pub struct SettingsView {
    /// Cluster servers at most, the master not counted; null for no limit.
    pub server_limit: Option<u32>,
    /// Cluster servers at this moment.
    pub servers: u32,
}

/// What somebody wants the server limit to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitWish {
    /// Nothing said: it stays.
    #[default]
    Unsaid,
    /// No limit.
    Unlimited,
    /// So many.
    AtMost(u32),
}

impl<'de> Deserialize<'de> for LimitWish {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(value)?.map_or(Self::Unlimited, Self::AtMost))
    }
}

/// What becomes different; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// Cluster servers at most, the master not counted; null for no limit.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    pub server_limit: LimitWish,
}

/// The settings; the API's and the pages' way.
pub async fn read(app: &App) -> Result<SettingsView, Problem> {
    let room = app.store.server_room().await?;
    Ok(SettingsView { server_limit: room.limit, servers: room.servers })
}

/// Changes the settings; the API's and the pages' way.
pub async fn change(app: &App, actor: &Actor, patch: &SettingsPatch) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    let server_limit = match patch.server_limit {
        LimitWish::Unsaid => return Ok(()),
        LimitWish::Unlimited => None,
        LimitWish::AtMost(limit) => Some(limit),
    };
    if let Some(limit) = server_limit.filter(|n| *n > SERVER_LIMIT_MAX) {
        return Err(Problem::unprocessable(
            "bad_server_limit",
            format!("A server limit of {limit} is more than anybody has."),
        )
        .remedy(format!("Use 0 to {SERVER_LIMIT_MAX}, or none for no limit."))
        .field("server_limit"));
    }
    Ok(app.store.set_cluster_settings(&actor.by(), &ClusterSettings { server_limit }).await?)
}

/// The settings of the whole cluster.
#[utoipa::path(get, path = "/settings", tag = "settings", operation_id = "get_settings",
    responses((status = 200, body = SettingsView), (status = 401, body = Problem)))]
pub async fn get(State(app): State<App>) -> Result<Json<SettingsView>, Problem> {
    read(&app).await.map(Json)
}

/// Changes the settings of the whole cluster. A server limit below the number of servers deletes
/// none: it only keeps new ones from being created.
#[utoipa::path(patch, path = "/settings", tag = "settings", operation_id = "modify_settings",
    request_body = SettingsPatch,
    responses((status = 200, body = SettingsView), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Body(patch): Body<SettingsPatch>,
) -> Result<Json<SettingsView>, Problem> {
    change(&app, &actor, &patch).await?;
    read(&app).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::{LimitWish, SettingsPatch};

    #[test]
    fn no_limit_is_not_the_same_as_nothing_said() {
        let limit =
            |json: &str| serde_json::from_str::<SettingsPatch>(json).map(|p| p.server_limit);
        assert_eq!(limit("{}").unwrap(), LimitWish::Unsaid);
        assert_eq!(limit(r#"{"server_limit":null}"#).unwrap(), LimitWish::Unlimited);
        assert_eq!(limit(r#"{"server_limit":3}"#).unwrap(), LimitWish::AtMost(3));
        assert!(limit(r#"{"server_limit":-1}"#).is_err());
    }
}
