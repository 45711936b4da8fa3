//! Requests, counted by route: never by path, which holds ids. Those that change something begin a
//! trace, or go on with the one that the caller names.

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use std::time::Instant;
use tourbus_domain::TraceParent;
use tourbus_telemetry::trace::{self, Span, SpanKind};
use tracing::Instrument as _;

/// The header that names the caller's span.
const TRACE_PARENT: &str = "traceparent";

/// Counts a request and how long its answer took to begin.
pub async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let (route, method) = (route.to_owned(), tourbus_telemetry::method(request.method().as_str()));
    let begun = Instant::now();
    let response = if changes(request.method()) {
        traced(request, next, method, &route).await
    } else {
        next.run(request).await
    };
    let status = response.status().as_u16().to_string();
    metrics::histogram!("tourbus_http_answer_seconds", "route" => route.clone())
        .record(begun.elapsed().as_secs_f64());
    metrics::counter!("tourbus_http_requests_total", "method" => method, "route" => route,
        "status" => status)
    .increment(1);
    response
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Answers within a trace: the jobs that it queues keep it.
async fn traced(request: Request, next: Next, method: &str, route: &str) -> Response {
    let header = request.headers().get(TRACE_PARENT).and_then(|v| v.to_str().ok());
    let caller = header.and_then(|text| text.parse::<TraceParent>().ok());
    let context = caller.map_or_else(TraceParent::begin, TraceParent::child);
    let mut span = Span::of(context, caller, SpanKind::Server, format!("{method} {route}"));
    let logged = tracing::info_span!("request", trace_id = %context.trace_id());
    let response = trace::within(context, next.run(request)).instrument(logged).await;
    let status = response.status();
    span = span.with("http.response.status_code", &status.as_u16());
    span.error = status.is_server_error().then(|| status.to_string());
    span.end();
    response
}
