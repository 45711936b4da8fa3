//! Posted forms. Fields may repeat, which plain serde cannot read.

use crate::problem::Problem;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use uuid::Uuid;

/// The fields of a posted form.
pub struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|e| {
            if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::new(e.status(), "too_large", "The form is too large")
                    .remedy("Select fewer artists, or all that match a filter.")
            } else {
                Problem::bad_request("unreadable_form", e.body_text())
            }
        })?;
        Ok(Self::parse(&bytes))
    }
}

impl Fields {
    /// From an urlencoded body.
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first value of a field; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Where the form was, if it says so: a path of this site and of no other.
    pub fn back(&self) -> Option<&str> {
        let to = self.text("back");
        let own = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']);
        own.then_some(to)
    }

    /// All values of a field that repeats.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether a field is there and not empty: a ticked box.
    pub fn ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// An id; `None` if the field is missing or empty.
    pub fn id(&self, name: &str) -> Result<Option<Uuid>, Problem> {
        Some(self.text(name)).filter(|t| !t.is_empty()).map(parse_id).transpose()
    }

    /// All ids of a field that repeats.
    pub fn ids(&self, name: &str) -> Result<Vec<Uuid>, Problem> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| parse_id(v)).collect()
    }
}

fn parse_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request("bad_id", format!("{text:?} in the form is not an id."))
            .remedy("Go back, reload the page and try again.")
    })
}

/// `name=value&…`, leaving out what is empty.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(_, v)| !v.is_empty()) {
        out.append_pair(name, value);
    }
    out.finish()
}
