//! `/artists`.

use super::view::{ArtistView, SongView};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ArtistId, ServerId};
use tourbus_store::{ArtistCursor, ArtistKey, ArtistQuery, ArtistSort, HomeTotals, Matching};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Longest filter, in characters.
pub const FILTER_CHARS_MAX: usize = 200;

/// A sort order; `-` puts the largest first. Without one: by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum Sort {
    /// A to Z.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// Z to A.
    #[serde(rename = "-name")]
    NameDown,
    /// Fewest plays first.
    #[serde(rename = "plays_total")]
    PlaysTotal,
    /// Most plays first.
    #[serde(rename = "-plays_total")]
    PlaysTotalDown,
    /// Fewest plays of the last 30 days first.
    #[serde(rename = "plays_30d")]
    Plays30d,
    /// Most plays of the last 30 days first.
    #[serde(rename = "-plays_30d")]
    Plays30dDown,
    /// Smallest first.
    #[serde(rename = "bytes")]
    Bytes,
    /// Largest first.
    #[serde(rename = "-bytes")]
    BytesDown,
}

impl Sort {
    /// As the database knows it.
    pub const fn to_store(self) -> ArtistSort {
        let (key, descending) = match self {
            Self::Name => (ArtistKey::Name, false),
            Self::NameDown => (ArtistKey::Name, true),
            Self::PlaysTotal => (ArtistKey::PlaysTotal, false),
            Self::PlaysTotalDown => (ArtistKey::PlaysTotal, true),
            Self::Plays30d => (ArtistKey::Plays30d, false),
            Self::Plays30dDown => (ArtistKey::Plays30d, true),
            Self::Bytes => (ArtistKey::Bytes, false),
            Self::BytesDown => (ArtistKey::Bytes, true),
        };
        ArtistSort { key, descending }
    }
}

/// Which artists, in which order.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Part of the name, any case.
    pub filter: String,
    /// Only those who live here.
    pub server_id: Option<Uuid>,
    /// Sort order; `name` without it.
    #[param(inline)]
    pub sort: Sort,
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    sort: Sort,
    key: String,
    id: Uuid,
}

/// Checks a filter.
pub fn filter(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > FILTER_CHARS_MAX || text.contains('\0') {
        return Err(Problem::bad_request("bad_filter", "`filter` is too long, or has a NUL.")
            .remedy(format!("Use at most {FILTER_CHARS_MAX} characters.")));
    }
    Ok(text.to_owned())
}

/// One page of artists; the API's and the pages' way.
pub async fn page(app: &App, params: &ListParams) -> Result<Page<ArtistView>, Problem> {
    let (sort, limit) = (params.sort, cursor::limit(params.limit)?);
    let after = match &params.cursor {
        None => None,
        Some(text) => {
            let cursor: Cursor = cursor::unpack(text)?;
            let numeric = !matches!(sort, Sort::Name | Sort::NameDown);
            if cursor.sort != sort || (numeric && cursor.key.parse::<i64>().is_err()) {
                return Err(cursor::bad_cursor());
            }
            Some(ArtistCursor { key: cursor.key, id: ArtistId(cursor.id) })
        }
    };
    let which = Matching {
        filter: filter(&params.filter)?,
        server_id: params.server_id.map(ServerId),
        except: Vec::new(),
    };
    let query = ArtistQuery { which, sort: sort.to_store(), after, limit: limit + 1 };
    let rows = app.store.artists(&query).await?;
    let pack = |row: &tourbus_store::ArtistRow| {
        let ArtistCursor { key, id } = row.cursor(sort.to_store().key);
        cursor::pack(&Cursor { sort, key, id: id.0 })
    };
    Ok(Page::cut(rows, limit, pack, ArtistView::from))
}

/// Artists, filtered and sorted.
#[utoipa::path(get, path = "/artists", tag = "artists", operation_id = "list_artists",
    params(ListParams),
    responses((status = 200, body = Page<ArtistView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<ArtistView>>, Problem> {
    page(&app, &params).await.map(Json)
}

/// Which artists.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct TotalsParams {
    /// Part of the name, any case.
    pub filter: String,
    /// Only those who live here.
    pub server_id: Option<Uuid>,
}

/// What the matching artists of one home server add up to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Totals)]
pub struct TotalsView {
    /// Their home server.
    pub server_id: Uuid,
    /// How many they are.
    pub artists: i64,
    /// Their plays, ever.
    pub plays_total: i64,
    /// Their plays in the last 30 days.
    pub plays_30d: i64,
    /// Size of their files.
    pub bytes: i64,
}

/// What all matching artists add up to, per home server: before moving all that match.
#[utoipa::path(get, path = "/artists/totals", tag = "artists", operation_id = "total_artists",
    params(TotalsParams), responses((status = 200, body = Page<TotalsView>)))]
pub async fn totals(
    State(app): State<App>,
    Params(params): Params<TotalsParams>,
) -> Result<Json<Page<TotalsView>>, Problem> {
    let which = Matching {
        filter: filter(&params.filter)?,
        server_id: params.server_id.map(ServerId),
        except: Vec::new(),
    };
    let view = |t: HomeTotals| TotalsView {
        server_id: t.server_id,
        artists: t.artists,
        plays_total: t.plays_total,
        plays_30d: t.plays_30d,
        bytes: t.bytes,
    };
    let rows = app.store.artist_totals(&which).await?;
    Ok(Json(Page::whole(rows.into_iter().map(view).collect())))
}

/// One artist; for whoever has its id.
pub async fn read(app: &App, id: ArtistId) -> Result<ArtistView, Problem> {
    let row = app.store.artist(id).await?.ok_or_else(|| Problem::not_found("artist", id))?;
    Ok(row.into())
}

/// Who may not look at the cluster sees what is their own.
async fn may_see(app: &App, actor: &Actor, id: ArtistId) -> Result<(), Problem> {
    if actor.may(Right::Look) {
        return Ok(());
    }
    let facts = app.store.grant_facts(id).await?.ok_or_else(|| Problem::not_found("artist", id))?;
    actor.require_artist(facts.account_id)
}

/// One artist.
#[utoipa::path(get, path = "/artists/{id}", tag = "artists", operation_id = "get_artist",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = ArtistView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
) -> Result<Json<ArtistView>, Problem> {
    may_see(&app, &actor, id).await?;
    read(&app, id).await.map(Json)
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Items of a page, 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// An artist's songs, in order.
#[utoipa::path(get, path = "/artists/{id}/songs", tag = "artists", operation_id = "list_songs",
    params(("id" = Uuid, Path), PageParams),
    responses((status = 200, body = Page<SongView>), (status = 404, body = Problem)))]
pub async fn songs(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<SongView>>, Problem> {
    may_see(&app, &actor, id).await?;
    let limit = cursor::limit(params.limit)?;
    let after: Option<i32> = params.cursor.as_deref().map(cursor::unpack).transpose()?;
    if app.store.artist(id).await?.is_none() {
        return Err(Problem::not_found("artist", id));
    }
    let rows = app.store.songs(id, after, limit + 1).await?;
    Ok(Json(Page::cut(rows, limit, |r| cursor::pack(&r.position), SongView::from)))
}
