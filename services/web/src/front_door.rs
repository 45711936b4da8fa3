//! The front door: sends visitors to an artist's home server.

use crate::{app::App, problem::Problem};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tourbus_domain::Slug;

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_artist", "There is no such artist")
        .detail("Nobody plays under this address, or no longer does.")
        .remedy("Look for the artist by name on the front page.")
}

/// `/a/{slug}` and what is below it.
pub async fn open(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    // The path as it came: names of files need not be UTF-8, and decoding and encoding again
    // would not give the same bytes.
    let mut parts = uri.path().splitn(4, '/').skip(2);
    let slug: Slug = parts.next().unwrap_or_default().parse().map_err(|_| unknown())?;
    let below = parts.next().filter(|rest| !rest.is_empty());
    let home = app.homes.of(&app.store, &slug).await?.ok_or_else(unknown)?;
    let below = below.map(|rest| format!("/media/{rest}")).unwrap_or_default();
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let to = format!("{home}/artists/{slug}{below}{query}");
    let to = HeaderValue::from_str(&to).map_err(|_| unknown())?;
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, no_store)];
    Ok((StatusCode::FOUND, headers).into_response())
}
