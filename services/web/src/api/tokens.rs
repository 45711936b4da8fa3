//! `/tokens`: one's own API tokens.

use super::view::{ScopeName, TokenView};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::Page,
    extract::{self, Body, Id},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_store::{NewToken, Role, Scope, TokenError};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 100;
/// Every token begins so: whoever finds one knows what it is.
const PREFIX: &str = "tourbus_";

/// A token to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// Its name, 1 to 100 characters, unique among one's own.
    pub label: String,
    /// What it may do; no more than the account.
    pub scope: ScopeName,
    /// When it ends to be valid; never without it.
    #[serde(default, deserialize_with = "extract::moment")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A fresh token.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokenMade {
    /// The token itself. It is shown this once.
    pub token: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub about: TokenView,
}

fn checked(body: &TokenBody, role: Role) -> Result<NewToken, Problem> {
    let label = body.label.trim();
    let chars = label.chars().count();
    if chars == 0 || chars > LABEL_CHARS_MAX || label.chars().any(char::is_control) {
        let what = "The label is empty, too long, or has control characters.";
        return Err(Problem::unprocessable("bad_label", what)
            .remedy(format!("Use 1 to {LABEL_CHARS_MAX} characters, such as “backup script”.")));
    }
    let scope = body.scope.to_store();
    if scope == Scope::Steer && matches!(role, Role::Viewer | Role::Artist) {
        let what = "A viewer's or an artist's token cannot steer.";
        return Err(Problem::unprocessable("wide_scope", what)
            .remedy("Choose the scope read, or ask an admin for another role."));
    }
    if body.expires_at.is_some_and(|at| at <= Utc::now()) {
        return Err(Problem::unprocessable("bad_expiry", "The token would have expired already.")
            .remedy("Choose a time in the future, or none."));
    }
    Ok(NewToken { label: label.to_owned(), scope, expires_at: body.expires_at })
}

/// Makes a token of one's own; the API's and the pages' way.
pub async fn submit(app: &App, actor: &Actor, body: &TokenBody) -> Result<TokenMade, Problem> {
    let new = checked(body, actor.account.role)?;
    let token = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let made = app.store.create_token(&actor.by(), actor.account.id, &new, &token).await?;
    let id = made.map_err(|error| match error {
        TokenError::LabelTaken => {
            Problem::conflict("label_taken", "Another token of yours has this label.")
                .remedy("Choose another label, or revoke that token first.")
        }
        TokenError::TooMany => Problem::conflict("too_many_tokens", format!("Refused: {error}."))
            .remedy("Revoke tokens that are not needed any more."),
    })?;
    let about = app.store.token(id).await?.ok_or_else(|| Problem::not_found("token", id))?;
    Ok(TokenMade { token, about: about.into() })
}

/// Makes a token invalid: one's own, or an admin anybody's; the API's and the pages' way.
pub async fn remove(app: &App, actor: &Actor, id: Uuid) -> Result<TokenView, Problem> {
    let unknown = || Problem::not_found("token", id);
    let token = app.store.token(id).await?.ok_or_else(unknown)?;
    if token.account_id != actor.account.id && !actor.may(Right::Accounts) {
        // Whether there is one is nobody else's business.
        return Err(unknown());
    }
    if app.store.revoke_token(&actor.by(), id).await? { Ok(token.into()) } else { Err(unknown()) }
}

/// One's own API tokens, the newest first.
#[utoipa::path(get, path = "/tokens", tag = "account", operation_id = "list_own_tokens",
    responses((status = 200, body = Page<TokenView>)))]
pub async fn list(State(app): State<App>, actor: Actor) -> Result<Json<Page<TokenView>>, Problem> {
    let rows = app.store.tokens(actor.account.id).await?;
    Ok(Json(Page::whole(rows.into_iter().map(TokenView::from).collect())))
}

/// Makes a token of one's own. The answer is the only place where it is shown.
#[utoipa::path(post, path = "/tokens", tag = "account", operation_id = "create_token",
    request_body = TokenBody,
    responses((status = 201, body = TokenMade), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<TokenBody>,
) -> Result<(StatusCode, Json<TokenMade>), Problem> {
    Ok((StatusCode::CREATED, Json(submit(&app, &actor, &body).await?)))
}

/// Makes a token invalid: one's own, or an admin anybody's.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "account", operation_id = "revoke_token",
    params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    remove(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
