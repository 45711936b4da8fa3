//! Extractors whose refusals are problem documents that name the place and the remedy.

use crate::problem::Problem;
use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use std::str::FromStr;
use uuid::Uuid;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Json::<T>::from_request(request, state)
            .await
            .map(|Json(v)| Self(v))
            .map_err(|e| body_problem(&e))
    }
}

fn body_problem(rejection: &JsonRejection) -> Problem {
    let (status, text) = (rejection.status(), rejection.body_text());
    match rejection {
        JsonRejection::JsonSyntaxError(_) => {
            Problem::bad_request("malformed_json", text).remedy("Send one JSON object.")
        }
        JsonRejection::JsonDataError(_) => Problem::unprocessable("wrong_json", text)
            .remedy("See /api/v1/openapi.json for the fields and their types."),
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(status, "wrong_content_type", "Not JSON")
                .detail("The request has a body of another type, or of none.")
                .remedy("Send `Content-Type: application/json`.")
        }
        _ if status == StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(status, "too_large", "The request is too large")
                .detail(format!("A request may have {} bytes.", crate::BODY_BYTES_MAX))
                .remedy("Use a selector instead of ids, or split the request.")
        }
        _ => Problem::bad_request("unreadable_body", text),
    }
}

/// The query string.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(v)| Self(v)).map_err(|e: QueryRejection| {
            Problem::bad_request("bad_query", e.body_text())
                .remedy("See /api/v1/openapi.json for the parameters and their types.")
        })
    }
}

/// The id in the path, `{id}`.
pub struct Id<T>(pub T);

impl<T: From<Uuid>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let text = text.map_err(|e| Problem::bad_request("bad_path", e.body_text()))?.0;
        Uuid::from_str(&text).map(|id| Self(id.into())).map_err(|_| {
            Problem::bad_request("bad_id", format!("{text:?} in the path is not an id."))
                .remedy("An id is a UUID, such as 0192f0c1-2345-7abc-8def-0123456789ab.")
        })
    }
}
