//! One's own page: password, sessions, API tokens.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    show::{self, When},
};
use crate::{
    api::{
        accounts,
        own::{self, PasswordBody},
        tokens::{self, TokenBody},
        view::{AccountView, ScopeName, SessionView, TokenView},
    },
    app::App,
    auth::{Actor, cookie},
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use chrono::{Days, Utc};
use serde::Deserialize;
use tourbus_store::Role;
use uuid::Uuid;

/// Where it is.
const HERE: &str = "/account";

pub struct SessionLine {
    id: Uuid,
    current: bool,
    agent: String,
    address: String,
    began: When,
    seen: When,
}

/// A token in a list.
pub struct TokenLine {
    pub id: Uuid,
    pub label: String,
    pub scope: String,
    pub expired: bool,
    pub expires: Option<When>,
    pub used: Option<When>,
}

impl From<TokenView> for TokenLine {
    fn from(view: TokenView) -> Self {
        Self {
            id: view.id,
            label: view.label,
            scope: view.scope,
            expired: view.expired,
            expires: view.expires_at.map(show::when),
            used: view.last_used_at.map(show::when),
        }
    }
}

fn session_line(view: SessionView) -> SessionLine {
    SessionLine {
        id: view.id,
        current: view.current,
        agent: browser(&view.agent),
        address: view.address.unwrap_or_else(|| "an unknown address".to_owned()),
        began: show::when(view.created_at),
        seen: show::when(view.last_seen_at),
    }
}

/// The browser and the system, as far as what it says of itself tells.
fn browser(agent: &str) -> String {
    let first = |of: &[(&str, &'static str)]| {
        of.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
    };
    // Browsers name those they are compatible with as well: the more particular ones first.
    let name = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        _ if agent.is_empty() => "A browser that does not say its name".to_owned(),
        _ => agent.chars().take(40).collect(),
    }
}

/// What was done, from the address after a redirect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    done: String,
}

/// What the page says besides what is so.
#[derive(Default)]
struct Said {
    notice: &'static str,
    /// Which form was refused, and why.
    refused: &'static str,
    problem: Option<Problem>,
    /// A fresh token, shown this once, and its label.
    token: Option<(String, String)>,
    /// What was typed.
    label: String,
}

#[derive(Template)]
#[template(path = "own.html")]
struct OwnPage {
    chrome: Chrome,
    account: AccountView,
    may: &'static str,
    sessions: Vec<SessionLine>,
    tokens: Vec<TokenLine>,
    may_steer: bool,
    said: Said,
}

const fn may(role: Role) -> &'static str {
    match role {
        Role::Admin => "do everything: moves, servers, accounts",
        Role::Operator => "look at everything; cancel, retry and expedite",
        Role::Viewer => "look at everything, change nothing",
        Role::Artist => "work on your own artists",
    }
}

async fn show(app: &App, actor: &Actor, said: Said) -> Result<Response, Problem> {
    let id = actor.account.id;
    let sessions = own::list_sessions(app, actor).await?;
    let tokens = app.store.tokens(id).await?;
    let status = said.problem.as_ref().map(Problem::status_code);
    let mut response = html(&OwnPage {
        chrome: Chrome::of(actor, "account", "Your account"),
        account: accounts::read(app, id).await?,
        may: may(actor.account.role),
        sessions: sessions.into_iter().map(session_line).collect(),
        tokens: tokens.into_iter().map(|t| TokenView::from(t).into()).collect(),
        may_steer: matches!(actor.account.role, Role::Admin | Role::Operator),
        said,
    })?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The page.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(Done { done }): Params<Done>,
) -> Result<Response, Problem> {
    let notice = match done.as_str() {
        "password" => "Your password is changed; your other sessions were ended.",
        "session" => "The session was ended.",
        "revoked" => "The token was revoked; scripts that use it are refused from now on.",
        _ => "",
    };
    show(&app, &actor, Said { notice, ..Said::default() }).await
}

fn done(what: &str) -> Response {
    Redirect::to(&format!("{HERE}?{}", query(&[("done", what)]))).into_response()
}

/// Changes one's own password.
pub async fn password(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let body = PasswordBody {
        current_password: fields.text("current").to_owned(),
        new_password: fields.text("new").to_owned(),
    };
    let changed = if fields.text("again") == body.new_password {
        own::change_password(&app, &actor, &body).await
    } else {
        Err(Problem::unprocessable("not_the_same", "The new password was typed in two ways.")
            .remedy("Type it the same twice."))
    };
    match changed {
        Ok(_) => Ok(done("password")),
        Err(problem) if problem.status < 500 => {
            let said = Said { refused: "password", problem: Some(problem), ..Said::default() };
            show(&app, &actor, said).await
        }
        Err(problem) => Err(problem),
    }
}

/// Ends one of one's own sessions.
pub async fn end_session(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    own::end_one(&app, &actor, id).await?;
    Ok(done("session"))
}

/// Signs oneself out everywhere, here too.
pub async fn end_sessions(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    app.store.end_sessions(&actor.by(), actor.account.id, None).await?;
    let mut response = Redirect::to("/sign-in").into_response();
    if let Some(cookie) = cookie::clear(&app.config.cluster) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn token_body(fields: &Fields) -> Result<TokenBody, Problem> {
    let scope = match fields.text("scope") {
        "read" => ScopeName::Read,
        "steer" => ScopeName::Steer,
        "full" => ScopeName::Full,
        other => {
            let what = format!("{other:?} is no scope.");
            return Err(
                Problem::unprocessable("bad_scope", what).remedy("Choose read, steer or full.")
            );
        }
    };
    let expires_at = match fields.text("days") {
        "" => None,
        text => {
            let days = text.parse().ok().and_then(|d| Utc::now().checked_add_days(Days::new(d)));
            Some(days.ok_or_else(|| {
                Problem::unprocessable("bad_expiry", format!("{text:?} is no number of days."))
                    .remedy("Choose one of the list.")
            })?)
        }
    };
    Ok(TokenBody { label: fields.text("label").to_owned(), scope, expires_at })
}

/// Makes a token, and shows it.
pub async fn create_token(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let made = match token_body(&fields) {
        Ok(body) => tokens::submit(&app, &actor, &body).await,
        Err(problem) => Err(problem),
    };
    let said = match made {
        Ok(made) => Said { token: Some((made.token, made.about.label)), ..Said::default() },
        Err(problem) if problem.status < 500 => Said {
            refused: "token",
            problem: Some(problem),
            label: fields.text("label").to_owned(),
            ..Said::default()
        },
        Err(problem) => return Err(problem),
    };
    show(&app, &actor, said).await
}

/// Makes a token invalid, and goes back to where the button was.
pub async fn revoke_token(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    let token = tokens::remove(&app, &actor, id).await?;
    if token.account_id == actor.account.id {
        return Ok(done("revoked"));
    }
    Ok(Redirect::to(&format!("/accounts/{}", token.account_id)).into_response())
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_called_by_its_name() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/130.0.0.0 Safari/537.36";
        assert_eq!(browser(agent), "Chrome on Linux");
        assert_eq!(browser("curl/8.1"), "curl/8.1");
    }
}
