//! `/settings`: of the whole cluster.

use super::{profiles, verify};
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

/// Largest quota that can be set, in bytes (1 EiB).
const QUOTA_BYTES_MAX: u64 = 1 << 60;
/// Longest time between two readings of a file that can be set, in days.
const VERIFY_DAYS_MAX: u32 = 3650;

/// The settings of the whole cluster.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ClusterSettings)]
pub struct SettingsView {
    /// Cluster servers at most, the master not counted; null for no limit.
    pub server_limit: Option<u32>,
    /// Cluster servers at this moment.
    pub servers: u32,
    /// Whether anybody may sign up as an artist.
    pub sign_up: bool,
    /// How large an artist's files may be who has no quota of their own, in bytes.
    pub quota_bytes: u64,
    /// By which profile songs are converted whose artist has none of their own.
    pub lofi_profile: String,
    /// In how many days every artist's files are read back once; 0 for never by itself.
    pub verify_every_days: u32,
    /// How fast files are read for it, in bytes per second.
    pub verify_rate_bytes_s: u64,
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
    /// Whether anybody may sign up as an artist.
    #[serde(default)]
    pub sign_up: Option<bool>,
    /// How large an artist's files may be who has no quota of their own, in bytes.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
    /// By which profile songs are converted from now on whose artist has none of their own. Songs
    /// that have a LOFI keep it until they are converted anew.
    #[serde(default)]
    pub lofi_profile: Option<String>,
    /// In how many days every artist's files are read back once, 3650 at most; 0 for never by
    /// itself.
    #[serde(default)]
    pub verify_every_days: Option<u32>,
    /// How fast files are read for it, in bytes per second, 1000000 at least.
    #[serde(default)]
    pub verify_rate_bytes_s: Option<u64>,
}

/// The settings; the API's and the pages' way.
pub async fn read(app: &App) -> Result<SettingsView, Problem> {
    let (room, settings) = (app.store.server_room().await?, app.store.cluster_settings().await?);
    Ok(SettingsView {
        server_limit: room.limit,
        servers: room.servers,
        sign_up: settings.sign_up,
        quota_bytes: settings.quota_bytes,
        lofi_profile: app.store.lofi_profile().await?,
        verify_every_days: settings.verify_every_days,
        verify_rate_bytes_s: settings.verify_rate_bytes_s,
    })
}

/// Changes the settings; the API's and the pages' way.
pub async fn change(app: &App, actor: &Actor, patch: &SettingsPatch) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    let SettingsPatch { server_limit, sign_up, quota_bytes, .. } = *patch;
    if let LimitWish::AtMost(limit) = server_limit
        && limit > SERVER_LIMIT_MAX
    {
        return Err(Problem::unprocessable(
            "bad_server_limit",
            format!("A server limit of {limit} is more than anybody has."),
        )
        .remedy(format!("Use 0 to {SERVER_LIMIT_MAX}, or none for no limit."))
        .field("server_limit"));
    }
    if quota_bytes.is_some_and(|q| q > QUOTA_BYTES_MAX) {
        return Err(Problem::unprocessable("bad_quota", "The quota is more than anybody has.")
            .remedy("Give it in bytes, such as 10737418240 for 10 GiB.")
            .field("quota_bytes"));
    }
    let (days, rate) = verify_settings(patch)?;
    let change = |settings: &mut ClusterSettings| {
        match server_limit {
            LimitWish::Unsaid => {}
            LimitWish::Unlimited => settings.server_limit = None,
            LimitWish::AtMost(limit) => settings.server_limit = Some(limit),
        }
        settings.sign_up = sign_up.unwrap_or(settings.sign_up);
        settings.quota_bytes = quota_bytes.unwrap_or(settings.quota_bytes);
        settings.verify_every_days = days.unwrap_or(settings.verify_every_days);
        settings.verify_rate_bytes_s = rate.unwrap_or(settings.verify_rate_bytes_s);
    };
    // The last that can be refused.
    if let Some(name) = &patch.lofi_profile {
        profiles::choose(app, actor, name).await?;
    }
    Ok(app.store.change_cluster_settings(&actor.by(), change).await?)
}

/// How often, and how fast, files are read back.
fn verify_settings(patch: &SettingsPatch) -> Result<(Option<u32>, Option<u64>), Problem> {
    if let Some(days) = patch.verify_every_days.filter(|d| *d > VERIFY_DAYS_MAX) {
        let detail = format!("Files that are read once in {days} days are not looked after.");
        return Err(Problem::unprocessable("bad_verify_days", detail)
            .remedy(format!("Use 1 to {VERIFY_DAYS_MAX}, or 0 for never."))
            .field("verify_every_days"));
    }
    Ok((patch.verify_every_days, patch.verify_rate_bytes_s.map(verify::rate).transpose()?))
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
