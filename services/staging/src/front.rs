//! Health and metrics beside S3, on one listener.

use axum::Router;
use hyper::body::Incoming;
use s3s::{Body, HttpError, HttpResponse, service::S3Service};
use std::{future::Future, pin::Pin};
use tourbus_telemetry::Health;
use tower::ServiceExt;

/// Paths that are not buckets here: none of these can be the name of a bucket that we make.
const HEALTH_PATHS: &[&str] = &["/healthz", "/readyz", "/metrics"];

#[derive(Clone)]
pub(crate) struct Front {
    s3: S3Service,
    health: Option<Router>,
}

impl Front {
    pub(crate) fn new(s3: S3Service, health: Option<Health>) -> Self {
        Self { s3, health: health.map(|h| h.router()) }
    }
}

impl hyper::service::Service<http::Request<Incoming>> for Front {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        if let Some(health) = &self.health
            && HEALTH_PATHS.contains(&request.uri().path())
        {
            let answer = health.clone().oneshot(request);
            return Box::pin(async move {
                let answer = answer.await.unwrap_or_else(|never| match never {});
                Ok(answer.map(Body::http_body_unsync))
            });
        }
        let method = tourbus_telemetry::method(request.method().as_str());
        let answer = hyper::service::Service::call(&self.s3, request);
        Box::pin(async move {
            let answer = answer.await;
            let status = answer.as_ref().map_or(500, |a| a.status().as_u16()).to_string();
            metrics::counter!("tourbus_staging_requests_total", "method" => method,
                "status" => status)
            .increment(1);
            answer
        })
    }
}
