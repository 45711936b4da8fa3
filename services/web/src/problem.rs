//! Errors as RFC 9457 problem documents: what, where and how to mend it. Page routes turn them
//! into pages (`pages::error`).

use crate::auth::password::PasswordError;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use tourbus_store::StoreError;
use utoipa::ToSchema;

/// Seconds that a client should wait for a database that is away.
const RETRY_AFTER_S: u32 = 5;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tourbus:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, the same for every problem of this code.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable name, for scripts.
    pub code: &'static str,
    /// What is wrong here, and where.
    pub detail: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The field of the request that is to blame, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// Seconds after which to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem; add detail and remedy.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            kind: format!("urn:tourbus:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: String::new(),
            remedy: String::new(),
            field: None,
            retry_after_s: None,
        }
    }

    /// What is wrong here, and where.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// How to mend it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Which field of the request is to blame.
    #[must_use]
    pub const fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// When to try again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// 400: the request cannot be read.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request cannot be read").detail(detail)
    }

    /// 422: the request can be read, and asks for something that makes no sense.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "The request makes no sense")
            .detail(detail)
    }

    /// 404, naming what was looked for.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
            .detail(format!("No {what} has the id {id}."))
            .remedy("Check the id; it may also have been deleted.")
    }

    /// 500: a fault of ours, which goes to the log.
    pub fn internal(error: &(impl std::fmt::Display + ?Sized)) -> Self {
        tracing::error!(%error, "web.internal_error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke here")
            .remedy("Try again. If it stays, an admin finds it in web's log.")
    }

    /// 409: not in this state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Not possible in this state").detail(detail)
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").detail(detail)
    }

    /// 403: a browser sent this from another site's page.
    pub fn foreign_page(main_url: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign_page", "Not allowed")
            .detail("This request did not come from a page of this site.")
            .remedy(format!("Open {main_url} and try again there; scripts use an API token."))
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Who are you?")
            .detail("This needs an API token, or a signed-in browser.")
            .remedy("Send `Authorization: Bearer <api_token>`, or sign in.")
    }

    /// 429: again after so many seconds.
    pub fn too_many(detail: impl Into<String>, seconds: u64) -> Self {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "Too many attempts")
            .detail(detail)
            .remedy(format!("Try again in {seconds} s."))
            .retry_after(seconds)
    }

    /// The HTTP status.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer to a request for `uri`: people who are not signed in are sent to do so.
    pub fn into_response_for(self, uri: &Uri) -> Response {
        if self.status == 401 && !uri.path().starts_with("/api/") {
            let to = uri.path_and_query().map_or("/", |p| p.as_str());
            let to = percent_encoding::utf8_percent_encode(to, percent_encoding::NON_ALPHANUMERIC);
            return Redirect::to(&format!("/sign-in?next={to}")).into_response();
        }
        self.into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Contention(_) => {
                tracing::warn!(%error, "web.database_away");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Back in a moment")
                    .detail("The database does not answer at the moment.")
                    .remedy("Try again in a few seconds, with the same Idempotency-Key. Moves go on meanwhile.")
                    .retry_after(RETRY_AFTER_S)
            }
            StoreError::Invalid(why) => Self::unprocessable("invalid", why.clone()),
            _ => {
                tracing::error!(%error, "web.store_failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke here")
                    .detail("The request failed because of a fault in Tourbus, not in the request.")
                    .remedy("The web service's log says more; please report it.")
            }
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        tracing::warn!(%error, "web.password_not_checked");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Back in a moment")
            .detail("The password could not be checked: too many are being checked at the moment.")
            .remedy("Try again in a few seconds.")
            .retry_after(RETRY_AFTER_S)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status_code(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
