//! Extractors whose refusals are problem documents that name the place and the remedy.

use crate::problem::Problem;
use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use chrono::{DateTime, Datelike, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use std::{error::Error, str::FromStr};
use uuid::Uuid;

/// Years that a time may be in: the database knows fewer than a text can name.
pub const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A time that may be left out, in one of [`YEARS`]. For serde.
pub fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let at = Option::<DateTime<Utc>>::deserialize(from)?;
    match at.filter(|at| !YEARS.contains(&at.year())) {
        None => Ok(at),
        Some(at) => Err(D::Error::custom(format_args!(
            "{at} is out of range: use a year from {} to {}",
            YEARS.start(),
            YEARS.end()
        ))),
    }
}

/// A JSON object as body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, bytes) = read(request, state).await?;
        object(parts, bytes, state).await.map(Self)
    }
}

/// A JSON object as body, or none: then the default.
pub struct BodyOr<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for BodyOr<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, bytes) = read(request, state).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return Ok(Self(T::default()));
        }
        object(parts, bytes, state).await.map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(request, state).await;
    let bytes = bytes.map_err(|e| unread(e.status(), e.body_text()))?;
    Ok((parts, bytes))
}

async fn object<T: DeserializeOwned, S: Send + Sync>(
    parts: Parts,
    bytes: Bytes,
    state: &S,
) -> Result<T, Problem> {
    // A list of the fields' values in their order would do for serde.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    let request = Request::from_parts(parts, bytes.into());
    let read = Json::<T>::from_request(request, state).await;
    if !is_object && matches!(read, Ok(_) | Err(JsonRejection::JsonDataError(_))) {
        let detail = "The request's body is JSON, but not an object.";
        return Err(Problem::unprocessable("wrong_json", detail).remedy("Send one JSON object."));
    }
    read.map(|Json(value)| value).map_err(|e| body_problem(&e))
}

fn unread(status: StatusCode, text: String) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(status, "too_large", "The request is too large")
            .detail(format!("A request may have {} bytes.", crate::BODY_BYTES_MAX))
            .remedy("Use a selector instead of ids, or split the request.")
    } else {
        Problem::bad_request("unreadable_body", text).remedy("Send the request again.")
    }
}

fn body_problem(rejection: &JsonRejection) -> Problem {
    let (status, text) = (rejection.status(), rejection.body_text());
    match rejection {
        JsonRejection::JsonSyntaxError(_) => {
            Problem::bad_request("malformed_json", text).remedy("Send one JSON object.")
        }
        // Its source says which field it is; before that, it speaks of types.
        JsonRejection::JsonDataError(e) => {
            let what = e.source().map_or(text, ToString::to_string);
            Problem::unprocessable(
                "wrong_json",
                format!("The request's body does not fit: {what}."),
            )
            .remedy("See /api/v1/openapi.json for the fields and their types.")
        }
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(status, "wrong_content_type", "Not JSON")
                .detail("The request has a body of another type, or of none.")
                .remedy("Send `Content-Type: application/json`.")
        }
        _ => unread(status, text),
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

/// The name in the path, `{name}`.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|e| Problem::bad_request("bad_path", e.body_text()))?;
        if text.contains('\0') {
            return Err(Problem::bad_request("bad_path", "The name in the path has a NUL."));
        }
        Ok(Self(text))
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
