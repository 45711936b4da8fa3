//! `/accounts`: who can sign in. For admins.

use super::{
    artists::PageParams,
    view::{AccountView, RoleName, TokenView},
};
use crate::{
    app::App,
    auth::{Actor, email::is_email, password, password_rules},
    cursor::{self, Page},
    extract::{Body, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tourbus_store::{AccountChange, AccountError, AccountRow, NewAccount};
use utoipa::ToSchema;
use uuid::Uuid;

/// An account to be made.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountBody {
    /// With what it signs in.
    pub email: String,
    /// What it may do.
    pub role: RoleName,
    /// 12 characters or more; no other rules, but what is easily guessed is refused.
    pub password: String,
}

/// What becomes different; what is left out stays.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountPatch {
    /// With what it signs in.
    pub email: Option<String>,
    /// What it may do.
    pub role: Option<RoleName>,
    /// Whether it may not sign in, nor use its tokens. Ends its sessions.
    pub disabled: Option<bool>,
    /// A new password. Ends its sessions.
    pub password: Option<String>,
}

/// An email as it is kept.
pub fn email(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if is_email(text) {
        return Ok(text.to_lowercase());
    }
    Err(Problem::unprocessable("bad_email", format!("{text:?} is no email address."))
        .remedy("Write it as name@example.org."))
}

/// The hash of a new password, if it is one that we take.
pub async fn hashed(new: &str, email: &str) -> Result<String, Problem> {
    password_rules::check(new, email)
        .map_err(|why| Problem::unprocessable("weak_password", why.to_string()))?;
    Ok(password::hash(new.to_owned()).await?)
}

fn refused(error: AccountError, id: Option<Uuid>) -> Problem {
    match error {
        AccountError::Unknown => Problem::not_found("account", id.unwrap_or_default()),
        AccountError::EmailTaken => {
            Problem::conflict("email_taken", "Another account has this email address.")
                .remedy("Use another address, or modify the account that has it.")
        }
        AccountError::LastAdmin => Problem::conflict(
            "last_admin",
            "This is the last admin who can sign in; nobody could manage accounts any more.",
        )
        .remedy("Make another account an admin first."),
    }
}

async fn row(app: &App, id: Uuid) -> Result<AccountRow, Problem> {
    app.store.account(id).await?.ok_or_else(|| Problem::not_found("account", id))
}

/// One account; the API's and the pages' way.
pub async fn read(app: &App, id: Uuid) -> Result<AccountView, Problem> {
    row(app, id).await.map(AccountView::from)
}

/// One page; the API's and the pages' way.
pub async fn page(app: &App, params: &PageParams) -> Result<Page<AccountView>, Problem> {
    let limit = cursor::limit(params.limit)?;
    let after: Option<String> = params.cursor.as_deref().map(cursor::unpack).transpose()?;
    let rows = app.store.accounts(after.as_deref(), limit + 1).await?;
    Ok(Page::cut(rows, limit, |r| cursor::pack(&r.email), AccountView::from))
}

/// Makes an account; the API's and the pages' way.
pub async fn submit(app: &App, actor: &Actor, body: &AccountBody) -> Result<Uuid, Problem> {
    let email = email(&body.email)?;
    let password_hash = hashed(&body.password, &email).await?;
    let new = NewAccount { email, password_hash, role: body.role.to_store() };
    app.store.create_account(&actor.by(), new).await?.map_err(|e| refused(e, None))
}

