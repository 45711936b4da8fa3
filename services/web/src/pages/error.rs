//! Problems as pages.

use super::chrome::{Chrome, html};
use crate::{
    app::App,
    auth::{Actor, Right, guard},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Somewhere to go from here.
pub(super) struct Way {
    pub href: String,
    pub text: &'static str,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage {
    pub chrome: Chrome,
    pub problem: Problem,
    pub ways: Vec<Way>,
}

/// Pages that lists and details belong to: the beginning of the path, its entry of the
/// navigation, and what it is called.
const PLACES: [(&str, &str, &str); 8] = [
    ("/move", "move", "To Move Artists"),
    ("/batches", "batches", "To all batches"),
    ("/jobs", "jobs", "To all jobs"),
    ("/servers", "servers", "To all servers"),
    ("/settings", "servers", "To Cluster Settings"),
    ("/queues", "queues", "To the queues"),
    ("/audit", "audit", "To the audit log"),
    ("/accounts", "accounts", "To all accounts"),
];

/// Whether somebody may look there.
fn is_open(place: &str, actor: &Actor) -> bool {
    match place {
        "/accounts" => actor.may(Right::Accounts),
        "/settings" => actor.may(Right::Servers),
        _ => actor.may(Right::Look),
    }
}

fn page(mut problem: Problem, uri: &Uri, method: &Method, actor: Option<&Actor>) -> Response {
    let status = problem.status_code();
    let place = PLACES.iter().find(|(start, ..)| {
        let rest = uri.path().strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let mut ways = Vec::new();
    // What the address asks for beyond the page itself: the page without it is there.
    if status == StatusCode::BAD_REQUEST && method == Method::GET && uri.query().is_some() {
        ways.push(Way { href: uri.path().to_owned(), text: "Open the page without this filter" });
        if problem.remedy.contains("openapi") {
            "Change the address, or open the page without what it asks for."
                .clone_into(&mut problem.remedy);
        }
    }
    if let Some(actor) = actor
        && let Some((href, _, text)) = place
        && is_open(href, actor)
        && ways.iter().all(|way| way.href != *href)
    {
        ways.push(Way { href: (*href).to_owned(), text });
    }
    ways.push(Way { href: "/".to_owned(), text: "To the front page" });
    let nav = place.map_or("", |(_, nav, _)| nav);
    let chrome = actor.map_or_else(
        || Chrome::public(problem.title),
        |actor| Chrome::of(actor, nav, problem.title),
    );
    let retry_after = problem.retry_after_s;
    let mut response = match html(&ErrorPage { chrome, problem, ways }) {
        Ok(page) => page,
        Err(problem) => return problem.into_response(),
    };
    *response.status_mut() = status;
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Turns problems of page routes into pages, and 401 into the way to sign in.
pub async fn as_page(State(app): State<App>, request: Request, next: Next) -> Response {
    let (uri, method, headers) =
        (request.uri().clone(), request.method().clone(), request.headers().clone());
    let response = next.run(request).await;
    match response.extensions().get::<Problem>().cloned() {
        Some(problem) if problem.status == 401 => problem.into_response_for(&uri),
        Some(problem) => {
            let (actor, kept) = guard::visitor(&app, &headers).await.unzip();
            with(kept.flatten(), page(problem, &uri, &method, actor.as_ref()))
        }
        None => response,
    }
}

/// No route has this path.
pub async fn no_page(
    State(app): State<App>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, "no_such_page", "There is no such page")
        .detail(format!("{} is no page of this site.", uri.path()))
        .remedy("Check the address, or start from one of these pages.");
    let (actor, kept) = guard::visitor(&app, &headers).await.unzip();
    with(kept.flatten(), page(problem, &uri, &method, actor.as_ref()))
}

fn with(cookie: Option<HeaderValue>, mut response: Response) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
