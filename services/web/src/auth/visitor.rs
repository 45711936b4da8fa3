//! What every server is told of who is signed in: a cookie for the whole domain that says a name and
//! whose artists somebody may work on, signed, and good for less than a minute. Servers believe it
//! without asking; it opens nothing here.

use super::{Actor, cookie, guard};
use crate::{app::App, problem::Problem};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::Serialize;
use tourbus_domain::Slug;
use tourbus_protocol::visitor::{VISITOR_ARTISTS_MAX, VISITOR_COOKIE, VISITOR_TTL_S, Visitor};
use tourbus_store::Account;

/// Who looks at a page.
#[derive(Debug, Default, Serialize)]
struct Who {
    /// How pages call them; null for nobody.
    name: Option<String>,
    /// Public names of their artists.
    artists: Vec<Slug>,
}

/// `Set-Cookie` that tells every server who this is; none when this master has no key for it.
pub async fn cookie_of(app: &App, account: &Account) -> Result<Option<HeaderValue>, Problem> {
    Ok(told(app, account).await?.0)
}

/// `Set-Cookie` that makes every server forget.
pub fn clear(app: &App) -> Option<HeaderValue> {
    cookie::build(&app.config.cluster, VISITOR_COOKIE, "", 0, true)
}

async fn told(app: &App, account: &Account) -> Result<(Option<HeaderValue>, Who), Problem> {
    let limit = u32::try_from(VISITOR_ARTISTS_MAX).unwrap_or(u32::MAX);
    let artists = app.store.artists_of(account.id, limit).await?;
    // Servers are other people's machines: they are told no address.
    let local = account.email.split('@').next().unwrap_or_default();
    let name = artists.first().map_or(local, |a| a.name.as_str()).to_owned();
    let artists: Vec<Slug> = artists.into_iter().filter_map(|a| a.slug.parse().ok()).collect();
    let who = Who { name: Some(name.clone()), artists: artists.clone() };
    let Some(key) = &app.visitor_key else { return Ok((None, who)) };
    let expires_at_s = Utc::now().timestamp() + VISITOR_TTL_S;
    let visitor = Visitor { account: account.id, name, artists, expires_at_s };
    let text = key.sign(&visitor).map_err(|e| Problem::internal(&e))?;
    let cluster = &app.config.cluster;
    Ok((cookie::build(cluster, VISITOR_COOKIE, &text, VISITOR_TTL_S, true), who))
}

/// `/visitor`: who is signed in, for the pages of every server of the cluster, which keep their
/// cookie fresh by asking.
pub async fn answer(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let (actor, kept) = guard::visitor(&app, &headers).await.unzip();
    let (cookie, who) = match actor {
        Some(Actor { account, token: None, .. }) => told(&app, &account).await?,
        _ => (clear(&app), Who::default()),
    };
    let mut response = Json(who).into_response();
    let out = response.headers_mut();
    out.insert(header::VARY, HeaderValue::from_static("Origin"));
    for cookie in [kept.flatten(), cookie].into_iter().flatten() {
        out.append(header::SET_COOKIE, cookie);
    }
    let origin = headers.get(header::ORIGIN);
    if let Some(origin) = origin.filter(|o| is_ours(o, &app.config.cluster.main_domain)) {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        out.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Whether a page is of the main domain or of a subdomain of it.
fn is_ours(origin: &HeaderValue, main_domain: &str) -> bool {
    let host = origin.to_str().ok().and_then(|o| o.split_once("://")).map_or("", |(_, rest)| rest);
    let host = host.split(':').next().unwrap_or_default();
    let main = main_domain.to_ascii_lowercase();
    host == main || host.strip_suffix(&main).is_some_and(|sub| sub.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_pages_of_the_cluster_are_told() {
        let ours = |origin: &'static str| is_ours(&origin.parse().unwrap(), "a.example");
        assert!(ours("https://a.example") && ours("http://server2.a.example:8083"));
        for other in
            ["https://evil.example", "https://xa.example", "https://a.example.evil", "null"]
        {
            assert!(!ours(other), "{other}");
        }
    }
}