/// Changes an account; the API's and the pages' way.
pub async fn change(
    app: &App,
    actor: &Actor,
    id: Uuid,
    patch: &AccountPatch,
) -> Result<(), Problem> {
    let before = row(app, id).await?;
    let own = id == actor.account.id;
    if own && patch.password.is_some() {
        return Err(Problem::conflict("own_account", "This is your own account.")
            .remedy("Change your password on your own page, where the old one is asked for."));
    }
    if own && patch.disabled == Some(true) {
        return Err(own_account("disabled"));
    }
    let email = patch.email.as_deref().map(email).transpose()?;
    let password_hash = match &patch.password {
        Some(new) => Some(hashed(new, email.as_ref().unwrap_or(&before.email)).await?),
        None => None,
    };
    let role = patch.role.map(RoleName::to_store);
    let change = AccountChange { email, role, disabled: patch.disabled, password_hash };
    let changed = app.store.modify_account(&actor.by(), id, &change).await?;
    changed.map_err(|e| refused(e, Some(id)))
}

fn own_account(what: &str) -> Problem {
    Problem::conflict("own_account", format!("Your own account cannot be {what} by yourself."))
        .remedy("Ask another admin to do it.")
}

/// Deletes an account; the API's and the pages' way.
pub async fn remove(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    if id == actor.account.id {
        return Err(own_account("deleted"));
    }
    app.store.delete_account(&actor.by(), id).await?.map_err(|e| refused(e, Some(id)))
}

/// Accounts, by email.
#[utoipa::path(get, path = "/accounts", tag = "accounts", operation_id = "list_accounts",
    params(PageParams),
    responses((status = 200, body = Page<AccountView>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<AccountView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// One account.
#[utoipa::path(get, path = "/accounts/{id}", tag = "accounts", operation_id = "get_account",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AccountView), (status = 404, body = Problem)))]
pub async fn one(State(app): State<App>, Id(id): Id<Uuid>) -> Result<Json<AccountView>, Problem> {
    read(&app, id).await.map(Json)
}

/// Makes an account.
#[utoipa::path(post, path = "/accounts", tag = "accounts", operation_id = "create_account",
    request_body = AccountBody,
    responses((status = 201, body = AccountView), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<AccountBody>,
) -> Result<(StatusCode, Json<AccountView>), Problem> {
    let id = submit(&app, &actor, &body).await?;
    Ok((StatusCode::CREATED, Json(read(&app, id).await?)))
}

/// Changes an account. The last admin who can sign in stays one.
#[utoipa::path(patch, path = "/accounts/{id}", tag = "accounts", operation_id = "modify_account",
    params(("id" = Uuid, Path)), request_body = AccountPatch,
    responses((status = 200, body = AccountView), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    Body(patch): Body<AccountPatch>,
) -> Result<Json<AccountView>, Problem> {
    change(&app, &actor, id, &patch).await?;
    read(&app, id).await.map(Json)
}

/// Deletes an account with its sessions and tokens. The last admin who can sign in stays.
#[utoipa::path(delete, path = "/accounts/{id}", tag = "accounts", operation_id = "delete_account",
    params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    remove(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many sessions were ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionsEnded {
    /// How many.
    pub ended: u64,
}

/// Signs an account out everywhere. Its tokens stay valid.
#[utoipa::path(delete, path = "/accounts/{id}/sessions", tag = "accounts",
    operation_id = "end_account_sessions", params(("id" = Uuid, Path)),
    responses((status = 200, body = SessionsEnded), (status = 404, body = Problem)))]
pub async fn end_sessions(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Json<SessionsEnded>, Problem> {
    row(&app, id).await?;
    Ok(Json(SessionsEnded { ended: app.store.end_sessions(&actor.by(), id, None).await? }))
}

/// An account's API tokens, the newest first.
#[utoipa::path(get, path = "/accounts/{id}/tokens", tag = "accounts",
    operation_id = "list_account_tokens", params(("id" = Uuid, Path)),
    responses((status = 200, body = Page<TokenView>), (status = 404, body = Problem)))]
pub async fn tokens(
    State(app): State<App>,
    Id(id): Id<Uuid>,
) -> Result<Json<Page<TokenView>>, Problem> {
    row(&app, id).await?;
    let rows = app.store.tokens(id).await?;
    Ok(Json(Page::whole(rows.into_iter().map(TokenView::from).collect())))
}
