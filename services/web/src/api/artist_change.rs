//! `PATCH /artists/{id}`: what an admin sets of an artist.

use super::{artists, profiles, view::ArtistView};
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::{Body, Id},
    problem::Problem,
};
use axum::{Json, extract::State};
use serde::{Deserialize, Deserializer};
use tourbus_domain::ArtistId;
use tourbus_store::{ArtistChange, ArtistChanged, Wish};
use utoipa::ToSchema;

/// A field that may be left out, be null, or hold something.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Wish<T>, D::Error> {
    Ok(Option::deserialize(value)?.map_or(Wish::Nothing, Wish::Be))
}

/// What becomes different of an artist; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtistPatch {
    /// How large the artist's files may be, in bytes; null for what the cluster's settings say.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    pub quota_bytes: Wish<u64>,
    /// The email of the account whose artist it is; null for nobody's.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub owner: Wish<String>,
    /// By which profile the artist's songs are converted from now on; null for the cluster's.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub lofi_profile: Wish<String>,
}

/// Changes what an admin sets of an artist. What the artist says of themselves is changed in the
/// workshop.
#[utoipa::path(patch, path = "/artists/{id}", tag = "artists", operation_id = "modify_artist",
    params(("id" = Uuid, Path)), request_body = ArtistPatch,
    responses((status = 200, body = ArtistView), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    Body(patch): Body<ArtistPatch>,
) -> Result<Json<ArtistView>, Problem> {
    actor.require(Right::Artists)?;
    let ArtistPatch { quota_bytes, owner, lofi_profile } = patch;
    if quota_bytes.wanted().is_some_and(|q| i64::try_from(*q).is_err()) {
        return Err(Problem::unprocessable("bad_quota", "The quota is more than anybody has.")
            .remedy("Give it in bytes, such as 10737418240 for 10 GiB.")
            .field("quota_bytes"));
    }
    if owner.wanted().is_some_and(|email| email.contains('\0')) {
        return Err(no_account());
    }
    // All that can be refused is asked before anything is changed.
    let profile = lofi_profile.wanted().map(String::as_str);
    if let Some(name) = profile {
        profiles::must_exist(&app, name, "lofi_profile").await?;
    }
    if quota_bytes.is_change() || owner.is_change() {
        let change = ArtistChange { quota_bytes, owner };
        match app.store.change_artist(&actor.by(), id, &change).await? {
            ArtistChanged::Done => {}
            ArtistChanged::Unknown => return Err(Problem::not_found("artist", id)),
            ArtistChanged::NoAccount => return Err(no_account()),
        }
    }
    if lofi_profile.is_change() {
        profiles::choose_for(&app, &actor, id, profile).await?;
    }
    artists::read(&app, id).await.map(Json)
}

fn no_account() -> Problem {
    Problem::unprocessable("no_account", "No account has this email address.")
        .remedy("Make the account first, with the role artist, under Accounts.")
        .field("owner")
}
