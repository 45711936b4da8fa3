//! `/audit`: who did what.

use super::artists::PageParams;
use crate::{
    app::App,
    cursor::{self, Page},
    extract::Params,
    problem::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tourbus_store::AuditRow;
use utoipa::ToSchema;

/// One thing that somebody did.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: an email address.
    pub actor: String,
    /// What: a stable name.
    pub action: String,
    /// To what: `batch:…` or `job:…`.
    pub object: String,
    /// More about it.
    #[schema(value_type = Object)]
    pub detail: Value,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, at, actor, action, object, detail } = row;
        Self { id, at, actor, action, object, detail }
    }
}

/// One page; the API's and the pages' way.
pub async fn page(app: &App, params: &PageParams) -> Result<Page<AuditView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let before: Option<i64> = params.cursor.as_deref().map(cursor::unpack).transpose()?;
    let rows = app.store.audit(before, limit + 1).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack(&r.id), AuditView::from))
}

/// Who did what, the newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", operation_id = "list_audit",
    params(PageParams), responses((status = 200, body = Page<AuditView>)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<AuditView>>, Problem> {
    page(&app, &params).await.map(Json)
}
