//! `/audit`: who did what.

use crate::{
    app::App,
    cursor::{self, Page},
    extract::{self, Params},
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tourbus_store::{Action, AuditQuery, AuditRow, DeedResult};
use utoipa::{IntoParams, ToSchema};

/// Longest actor or object that is looked for, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// One thing that somebody did, or tried to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Counts up.
    pub id: i64,
    /// When; the last time, if it was repeated.
    pub at: DateTime<Utc>,
    /// Who: an email address, or the name of a process.
    pub actor: String,
    /// The label of the API token that was used; null for a browser or a process.
    pub token: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// What: a stable name.
    pub action: String,
    /// To what: `noun:id`, such as `batch:…` or `account:…`.
    pub object: String,
    /// `done`, `refused` or `failed`.
    pub result: String,
    /// Why, in the person's own words, or why not.
    pub reason: String,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// How often it happened since `since`.
    pub times: i32,
    /// When it first happened; null if it happened once.
    pub since: Option<DateTime<Utc>>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            token: row.token,
            address: row.address,
            action: row.action,
            object: row.object,
            result: row.result,
            reason: row.reason,
            detail: row.detail,
            times: row.times,
            since: row.since,
        }
    }
}

/// Which entries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// By this actor, exactly.
    pub actor: Option<String>,
    /// This action, or all of a noun: `job.cancel`, `job.`.
    pub action: Option<String>,
    /// To this object, exactly: `noun:id`.
    pub object: Option<String>,
    /// With this result: `done`, `refused` or `failed`.
    pub result: Option<String>,
    /// At this time (RFC 3339) or later.
    #[serde(deserialize_with = "extract::moment")]
    pub since: Option<DateTime<Utc>>,
    /// Before this time (RFC 3339).
    #[serde(deserialize_with = "extract::moment")]
    pub until: Option<DateTime<Utc>>,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A text that is looked for: trimmed, `None` when empty, refused when it cannot be.
pub fn text(name: &str, value: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(value) = value.map(str::trim).filter(|v| !v.is_empty()) else { return Ok(None) };
    if value.chars().count() > TEXT_CHARS_MAX || value.contains('\0') {
        let what = format!("`{name}` is too long, or has a NUL.");
        return Err(Problem::bad_request("bad_filter", what)
            .remedy(format!("Use at most {TEXT_CHARS_MAX} characters.")));
    }
    Ok(Some(value.to_owned()))
}

fn action(value: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(value) = text("action", value)? else { return Ok(None) };
    // Entries of versions before have other names, which can be looked for too.
    let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
    if value.chars().all(plain) {
        return Ok(Some(value));
    }
    let known: Vec<&str> = Action::ALL.iter().map(|a| a.as_str()).collect();
    Err(Problem::bad_request("bad_action", format!("`action` is {value:?}."))
        .remedy(format!("Use one of {}.", known.join(", "))))
}

fn result(value: Option<&str>) -> Result<Option<DeedResult>, Problem> {
    let Some(value) = text("result", value)? else { return Ok(None) };
    DeedResult::parse(&value).map(Some).ok_or_else(|| {
        Problem::bad_request("bad_result", format!("`result` is {value:?}."))
            .remedy("Use done, refused or failed.")
    })
}

/// One page; the API's and the pages' way.
pub async fn page(app: &App, params: &AuditParams) -> Result<Page<AuditView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let query = AuditQuery {
        actor: text("actor", params.actor.as_deref())?.map(|a| a.to_lowercase()),
        action: action(params.action.as_deref())?,
        object: text("object", params.object.as_deref())?,
        result: result(params.result.as_deref())?,
        since: params.since,
        until: params.until,
        before: params.cursor.as_deref().map(cursor::unpack).transpose()?,
        limit: limit + 1,
    };
    let rows = app.store.audit(&query).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack(&r.id), AuditView::from))
}

/// Who did what, the newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", operation_id = "list_audit",
    params(AuditParams),
    responses((status = 200, body = Page<AuditView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<AuditParams>,
) -> Result<Json<Page<AuditView>>, Problem> {
    page(&app, &params).await.map(Json)
}
