//! `POST /artists/{id}/upload-grants`: leave to write to an artist's tree, for a little while.

use crate::{app::App, auth::Actor, extract::Id, problem::Problem};
use axum::{Json, extract::State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tourbus_domain::ArtistId;
use tourbus_protocol::visitor::{Grant, VISITOR_TTL_S};
use tourbus_store::GrantFacts;
use utoipa::ToSchema;

/// How long a script's leave is good for, in seconds. A browser's is as short as a sign-out may
/// take to work everywhere.
const SCRIPT_TTL_S: i64 = 300;

/// Leave to write to an artist's tree.
#[derive(Clone, Serialize, ToSchema)]
pub struct UploadGrant {
    /// Where uploads begin, by the tus protocol; on the artist's home server.
    pub url: String,
    /// Where everything else of the workshop is.
    pub workshop_url: String,
    /// Goes into `Authorization: Bearer …` of every request there.
    pub token: String,
    /// Until when. Ask again before each request; the artist may have moved meanwhile.
    pub expires_at: DateTime<Utc>,
    /// How large all of the artist's files may be, in bytes.
    pub quota_bytes: i64,
}

/// Leave for somebody whose artist this is; the API's and the pages' way.
pub fn give(app: &App, actor: &Actor, facts: &GrantFacts) -> Result<UploadGrant, Problem> {
    actor.require_artist(facts.account_id)?;
    let Some(key) = &app.visitor_key else {
        return Err(Problem::conflict("no_uploads", "This master has no key to give leave with.")
            .remedy("An admin sets visitor_key in web's configuration; see docs/deploying.md."));
    };
    if facts.making {
        return Err(Problem::conflict("being_made", "The artist's page is being made.")
            .remedy("Try again in a moment.")
            .retry_after(1));
    }
    let broken = |what: &str| Problem::internal(&format!("a grant: the {what} is none"));
    let ttl_s = if actor.token.is_some() { SCRIPT_TTL_S } else { VISITOR_TTL_S };
    let now = Utc::now();
    let expires_at = now + TimeDelta::seconds(ttl_s);
    let grant = Grant {
        server: facts.server_slug.parse().map_err(|_| broken("server"))?,
        artist: ArtistId(facts.id),
        slug: facts.slug.parse().map_err(|_| broken("slug"))?,
        account: actor.account.id,
        quota_bytes: facts.quota_bytes.unsigned_abs(),
        issued_at_s: now.timestamp(),
        expires_at_s: expires_at.timestamp(),
    };
    let token = key.sign(&grant).map_err(|e| Problem::internal(&e))?;
    let base = format!("{}/artists/{}", facts.server_url.trim_end_matches('/'), facts.slug);
    Ok(UploadGrant {
        url: format!("{base}/uploads"),
        workshop_url: format!("{base}/workshop"),
        token,
        expires_at,
        quota_bytes: facts.quota_bytes,
    })
}

/// Gives leave to upload to an artist's home server, and to change what the artist has there.
#[utoipa::path(post, path = "/artists/{id}/upload-grants", tag = "artists",
    operation_id = "grant_upload", params(("id" = Uuid, Path)),
    responses((status = 200, body = UploadGrant), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn grant(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
) -> Result<Json<UploadGrant>, Problem> {
    let facts = app.store.grant_facts(id).await?.ok_or_else(|| Problem::not_found("artist", id))?;
    give(&app, &actor, &facts).map(Json)
}
