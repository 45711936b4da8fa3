//! `/lofi/profiles`: what small renditions are like.

use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::Page,
    extract::{Body, Name},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tourbus_domain::ArtistId;
use tourbus_lofi::{Encoding, Excerpt, Profile};
use tourbus_store::{LofiProfileRow, ProfileError};
use utoipa::ToSchema;

/// Own profiles at most.
const PROFILES_MAX: usize = 100;

/// What small renditions are like. Songs never become better by it: one of fewer channels, of a
/// lower sample rate or bitrate keeps its own.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LofiProfile)]
pub struct ProfileView {
    /// Its name.
    pub name: String,
    /// The greatest bitrate, in bits per second.
    pub bitrate_bps_max: u32,
    /// The most channels: 1 or 2.
    pub channels_max: u8,
    /// The greatest sample rate, in hertz.
    pub sample_rate_hz_max: u32,
    /// Only so much from the middle of the song, in milliseconds; null for all of it.
    pub excerpt_ms: Option<u64>,
    /// How long that fades in and out, in milliseconds.
    pub fade_ms: u64,
    /// Whether it came with Tourbus: such a one cannot be deleted.
    pub built_in: bool,
    /// Whether songs are converted by it whose artist has none of their own.
    pub is_default: bool,
    /// How many artists have it as their own choice.
    pub artists: i64,
}

/// A profile that somebody wants.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProfile {
    /// 1 to 40 small letters, digits and hyphens.
    pub name: String,
    /// The greatest bitrate, in bits per second: one of MP3's.
    pub bitrate_bps_max: u32,
    /// The most channels: 1 or 2.
    pub channels_max: u8,
    /// The greatest sample rate, in hertz: one of MP3's.
    pub sample_rate_hz_max: u32,
    /// Only so much from the middle of the song, in milliseconds; all of it without.
    #[serde(default)]
    pub excerpt_ms: Option<u64>,
    /// How long that fades in and out, in milliseconds; 2000 without it.
    #[serde(default)]
    pub fade_ms: Option<u64>,
}

/// The fade that goes without saying, in milliseconds.
const FADE_MS: u64 = 2000;

impl NewProfile {
    fn profile(&self) -> Result<Profile, Problem> {
        let fade_ms = self.fade_ms.unwrap_or(FADE_MS);
        let profile = Profile {
            name: self.name.clone(),
            encoding: Encoding::Mp3 { bitrate_bps_max: self.bitrate_bps_max },
            channels_max: self.channels_max,
            sample_rate_hz_max: self.sample_rate_hz_max,
            excerpt: self.excerpt_ms.map(|duration_ms| Excerpt { duration_ms, fade_ms }),
        };
        profile.validate().map_err(|e| {
            let field = match e {
                tourbus_lofi::ProfileError::Name(_) => "name",
                tourbus_lofi::ProfileError::Channels(_) => "channels_max",
                tourbus_lofi::ProfileError::Bitrate { .. } => "bitrate_bps_max",
                tourbus_lofi::ProfileError::SampleRate(_)
                | tourbus_lofi::ProfileError::WavSampleRate(_) => "sample_rate_hz_max",
                tourbus_lofi::ProfileError::Excerpt(_)
                | tourbus_lofi::ProfileError::Fade { .. } => "excerpt_ms",
            };
            let detail = tourbus_domain::full_stop(e.to_string());
            Problem::unprocessable("bad_profile", detail).field(field)
        })?;
        Ok(profile)
    }
}

fn view(
    profile: &Profile,
    row: Option<&LofiProfileRow>,
    default: &str,
    artists: i64,
) -> ProfileView {
    let bitrate_bps_max = match profile.encoding {
        Encoding::Mp3 { bitrate_bps_max } => bitrate_bps_max,
        Encoding::Wav {} => 0,
    };
    ProfileView {
        name: profile.name.clone(),
        bitrate_bps_max,
        channels_max: profile.channels_max,
        sample_rate_hz_max: profile.sample_rate_hz_max,
        excerpt_ms: profile.excerpt.map(|e| e.duration_ms),
        fade_ms: profile.excerpt.map_or(0, |e| e.fade_ms),
        built_in: row.is_none(),
        is_default: profile.name == default,
        artists,
    }
}

/// Every profile, those that are built in first; the API's and the pages' way.
pub async fn all(app: &App) -> Result<Vec<ProfileView>, Problem> {
    let default = app.store.lofi_profile().await?;
    let chosen = app.store.lofi_profiles_chosen().await?;
    let artists = |name: &str| chosen.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
    let built_in = [Profile::standard(), Profile::classic(), Profile::preview()];
    let mut views: Vec<ProfileView> =
        built_in.iter().map(|p| view(p, None, &default, artists(&p.name))).collect();
    for row in app.store.lofi_profiles().await? {
        match serde_json::from_value::<Profile>(row.spec.clone()) {
            Ok(profile) => views.push(view(&profile, Some(&row), &default, artists(&row.name))),
            // Another version's: its jobs say so too.
            Err(error) => {
                tracing::error!(%error, profile = row.name, "lofi.profile_not_understood");
            }
        }
    }
    Ok(views)
}

