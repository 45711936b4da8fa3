//! Signing up as an artist.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    sign_in,
};
use crate::{
    api::{accounts, artist_new},
    app::App,
    auth::{client::Client, origin},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use std::{net::IpAddr, time::Instant};
use tourbus_store::{Account, By, SignUp, SignedUp};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    chrome: Chrome,
    /// Whether anybody may.
    open: bool,
    /// Before what an artist types, the beginning of their address.
    base: String,
    name: String,
    slug: String,
    email: String,
    problem: Option<Problem>,
}

impl SignUpPage {
    /// Whether the problem is about this field, so that it is told there.
    fn at(&self, field: &str) -> bool {
        let code = self.problem.as_ref().map_or("", |p| p.code);
        match field {
            "name" => code == "bad_name",
            "slug" => matches!(code, "bad_slug" | "slug_taken" | "slug_reserved"),
            "email" => matches!(code, "bad_email" | "email_taken"),
            "password" => code == "weak_password",
            _ => {
                !code.is_empty()
                    && !["name", "slug", "email", "password"].iter().any(|f| self.at(f))
            }
        }
    }
}

/// Whether anybody may sign up.
pub(super) async fn is_open(app: &App) -> Result<bool, Problem> {
    Ok(app.store.cluster_settings().await?.sign_up)
}

async fn form(
    app: &App,
    fields: Option<&Fields>,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let text = |name: &str| fields.map_or("", |f| f.text(name)).to_owned();
    let status = problem.as_ref().map(Problem::status_code);
    let page = SignUpPage {
        chrome: Chrome::public("Sign up"),
        open: is_open(app).await?,
        base: format!("{}/a/", app.config.cluster.main_url),
        name: text("name"),
        slug: text("slug"),
        email: text("email"),
        problem,
    };
    let mut response = html(&page)?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// The form. Under another name than the main URL's the cookie would be lost, so one is sent there
/// first.
pub async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    if sign_in::is_elsewhere(&app, &headers) {
        let to = format!("{}/sign-up", app.config.cluster.main_url);
        return Ok(Redirect::to(&to).into_response());
    }
    form(&app, None, None).await
}

async fn ask(app: &App, address: IpAddr, fields: &Fields) -> Result<Account, Problem> {
    let name = artist_new::name(fields.text("name"))?;
    let slug = artist_new::slug(Some(fields.text("slug")), &name)?;
    let email = accounts::email(fields.text("email"))?;
    // Hashing is work, and accounts are for good: neither in any number for one address.
    app.sign_up_limiter
        .take(address, &email, Instant::now())
        .map_err(|wait| Problem::too_many("Too many attempts to sign up.", wait.as_secs() + 1))?;
    let turn = app.turns.of(address).await;
    let password_hash = accounts::hashed(fields.text("password"), &email).await?;
    drop(turn);
    let by = By { actor: email.clone(), account_id: None, token: None, address: Some(address) };
    let taken = slug.to_string();
    match app.store.sign_up(SignUp { email, password_hash, name, slug, by }).await? {
        SignedUp::Made { account, .. } => Ok(account),
        SignedUp::Closed => {
            Err(Problem::conflict("sign_up_closed", "Nobody can sign up at the moment.")
                .remedy("Ask the people who run this site."))
        }
        SignedUp::EmailTaken => {
            Err(Problem::conflict("email_taken", "There is an account with this email address.")
                .remedy("Sign in with it, or use another address."))
        }
        SignedUp::SlugTaken => Err(artist_new::slug_taken(&taken)),
        SignedUp::NoDefault => Err(artist_new::no_default()),
    }
}

/// Makes account and artist, signs in, and goes to the workshop.
pub async fn submit(
    State(app): State<App>,
    Client(address): Client,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    origin::check_form(&headers, &app.config.cluster.main_url)?;
    match ask(&app, address, &fields).await {
        Ok(account) => {
            sign_in::open_session(&app, &headers, address, &account, sign_in::ARTISTS_HOME).await
        }
        Err(problem) if problem.status < 500 => form(&app, Some(&fields), Some(problem)).await,
        Err(problem) => Err(problem),
    }
}
