//! The form that makes an artist.

use super::{
    chrome::{Chrome, html},
    form::Fields,
};
use crate::{
    api::artist_new::{self, ArtistBody},
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

#[derive(Template)]
#[template(path = "artist_new.html")]
struct FormPage {
    chrome: Chrome,
    name: String,
    slug: String,
    /// Where the artist will live.
    home: Option<String>,
    problem: Option<Problem>,
}

impl FormPage {
    /// Whether the problem is about this field, so that it is told there.
    fn at(&self, field: &str) -> bool {
        let code = self.problem.as_ref().map_or("", |p| p.code);
        match field {
            "name" => code == "bad_name",
            "slug" => matches!(code, "bad_slug" | "slug_taken" | "slug_reserved"),
            _ => !code.is_empty() && !["name", "slug"].iter().any(|f| self.at(f)),
        }
    }
}

async fn answer(
    app: &App,
    actor: &Actor,
    fields: Option<&Fields>,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let text = |name: &str| fields.map_or("", |f| f.text(name)).to_owned();
    let home = app.store.servers().await?.into_iter().find(|s| s.is_default).map(|s| s.name);
    let status = problem.as_ref().map(Problem::status_code);
    let page = FormPage {
        chrome: Chrome::of(actor, "move", "Create an artist"),
        name: text("name"),
        slug: text("slug"),
        home,
        problem,
    };
    let mut response = html(&page)?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The empty form.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    answer(&app, &actor, None, None).await
}

/// Makes an artist, and goes to the job that makes its page.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    actor.require(Right::Artists)?;
    let slug = Some(fields.text("slug").to_owned());
    let body = ArtistBody { name: fields.text("name").to_owned(), slug };
    match artist_new::make(&app, actor.by(), &body).await {
        Ok(id) => {
            let row = app.store.artist(id).await?;
            let job = row.and_then(|a| a.operating_job_id);
            let to = job.map_or_else(|| "/move".to_owned(), |job| format!("/jobs/{job}"));
            Ok(Redirect::to(&to).into_response())
        }
        Err(problem) if problem.status < 500 => {
            answer(&app, &actor, Some(&fields), Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}
