//! Signing in and out.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    sign_up,
};
use crate::{
    app::App,
    auth::{
        Actor, client::Client, cookie, email::is_email, failures::Failure, origin, password,
        password_rules, visitor,
    },
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::{net::IpAddr, time::Instant};
use tourbus_store::{Account, By, Role};

/// Where one lands without having asked for a page.
const HOME: &str = "/move";
/// Where an artist does.
pub(super) const ARTISTS_HOME: &str = "/workshop";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    chrome: Chrome,
    next: String,
    email: String,
    error: String,
}

/// Where to go afterwards.
#[derive(Debug, Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// Only a path of ours: nobody is sent to another site by signing in.
fn own_path(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\n', '\r', '\t'])
        && !next.starts_with("/sign-");
    if own { next } else { HOME }
}

async fn form(app: &App, next: &str, email: &str, error: &str) -> Result<Response, Problem> {
    let sign_up = sign_up::is_open(app).await?;
    let chrome = Chrome { sign_up, ..Chrome::public("Sign in") };
    html(&SignInPage { chrome, next: next.into(), email: email.into(), error: error.into() })
}

/// The form. Under another name than the main URL's the cookie would be lost, so one is sent
/// there first.
pub async fn page(
    State(app): State<App>,
    headers: HeaderMap,
    Params(Next { next }): Params<Next>,
) -> Result<Response, Problem> {
    let next = own_path(&next);
    let main_url = &app.config.cluster.main_url;
    if is_elsewhere(&app, &headers) {
        let query = super::form::query(&[("next", next)]);
        return Ok(Redirect::to(&format!("{main_url}/sign-in?{query}")).into_response());
    }
    form(&app, next, "", "").await
}

/// Whether the master is asked under another name than its own.
pub(super) fn is_elsewhere(app: &App, headers: &HeaderMap) -> bool {
    let main_host = app.config.cluster.main_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or(main_host);
    !host.eq_ignore_ascii_case(main_host)
}

async fn check(app: &App, email: &str, given: &str) -> Result<Option<Account>, Problem> {
    if given.len() > password_rules::BYTES_MAX || !is_email(email) {
        return Ok(None);
    }
    let (account, hash) = app.store.account_by_email(email).await?.unzip();
    let fits = password::verify(given.to_owned(), hash).await?;
    Ok(account.filter(|_| fits))
}

/// Looks at an attempt if the limits allow it: who it is, or the form again with the reason.
async fn attempt(
    app: &App,
    address: IpAddr,
    fields: &Fields,
) -> Result<Result<Account, Response>, Problem> {
    let (next, email) = (own_path(fields.text("next")), fields.text("email").trim());
    if let Err(wait) = app.limiter.take(address, email, Instant::now()) {
        app.failures.count(address, email, Failure::TooMany);
        let seconds = wait.as_secs() + 1;
        let error = format!("Too many attempts. Try again in {seconds} s.");
        let mut response = form(app, next, email, &error).await?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        return Ok(Err(response));
    }
    let turn = app.turns.of(address).await;
    let checked = check(app, email, fields.text("password")).await?;
    drop(turn);
    let Some(account) = checked else {
        app.failures.count(address, email, Failure::Wrong);
        let mut response =
            form(app, next, email, "Email and password do not fit together.").await?;
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(Err(response));
    };
    app.limiter.give_back(address, email);
    Ok(Ok(account))
}

/// Checks email and password, opens a session.
pub async fn submit(
    State(app): State<App>,
    Client(address): Client,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    origin::check_form(&headers, &app.config.cluster.main_url)?;
    let account = match attempt(&app, address, &fields).await? {
        Ok(account) => account,
        Err(response) => return Ok(response),
    };
    let to = match own_path(fields.text("next")) {
        HOME if account.role == Role::Artist => ARTISTS_HOME,
        path => path,
    };
    open_session(&app, &headers, address, &account, to).await
}

/// Opens a session for somebody who has just proved who they are, and sends them on.
pub(super) async fn open_session(
    app: &App,
    headers: &HeaderMap,
    address: IpAddr,
    account: &Account,
    to: &str,
) -> Result<Response, Problem> {
    let token = cookie::fresh_token();
    let by = By {
        actor: account.email.clone(),
        account_id: Some(account.id),
        token: None,
        address: Some(address),
    };
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    app.store.create_session(&by, account.id, &token, agent).await?;
    let mut response = Redirect::to(to).into_response();
    let told = visitor::cookie_of(app, account).await?;
    for cookie in cookie::set(&app.config.cluster, &token).into_iter().chain(told) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Closes the session.
pub async fn sign_out(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    if let Some(session) = &actor.session {
        app.store.end_session(&actor.by(), actor.account.id, session.id).await?;
    }
    let mut response = Redirect::to("/").into_response();
    for cookie in cookie::clear(&app.config.cluster).into_iter().chain(visitor::clear(&app)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(own_path("/jobs?state=failed"), "/jobs?state=failed");
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil", "/sign-out"] {
            assert_eq!(own_path(bad), "/move", "{bad}");
        }
    }
}
