//! Problems as pages.

use super::chrome::{Chrome, html};
use crate::problem::Problem;
use askama::Template;
use axum::{
    extract::Request,
    http::{StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    chrome: Chrome,
    problem: Problem,
}

fn page(problem: Problem) -> Response {
    let status = problem.status_code();
    let chrome = Chrome::public(problem.title);
    let retry_after = problem.retry_after_s;
    let mut response = match html(&ErrorPage { chrome, problem }) {
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
pub async fn as_page(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let response = next.run(request).await;
    match response.extensions().get::<Problem>().cloned() {
        Some(problem) if problem.status == 401 => problem.into_response_for(&uri),
        Some(problem) => page(problem),
        None => response,
    }
}

/// No route has this path.
pub async fn no_page(uri: Uri) -> Response {
    page(
        Problem::new(StatusCode::NOT_FOUND, "no_such_page", "There is no such page")
            .detail(format!("{} is no page of this site.", uri.path()))
            .remedy("Check the address, or start from the front page."),
    )
}