/// Adds a profile; the API's and the pages' way.
pub async fn add(app: &App, actor: &Actor, new: &NewProfile) -> Result<ProfileView, Problem> {
    actor.require(Right::Servers)?;
    let profile = new.profile()?;
    let taken = || {
        Problem::conflict("profile_taken", format!("There is a profile {:?} already.", new.name))
            .remedy(
                "Give it another name. A profile is never changed: what was made by it says so.",
            )
            .field("name")
    };
    if Profile::named(&profile.name).is_some() {
        return Err(taken());
    }
    if app.store.lofi_profiles().await?.len() >= PROFILES_MAX {
        let detail = format!("There are {PROFILES_MAX} profiles already.");
        return Err(Problem::conflict("too_many_profiles", detail)
            .remedy("Delete one that nobody converts by."));
    }
    let spec = serde_json::to_value(&profile)
        .map_err(|e| Problem::unprocessable("bad_profile", e.to_string()))?;
    match app.store.create_lofi_profile(&actor.by(), &profile.name, &spec).await? {
        Ok(()) => {
            let made = all(app).await?.into_iter().find(|p| p.name == profile.name);
            made.ok_or_else(|| Problem::not_found("profile", &profile.name))
        }
        Err(ProfileError::Remembered) => Err(Problem::conflict(
            "profile_remembered",
            format!("Songs have LOFIs by a profile {:?} that was deleted.", profile.name),
        )
        .remedy("Give it another name, or convert those songs by another profile first.")
        .field("name")),
        Err(_) => Err(taken()),
    }
}

/// Refuses a profile that there is not, in this field of a request.
pub async fn must_exist(app: &App, name: &str, field: &'static str) -> Result<(), Problem> {
    if Profile::named(name).is_some()
        || app.store.lofi_profiles().await?.iter().any(|p| p.name == name)
    {
        return Ok(());
    }
    Err(no_such(name).field(field))
}

fn no_such(name: &str) -> Problem {
    let shown: String = name.chars().take(40).collect();
    Problem::unprocessable("no_such_profile", format!("There is no profile {shown:?}."))
        .remedy("Use one of GET /api/v1/lofi/profiles, or make it first.")
        .field("lofi_profile")
}

/// By which profile the cluster converts from now on; the API's and the pages' way.
pub async fn choose(app: &App, actor: &Actor, name: &str) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    let built_in = Profile::named(name).is_some();
    let chosen = app.store.set_lofi_profile(&actor.by(), name, built_in).await?;
    chosen.map_err(|_| no_such(name))
}

/// By which profile an artist's songs are converted from now on, none for the cluster's; the API's
/// and the pages' way.
pub async fn choose_for(
    app: &App,
    actor: &Actor,
    artist: ArtistId,
    name: Option<&str>,
) -> Result<(), Problem> {
    actor.require(Right::Artists)?;
    let built_in = name.is_some_and(|name| Profile::named(name).is_some());
    match app.store.set_artist_lofi_profile(&actor.by(), artist, name, built_in).await? {
        Ok(()) => Ok(()),
        Err(ProfileError::UnknownArtist) => Err(Problem::not_found("artist", artist)),
        Err(_) => Err(no_such(name.unwrap_or_default())),
    }
}

/// Deletes a profile; the API's and the pages' way.
pub async fn remove(app: &App, actor: &Actor, name: &str) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    if Profile::named(name).is_some() {
        return Err(Problem::conflict("profile_built_in", format!("{name} came with Tourbus."))
            .remedy("It cannot be deleted; choose another one as the cluster's."));
    }
    match app.store.delete_lofi_profile(&actor.by(), name).await? {
        Ok(()) => Ok(()),
        Err(ProfileError::InUse) => {
            Err(Problem::conflict("profile_in_use", format!("Songs are converted by {name}."))
                .remedy("Choose another one for the cluster, and for the artists who have it."))
        }
        Err(_) => Err(Problem::not_found("profile", name)),
    }
}

/// Every profile.
#[utoipa::path(get, path = "/lofi/profiles", tag = "lofi", operation_id = "list_lofi_profiles",
    responses((status = 200, body = Page<ProfileView>)))]
pub async fn list(State(app): State<App>) -> Result<Json<Page<ProfileView>>, Problem> {
    Ok(Json(Page::whole(all(&app).await?)))
}

/// Adds a profile. It is never changed afterwards, so that its name says what was made by it.
#[utoipa::path(post, path = "/lofi/profiles", tag = "lofi", operation_id = "create_lofi_profile",
    request_body = NewProfile,
    responses((status = 201, body = ProfileView), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(new): Body<NewProfile>,
) -> Result<(StatusCode, Json<ProfileView>), Problem> {
    Ok((StatusCode::CREATED, Json(add(&app, &actor, &new).await?)))
}

/// Deletes a profile that nobody converts by. Songs that were made by it stay as they are.
#[utoipa::path(delete, path = "/lofi/profiles/{name}", tag = "lofi",
    operation_id = "delete_lofi_profile", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Name(name): Name,
) -> Result<StatusCode, Problem> {
    remove(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_profile_names_its_field() {
        let good = NewProfile {
            name: "tiny".to_owned(),
            bitrate_bps_max: 24_000,
            channels_max: 1,
            sample_rate_hz_max: 16_000,
            excerpt_ms: None,
            fade_ms: None,
        };
        assert!(good.profile().is_ok());
        for (bad, field) in [
            (NewProfile { name: "Tiny!".to_owned(), ..good.clone() }, "name"),
            (NewProfile { bitrate_bps_max: 1, ..good.clone() }, "bitrate_bps_max"),
            (NewProfile { channels_max: 3, ..good.clone() }, "channels_max"),
            (NewProfile { sample_rate_hz_max: 1, ..good.clone() }, "sample_rate_hz_max"),
            (NewProfile { excerpt_ms: Some(1), ..good.clone() }, "excerpt_ms"),
        ] {
            let problem = bad.profile().unwrap_err();
            assert_eq!(problem.field, Some(field));
            assert!(problem.detail.ends_with('.'), "{}", problem.detail);
        }
    }
}
