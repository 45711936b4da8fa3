//! Accounts, for admins: list, create, modify, delete.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    own::TokenLine,
    show::{self, When},
};
use crate::{
    api::{
        accounts::{self, AccountBody, AccountPatch},
        artists::PageParams,
        view::{AccountView, RoleName, TokenView},
    },
    app::App,
    auth::Actor,
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use uuid::Uuid;

/// Accounts on a page.
const ACCOUNTS: u32 = 50;

struct Line {
    account: AccountView,
    seen: Option<When>,
    own: bool,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    chrome: Chrome,
    lines: Vec<Line>,
    next: String,
    later: bool,
}

/// The form of a new account or of one that is there.
#[derive(Template)]
#[template(path = "account_form.html")]
struct FormPage {
    chrome: Chrome,
    /// None for a new account.
    account: Option<AccountView>,
    own: bool,
    email: String,
    role: String,
    disabled: bool,
    problem: Option<Problem>,
    saved: bool,
    tokens: Vec<TokenLine>,
}

impl FormPage {
    /// Whether the problem is about this field, so that it is told there.
    fn at(&self, field: &str) -> bool {
        let code = self.problem.as_ref().map_or("", |p| p.code);
        match field {
            "email" => matches!(code, "bad_email" | "email_taken"),
            "password" => code == "weak_password",
            "role" => matches!(code, "last_admin" | "bad_role"),
            _ => !code.is_empty() && !["email", "password", "role"].iter().any(|f| self.at(f)),
        }
    }

    fn answer(&self) -> Result<Response, Problem> {
        let mut response = html(self)?;
        if let Some(problem) = &self.problem {
            *response.status_mut() = problem.status_code();
        }
        Ok(response)
    }
}

/// Every account.
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<PageParams>,
) -> Result<Response, Problem> {
    let later = asked.cursor.is_some();
    let params = PageParams { limit: Some(ACCOUNTS), cursor: asked.cursor };
    let page = accounts::page(&app, &params).await?;
    let line = |account: AccountView| Line {
        seen: account.last_sign_in_at.map(show::when),
        own: account.id == actor.account.id,
        account,
    };
    let next = page.next_cursor.map(|c| query(&[("cursor", &c)])).unwrap_or_default();
    let lines = page.items.into_iter().map(line).collect();
    html(&AccountsPage { chrome: Chrome::of(&actor, "accounts", "Accounts"), lines, next, later })
}

fn new_form(actor: &Actor, fields: Option<&Fields>, problem: Option<Problem>) -> FormPage {
    let text = |name: &str| fields.map_or("", |f| f.text(name)).to_owned();
    FormPage {
        chrome: Chrome::of(actor, "accounts", "Create an account"),
        account: None,
        own: false,
        email: text("email"),
        role: Some(text("role")).filter(|r| !r.is_empty()).unwrap_or_else(|| "viewer".to_owned()),
        disabled: false,
        problem,
        saved: false,
        tokens: Vec::new(),
    }
}

/// The empty form.
pub async fn new(actor: Actor) -> Result<Response, Problem> {
    new_form(&actor, None, None).answer()
}

fn role(fields: &Fields) -> Result<RoleName, Problem> {
    match fields.text("role") {
        "admin" => Ok(RoleName::Admin),
        "operator" => Ok(RoleName::Operator),
        "viewer" => Ok(RoleName::Viewer),
        other => Err(Problem::unprocessable("bad_role", format!("{other:?} is no role."))
            .remedy("Choose admin, operator or viewer.")),
    }
}

/// Makes an account.
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let made = match role(&fields) {
        Ok(role) => {
            let (email, password) = (fields.text("email"), fields.text("password"));
            let body = AccountBody { email: email.into(), role, password: password.into() };
            accounts::submit(&app, &actor, &body).await
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => Ok(Redirect::to("/accounts").into_response()),
        Err(problem) if problem.status < 500 => {
            new_form(&actor, Some(&fields), Some(problem)).answer()
        }
        Err(problem) => Err(problem),
    }
}

async fn form_of(app: &App, actor: &Actor, id: Uuid) -> Result<FormPage, Problem> {
    let account = accounts::read(app, id).await?;
    let tokens = app.store.tokens(id).await?;
    Ok(FormPage {
        chrome: Chrome::of(actor, "accounts", account.email.clone()),
        own: id == actor.account.id,
        email: account.email.clone(),
        role: account.role.clone(),
        disabled: account.disabled,
        account: Some(account),
        problem: None,
        saved: false,
        tokens: tokens.into_iter().map(|t| TokenView::from(t).into()).collect(),
    })
}

/// The form of one account.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    form_of(&app, &actor, id).await?.answer()
}

fn patch(fields: &Fields, own: bool) -> Result<AccountPatch, Problem> {
    let password = Some(fields.text("password").to_owned()).filter(|p| !p.is_empty());
    Ok(AccountPatch {
        email: Some(fields.text("email").to_owned()),
        role: Some(role(fields)?),
        // One's own form has no such box.
        disabled: (!own).then(|| fields.ticked("disabled")),
        password,
    })
}

/// Changes an account.
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    fields: Fields,
) -> Result<Response, Problem> {
    let changed = match patch(&fields, id == actor.account.id) {
        Ok(patch) => accounts::change(&app, &actor, id, &patch).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => {
            let mut form = form_of(&app, &actor, id).await?;
            form.saved = true;
            form.answer()
        }
        Err(problem) if problem.status < 500 && problem.status != 404 => {
            let mut form = form_of(&app, &actor, id).await?;
            fields.text("email").clone_into(&mut form.email);
            fields.text("role").clone_into(&mut form.role);
            form.disabled = fields.ticked("disabled");
            form.problem = Some(problem);
            form.answer()
        }
        Err(problem) => Err(problem),
    }
}

/// Signs an account out everywhere.
pub async fn sign_out(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    accounts::read(&app, id).await?;
    app.store.end_sessions(&actor.by(), id, None).await?;
    Ok(Redirect::to(&format!("/accounts/{id}")).into_response())
}

#[derive(Template)]
#[template(path = "account_delete.html")]
struct DeletePage {
    chrome: Chrome,
    account: AccountView,
    problem: Option<Problem>,
}

/// Says what deleting will do.
pub async fn confirm_delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    let account = accounts::read(&app, id).await?;
    let chrome = Chrome::of(&actor, "accounts", "Delete this account?");
    html(&DeletePage { chrome, account, problem: None })
}

/// Deletes an account.
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    match accounts::remove(&app, &actor, id).await {
        Ok(()) => Ok(Redirect::to("/accounts").into_response()),
        Err(problem) if problem.status_code() == StatusCode::CONFLICT => {
            let account = accounts::read(&app, id).await?;
            let chrome = Chrome::of(&actor, "accounts", "Delete this account?");
            let mut response = html(&DeletePage { chrome, account, problem: Some(problem) })?;
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response)
        }
        Err(problem) => Err(problem),
    }
}
