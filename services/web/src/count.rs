//! Requests, counted by route: never by path, which holds ids.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use std::time::Instant;

/// Counts a request and how long its answer took to begin.
pub async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let (route, method) = (route.to_owned(), tourbus_telemetry::method(request.method().as_str()));
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("tourbus_http_answer_seconds", "route" => route.clone())
        .record(begun.elapsed().as_secs_f64());
    metrics::counter!("tourbus_http_requests_total", "method" => method, "route" => route,
        "status" => status)
    .increment(1);
    response
}
