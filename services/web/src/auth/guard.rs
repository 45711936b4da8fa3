//! The middleware that every route behind sign-in sits behind.

use super::{Actor, cookie, origin};
use crate::{app::App, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};

fn bearer(headers: &HeaderMap) -> Option<Result<&str, Problem>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let token = value.to_str().ok().and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    Some(token.ok_or_else(|| {
        Problem::unauthorized().detail("The Authorization header is not `Bearer <token>`.")
    }))
}

/// Lets through who has a valid token or session; a session only changes something when our own
/// page asks.
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (method, headers) = (request.method().clone(), request.headers().clone());
    match who(&app, &method, &headers).await {
        Err(problem) => problem.into_response_for(request.uri()),
        Ok((actor, prolonged)) => {
            let token = actor.session.clone().filter(|_| prolonged);
            request.extensions_mut().insert(actor);
            let mut response = next.run(request).await;
            let cookie = token.and_then(|t| cookie::set(&app.config.cluster, &t));
            // Signing out sets its own.
            if let Some(cookie) = cookie
                && !response.headers().contains_key(header::SET_COOKIE)
            {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
    }
}

/// Who looks at a page that is open to everybody, if somebody is signed in. The session is not
/// prolonged in the browser: this is for what the page says, not for what may be done.
pub async fn visitor(app: &App, headers: &HeaderMap) -> Option<Actor> {
    who(app, &Method::GET, headers).await.ok().map(|(actor, _)| actor)
}

async fn who(app: &App, method: &Method, headers: &HeaderMap) -> Result<(Actor, bool), Problem> {
    if let Some(token) = bearer(headers) {
        let account = app.store.account_by_token(token?).await?;
        let account = account.ok_or_else(|| {
            Problem::unauthorized()
                .detail("The API token is unknown or has expired.")
                .remedy("Use the api_token of the cluster's credentials, or ask an admin for one.")
        })?;
        return Ok((Actor { account, session: None }, false));
    }
    let token = cookie::read(headers).ok_or_else(Problem::unauthorized)?;
    let session = app.store.session(&token).await?;
    let (account, prolonged) = session.ok_or_else(Problem::unauthorized)?;
    if !origin::is_safe(method) && !origin::is_ours(headers, &app.config.cluster.main_url) {
        return Err(Problem::foreign_page(&app.config.cluster.main_url));
    }
    Ok((Actor { account, session: Some(token) }, prolonged))
}
