//! The middleware that every route sits behind: who asks, whether they may, and a note in the
//! audit log of what was refused or failed. What was done is noted where it is done.

use super::{
    Actor,
    access::{Access, Rule, Rules},
    client::client_address,
    cookie, origin,
};
use crate::{app::App, problem::Problem};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tourbus_store::{Deed, DeedResult};
use uuid::Uuid;

/// What the middleware knows.
pub type Known = (App, Arc<Rules>);

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

/// Lets through who has a valid token or session and the right that the route asks for; a session
/// only changes something when our own page asks. A path without a rule is for nobody in
/// particular: whoever is signed in is told that it is not there.
pub async fn guard(
    State((app, rules)): State<Known>,
    mut request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let rule = matched.and_then(|path| rules.find(&method, path.as_str()));
    if rule.is_some_and(|r| r.access == Access::Everybody) {
        return next.run(request).await;
    }
    // A copy: a request's body cannot be shared between threads, not even to look beside it.
    let headers = request.headers().clone();
    let address = client_address(request.extensions(), &headers, &app.config.trusted_proxies);
    let (actor, prolonged) = match who(&app, &method, &headers, address).await {
        Err(problem) => return problem.into_response_for(request.uri()),
        Ok(known) => known,
    };
    let object = rule.map(|r| object(r, request.uri().path()));
    let allowed = rule.map_or(Ok(()), |r| r.access.check(&actor));
    let mut response = if let Err(problem) = allowed {
        problem.into_response()
    } else {
        request.extensions_mut().insert(actor.clone());
        next.run(request).await
    };
    let deed = rule.zip(object).and_then(|(r, object)| not_done(&actor, r, object, &response));
    if let Some(deed) = deed
        && let Err(error) = app.store.record(&[deed]).await
    {
        tracing::warn!(%error, "audit.not_written");
    }
    let cookie = keep(&app, &actor, prolonged);
    // Signing out sets its own.
    if let Some(cookie) = cookie
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `Set-Cookie` of a session that the database has just prolonged: it says so only once.
fn keep(app: &App, actor: &Actor, prolonged: bool) -> Option<HeaderValue> {
    let session = actor.session.as_ref().filter(|_| prolonged)?;
    cookie::set(&app.config.cluster, &session.token)
}

/// Who looks at a page that is open to everybody, if somebody is signed in: for what the page says, not
/// for what may be done. With the `Set-Cookie` that the answer must carry, if any.
pub async fn visitor(app: &App, headers: &HeaderMap) -> Option<(Actor, Option<HeaderValue>)> {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (actor, prolonged) = who(app, &Method::GET, headers, nowhere).await.ok()?;
    let kept = keep(app, &actor, prolonged);
    Some((actor, kept))
}

async fn who(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<(Actor, bool), Problem> {
    if let Some(token) = bearer(headers) {
        let found = app.store.account_by_token(token?).await?;
        let (account, token) = found.ok_or_else(|| {
            Problem::unauthorized()
                .detail("The API token is unknown, was revoked or has expired.")
                .remedy("Create one on your account's page, or ask an admin to look at yours.")
        })?;
        return Ok((Actor { account, session: None, token: Some(token), address }, false));
    }
    let token = cookie::read(headers).ok_or_else(Problem::unauthorized)?;
    let session = app.store.session(&token).await?;
    let (account, id, prolonged) = session.ok_or_else(Problem::unauthorized)?;
    if !origin::is_safe(method) && !origin::is_ours(headers, &app.config.cluster.main_url) {
        return Err(Problem::foreign_page(&app.config.cluster.main_url));
    }
    let session = Some(super::Session { id, token });
    Ok((Actor { account, session, token: None, address }, prolonged))
}

/// `noun:id`; the noun alone when the path names no id, or one that cannot be.
fn object(rule: &Rule, path: &str) -> String {
    let noun = rule.action.map_or("", tourbus_store::Action::noun);
    let at = rule.path.split('/').position(|part| part == "{id}");
    let id = at.and_then(|at| path.split('/').nth(at)?.parse::<Uuid>().ok());
    id.map_or_else(|| noun.to_owned(), |id| format!("{noun}:{id}"))
}

/// A change that was refused, or that failed. A request that makes no sense is neither.
fn not_done(actor: &Actor, rule: &Rule, object: String, response: &Response) -> Option<Deed> {
    let result = match response.status().as_u16() {
        403 | 409 => DeedResult::Refused,
        500.. => DeedResult::Failed,
        _ => return None,
    };
    let reason = response.extensions().get::<Problem>().map_or("", |p| p.detail.as_str());
    Some(Deed::not_done(&actor.by(), rule.action?, object, result, reason))
}
