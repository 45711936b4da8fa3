//! `/account`, `/sessions`: what is one's own.

use super::{
    accounts::{self, SessionsEnded},
    view::{AccountView, SessionView},
};
use crate::{
    app::App,
    auth::{Actor, password},
    cursor::Page,
    extract::{Body, Id},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use std::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

/// A new password, and proof that it is oneself who wants it.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password until now.
    pub current_password: String,
    /// 12 characters or more; no other rules, but what is easily guessed is refused.
    pub new_password: String,
}

/// Changes one's own password and ends one's other sessions; the API's and the pages' way.
pub async fn change_password(
    app: &App,
    actor: &Actor,
    body: &PasswordBody,
) -> Result<u64, Problem> {
    let (id, email) = (actor.account.id, &actor.account.email);
    // Whoever has found an open browser may not guess on, either.
    app.limiter
        .take(actor.address, email, Instant::now())
        .map_err(|wait| Problem::too_many("Too many wrong passwords.", wait.as_secs() + 1))?;
    let hash = app.store.password_hash(id).await?;
    if !password::verify(body.current_password.clone(), hash).await? {
        return Err(Problem::unprocessable(
            "wrong_password",
            "The current password is not this one.",
        )
        .remedy("If it is forgotten, ask an admin to set a new one."));
    }
    app.limiter.give_back(actor.address, email);
    let hash = accounts::hashed(&body.new_password, email).await?;
    let keep = actor.session.as_ref().map(|s| s.id);
    Ok(app.store.change_password(&actor.by(), id, &hash, keep).await?)
}

/// One's own sessions; the API's and the pages' way.
pub async fn list_sessions(app: &App, actor: &Actor) -> Result<Vec<SessionView>, Problem> {
    let current = actor.session.as_ref().map(|s| s.id);
    let rows = app.store.sessions(actor.account.id).await?;
    Ok(rows.into_iter().map(|r| SessionView::new(r, current)).collect())
}

/// Ends one of one's own sessions; the API's and the pages' way.
pub async fn end_one(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    let ended = app.store.end_session(&actor.by(), actor.account.id, id).await?;
    if ended { Ok(()) } else { Err(Problem::not_found("session of yours", id)) }
}

/// One's own account.
#[utoipa::path(get, path = "/account", tag = "account", operation_id = "get_own_account",
    responses((status = 200, body = AccountView)))]
pub async fn account(State(app): State<App>, actor: Actor) -> Result<Json<AccountView>, Problem> {
    accounts::read(&app, actor.account.id).await.map(Json)
}

/// Changes one's own password and ends one's other sessions. Tokens stay valid.
#[utoipa::path(put, path = "/account/password", tag = "account",
    operation_id = "change_own_password", request_body = PasswordBody,
    responses((status = 200, body = SessionsEnded), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub async fn password(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<PasswordBody>,
) -> Result<Json<SessionsEnded>, Problem> {
    Ok(Json(SessionsEnded { ended: change_password(&app, &actor, &body).await? }))
}

/// One's own sessions, the one used last first.
#[utoipa::path(get, path = "/sessions", tag = "account", operation_id = "list_own_sessions",
    responses((status = 200, body = Page<SessionView>)))]
pub async fn sessions(
    State(app): State<App>,
    actor: Actor,
) -> Result<Json<Page<SessionView>>, Problem> {
    list_sessions(&app, &actor).await.map(Page::whole).map(Json)
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    operation_id = "end_own_session", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn end_session(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    end_one(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs oneself out everywhere, here too.
#[utoipa::path(delete, path = "/sessions", tag = "account", operation_id = "end_own_sessions",
    responses((status = 200, body = SessionsEnded)))]
pub async fn end_sessions(
    State(app): State<App>,
    actor: Actor,
) -> Result<Json<SessionsEnded>, Problem> {
    let ended = app.store.end_sessions(&actor.by(), actor.account.id, None).await?;
    Ok(Json(SessionsEnded { ended }))
}
