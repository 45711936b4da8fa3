//! `POST /artists`: a new artist on the default server.

use super::{artists, view::ArtistView};
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::Body,
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use tourbus_domain::{ArtistId, Slug, ids::SLUG_BYTES_MAX};
use tourbus_store::{AskedArtist, By, Created};
use utoipa::ToSchema;

/// Longest name, in characters; as the database has it.
const NAME_CHARS_MAX: usize = 200;

/// An artist to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtistBody {
    /// Its name for people, up to 200 characters.
    pub name: String,
    /// Its name in URLs: lower-case letters, digits and hyphens. Made from the name without it.
    #[serde(default)]
    pub slug: Option<String>,
}

/// Checks a name.
pub fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let bad = |detail: &str, remedy: &str| {
        Err(Problem::unprocessable("bad_name", detail.to_owned()).remedy(remedy.to_owned()))
    };
    if text.is_empty() {
        return bad("The artist has no name.", "Give the name as it is to stand on the page.");
    }
    if text.chars().count() > NAME_CHARS_MAX {
        return bad("The name is too long.", "Use at most 200 characters.");
    }
    if text.chars().any(char::is_control) {
        return bad("The name holds a control character.", "Type it instead of pasting it.");
    }
    Ok(text.to_owned())
}

/// Checks a name in URLs, or makes one.
pub fn slug(text: Option<&str>, name: &str) -> Result<Slug, Problem> {
    let bad = |detail: String| {
        Problem::unprocessable("bad_slug", detail).remedy(format!(
            "Use 1 to {SLUG_BYTES_MAX} lower-case letters, digits and hyphens, such as `the-rooks`."
        ))
    };
    let slug = match text.map(str::trim).filter(|t| !t.is_empty()) {
        Some(text) => {
            text.parse::<Slug>().map_err(|_| bad(format!("“{text:.80}” cannot be an address.")))?
        }
        None => Slug::suggest(name)
            .ok_or_else(|| bad("No address can be made from this name.".to_owned()))?,
    };
    if slug.is_reserved() {
        return Err(Problem::conflict("slug_reserved", format!("The site itself uses “{slug}”."))
            .remedy("Choose another address."));
    }
    Ok(slug)
}

/// Makes an artist; the API's and the pages' way.
pub async fn make(app: &App, by: By, body: &ArtistBody) -> Result<ArtistId, Problem> {
    let name = name(&body.name)?;
    let slug = slug(body.slug.as_deref(), &name)?;
    let taken = slug.to_string();
    match app.store.create_artist(&AskedArtist { name, slug, account_id: None, by }).await? {
        Created::Made { artist, .. } => Ok(artist),
        Created::SlugTaken => Err(slug_taken(&taken)),
        Created::NoDefault => Err(no_default()),
    }
}

/// 409: another artist has this name in URLs.
pub fn slug_taken(slug: &str) -> Problem {
    Problem::conflict("slug_taken", format!("Another artist has the address “{slug}”."))
        .remedy("Choose another address.")
}

/// 409: no server takes new artists.
pub fn no_default() -> Problem {
    Problem::conflict(
        "no_default_server",
        "No server takes new artists: none is the default, or it is not active, is being drained, \
         or has not joined the cluster yet.",
    )
    .remedy("An admin sets Default Server to yes on a server that has joined.")
}

/// Makes an artist. The home is the default server, where a job makes the tree; until it has, the
/// artist's `operating_job_id` names it.
#[utoipa::path(post, path = "/artists", tag = "artists", operation_id = "create_artist",
    request_body = ArtistBody,
    responses((status = 201, body = ArtistView), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<ArtistBody>,
) -> Result<(StatusCode, Json<ArtistView>), Problem> {
    actor.require(Right::Artists)?;
    let id = make(&app, actor.by(), &body).await?;
    let artist = artists::read(&app, id).await?;
    Ok((StatusCode::CREATED, Json(artist)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_or_address_says_what_to_do() {
        for text in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert_eq!(name(text).unwrap_err().code, "bad_name");
        }
        for text in ["A b", "-a", "ü"] {
            assert_eq!(slug(Some(text), "x").unwrap_err().code, "bad_slug", "{text}");
        }
        assert_eq!(slug(Some("admin"), "x").unwrap_err().code, "slug_reserved");
        assert_eq!(slug(None, "Sign Up").unwrap_err().code, "slug_reserved");
    }
}
