//! What is wrong with a request to the workshop, as RFC 9457 problem documents.

use crate::answer;
use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use tourbus_mediaroot::{NotNow, RootError, Unreadable};

/// Seconds after which it is worth asking again while an artist moves.
const MOVING_RETRY_S: u32 = 2;

/// A problem document, before it is one.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    remedy: String,
    retry_after_s: Option<u32>,
    allow: &'static str,
    offset: Option<u64>,
}

/// As it is sent.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            remedy: String::new(),
            retry_after_s: None,
            allow: "",
            offset: None,
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Tells where the upload ends.
    pub(crate) const fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn forbidden(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
            .remedy("Ask the master for a token: it names the server where the artist is now.")
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_granted", detail).remedy(
            "Ask the master for one: POST /api/v1/artists/{id}/upload-grants. It is good for a \
             minute or a few; ask again before each request.",
        )
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let detail = format!("This address answers {allow}.");
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail) }
    }

    pub(crate) fn internal() -> Self {
        let detail = "Something broke here; nothing was lost.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            .remedy("Try again. If it stays, the server's administrator finds it in the log.")
    }

    /// As an answer; without a body to HEAD.
    pub(crate) fn into_response(self, head: bool) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let document = Document {
            kind: format!("urn:tourbus:problem:{}", self.code),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: self.status,
            code: &self.code,
            detail: &self.detail,
            remedy: &self.remedy,
            retry_after_s: self.retry_after_s,
        };
        let text =
            if head { String::new() } else { serde_json::to_string(&document).unwrap_or_default() };
        let mut response = answer::whole(status, "application/problem+json", text);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(offset) = self.offset {
            headers.insert("upload-offset", HeaderValue::from(offset));
        }
        if !self.allow.is_empty() {
            headers.insert(header::ALLOW, HeaderValue::from_static(self.allow));
        }
        response
    }
}

impl From<NotNow> for Problem {
    fn from(why: NotNow) -> Self {
        match why {
            NotNow::Moving => Self {
                retry_after_s: Some(MOVING_RETRY_S),
                ..Self::new(
                    StatusCode::LOCKED,
                    "moving",
                    "The artist is moving to another server; nothing can be written for a moment.",
                )
                .remedy("Ask the master for a new token in a moment, and go on where it points.")
            },
            NotNow::Gone => Self {
                retry_after_s: Some(MOVING_RETRY_S),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "moved",
                    "The artist is not on this server, or not any more.",
                )
                .remedy("Ask the master for a new token, and go on where it points.")
            },
            NotNow::Root(error) => error.into(),
        }
    }
}

impl From<RootError> for Problem {
    fn from(error: RootError) -> Self {
        if error.is_full() {
            tracing::error!(%error, "workshop.disk_full");
            return Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "The server's disk is full.",
            )
            .remedy("Nothing is lost: go on when an administrator has made room.");
        }
        if error.source.kind() == std::io::ErrorKind::FileTooLarge {
            let detail = "The page would become larger than it may be.";
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "page_too_large", detail)
                .remedy("Use fewer songs, or shorter titles.");
        }
        tracing::error!(%error, "workshop.failed");
        Self::internal()
    }
}

impl From<Unreadable> for Problem {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Root(error) => error.into(),
            Unreadable::Walk(error) => {
                tracing::error!(%error, "workshop.tree_unreadable");
                Self::new(StatusCode::CONFLICT, "tree_unreadable", format!("{error}."))
                    .remedy("An administrator can mend that on the server.")
            }
            Unreadable::Damaged(_) => {
                Self::new(StatusCode::CONFLICT, "page_damaged", format!("{why}."))
                    .remedy("An administrator can mend the file on the server.")
            }
        }
    }
}
