//! Signing in and out.

use super::{
    chrome::{Chrome, html},
    form::Fields,
};
use crate::{
    app::App,
    auth::{
        Actor, client::Client, cookie, email::is_email, failures::Failure, origin, password,
        password_rules,
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
use tourbus_store::{Account, By};

/// Where one lands without having asked for a page.
const HOME: &str = "/move";

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

fn form(next: &str, email: &str, error: &str) -> Result<Response, Problem> {
    let chrome = Chrome::public("Sign in");
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
    let main_host = main_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or(main_host);
    if !host.eq_ignore_ascii_case(main_host) {
        let query = super::form::query(&[("next", next)]);
        return Ok(Redirect::to(&format!("{main_url}/sign-in?{query}")).into_response());
    }
    form(next, "", "")
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
        let mut response = form(next, email, &error)?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        return Ok(Err(response));
    }
    let turn = app.turns.of(address).await;
    let checked = check(app, email, fields.text("password")).await?;
    drop(turn);
    let Some(account) = checked else {
        app.failures.count(address, email, Failure::Wrong);
        let mut response = form(next, email, "Email and password do not fit together.")?;
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
    let cluster = &app.config.cluster;
    // Scripts send neither header, and gain nothing here; a browser sends at least one.
    let from_browser =
        headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if from_browser && !origin::is_ours(&headers, &cluster.main_url) {
        return Err(Problem::foreign_page(&cluster.main_url));
    }
    let account = match attempt(&app, address, &fields).await? {
        Ok(account) => account,
        Err(response) => return Ok(response),
    };
    let token = cookie::fresh_token();
    let by = By {
        actor: account.email.clone(),
        account_id: Some(account.id),
        token: None,
        address: Some(address),
    };
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    app.store.create_session(&by, account.id, &token, agent).await?;
    let mut response = Redirect::to(own_path(fields.text("next"))).into_response();
    if let Some(cookie) = cookie::set(cluster, &token) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Closes the session.
pub async fn sign_out(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    if let Some(session) = &actor.session {
        app.store.end_session(&actor.by(), actor.account.id, session.id).await?;
    }
    let mut response = Redirect::to("/").into_response();
    if let Some(cookie) = cookie::clear(&app.config.cluster) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
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
