//! Move Artists: Filter, Choose Artist(s), Choose Server, Move Artists.

use super::{
    chrome::{Chrome, html},
    form::query,
    show,
};
use crate::{
    api::{
        artists::{self, ListParams, Sort},
        view::{ArtistView, ServerState, ServerView},
    },
    app::App,
    auth::Actor,
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use tourbus_domain::ServerId;
use tourbus_store::Matching;
use uuid::Uuid;

/// Artists on a page.
const ARTISTS: u32 = 50;
/// A count goes no further: "2,000+" is as good.
const COUNT_MAX: u32 = 2_000;
/// Asks for the list alone.
const FRAGMENT: &str = "x-fragment";

/// Which artists, in which order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    filter: String,
    /// Empty for every server.
    server_id: String,
    /// Empty for by name.
    sort: String,
    cursor: Option<String>,
}

/// The sort order that the address names.
fn sort(text: &str) -> Result<Sort, Problem> {
    let known = SORTS.iter().find(|(name, ..)| *name == text || text.is_empty());
    known.map(|(_, sort, _)| *sort).ok_or_else(|| {
        Problem::bad_request("bad_sort", format!("{text:?} is no order to sort artists in."))
            .remedy("Choose one under Sort by.")
    })
}

/// One artist that can be chosen.
struct Line {
    id: Uuid,
    slug: String,
    name: String,
    server_id: Uuid,
    home: String,
    songs: i32,
    plays_total: i64,
    plays_30d: i64,
    bytes: i64,
    plays_total_text: String,
    plays_30d_text: String,
    bytes_text: String,
    job: Option<Uuid>,
}

/// The list of artists that can be chosen.
struct List {
    lines: Vec<Line>,
    /// How many match; "2,000+" if there are too many to count.
    matching: String,
    /// The same as a number; only as far as counted.
    matching_n: u64,
    filter: String,
    server_id: String,
    /// Query strings.
    first: String,
    next: String,
    later: bool,
}

/// A server to choose from.
pub struct Card {
    pub id: Uuid,
    pub name: String,
    pub is_master: bool,
    pub state: ServerState,
    /// Why it cannot be chosen; empty if it can.
    pub closed: String,
    pub artists: i64,
    pub plays_total: i64,
    pub plays_30d: i64,
    pub free_bytes: Option<i64>,
    pub artists_text: String,
    pub plays_total_text: String,
    pub plays_30d_text: String,
    pub free_text: String,
    pub arriving_text: String,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "move.html")]
struct MovePage {
    chrome: Chrome,
    list: List,
    homes: Vec<Choice>,
    sorts: Vec<Choice>,
    cards: Vec<Card>,
    /// Once per rendered form, so that pressing the button twice moves once.
    key: String,
    page_size: u32,
}

#[derive(Template)]
#[template(path = "_artists.html")]
struct Fragment {
    list: List,
}

const SORTS: [(&str, Sort, &str); 6] = [
    ("name", Sort::Name, "Name"),
    ("-plays_30d", Sort::Plays30dDown, "Most plays, 30 days"),
    ("-plays_total", Sort::PlaysTotalDown, "Most plays, total"),
    ("plays_total", Sort::PlaysTotal, "Fewest plays, total"),
    ("-bytes", Sort::BytesDown, "Largest"),
    ("bytes", Sort::Bytes, "Smallest"),
];

fn sort_name(sort: Sort) -> &'static str {
    SORTS.iter().find(|(_, s, _)| *s == sort).map_or("name", |(name, _, _)| name)
}

/// The page, or (for its script) the list alone.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    headers: HeaderMap,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let offline_after_s = app.config.offline_after_s;
    let servers: Vec<ServerView> = app
        .store
        .servers()
        .await?
        .into_iter()
        .map(|r| ServerView::new(r, offline_after_s))
        .collect();
    let sorted = sort(&asked.sort)?;
    let list = list(&app, &asked, sorted, &servers).await?;
    if headers.get(FRAGMENT).is_some_and(|v| v == "artists") {
        return html(&Fragment { list });
    }
    let home = |s: &ServerView| Choice {
        value: s.id.to_string(),
        text: format!("{} ({})", s.name, show::count(s.artists)),
        chosen: s.id.to_string() == asked.server_id,
    };
    let order = |(value, sort, text): &(&str, Sort, &str)| Choice {
        value: (*value).to_owned(),
        text: (*text).to_owned(),
        chosen: *sort == sorted,
    };
    html(&MovePage {
        chrome: Chrome::of(&actor, "move", "Move Artists"),
        homes: servers.iter().map(home).collect(),
        sorts: SORTS.iter().map(order).collect(),
        cards: cards(&servers),
        list,
        key: Uuid::new_v4().to_string(),
        page_size: ARTISTS,
    })
}

/// The servers that artists can move to: the master and the active ones.
pub fn cards(servers: &[ServerView]) -> Vec<Card> {
    servers.iter().filter(|s| s.active || s.is_master).map(card).collect()
}

/// Why a server takes no artists; empty if it does.
pub const fn closed(server: &ServerView) -> &'static str {
    match (server.active, server.draining, server.state) {
        (false, ..) => "Not active: it takes no artists.",
        (_, true, _) => "Being drained: it takes no more artists.",
        (.., ServerState::Offline) => "Offline: start a worker there first.",
        (.., ServerState::Never) if server.joined_at.is_none() => {
            "It has not joined yet: run its command on the machine first."
        }
        (.., ServerState::Never) => "No worker has ever reported: start one there first.",
        (.., ServerState::Quarantined) => "In quarantine: mend it and release it first.",
        (.., ServerState::Online | ServerState::Late) => "",
    }
}

fn card(server: &ServerView) -> Card {
    let closed = closed(server);
    let arriving = match server.arriving_bytes {
        0 => String::new(),
        n => format!("{} still arriving", show::bytes(n)),
    };
    Card {
        id: server.id,
        name: server.name.clone(),
        is_master: server.is_master,
        state: server.state,
        closed: closed.to_owned(),
        artists: server.artists,
        plays_total: server.plays_total,
        plays_30d: server.plays_30d,
        free_bytes: server.free_bytes,
        artists_text: show::count(server.artists),
        plays_total_text: show::count(server.plays_total),
        plays_30d_text: show::count(server.plays_30d),
        free_text: server.free_bytes.map_or_else(|| "unknown".to_owned(), show::bytes),
        arriving_text: arriving,
    }
}

async fn list(
    app: &App,
    asked: &Query,
    sorted: Sort,
    servers: &[ServerView],
) -> Result<List, Problem> {
    let server_id = match asked.server_id.as_str() {
        "" => None,
        text => Some(text.parse::<Uuid>().map_err(|_| {
            Problem::bad_request("bad_id", format!("{text:?} is not a server's id."))
                .remedy("Choose a server under Home server.")
        })?),
    };
    let params = ListParams {
        filter: asked.filter.clone(),
        server_id,
        sort: sorted,
        limit: Some(ARTISTS),
        cursor: asked.cursor.clone(),
    };
    let which = Matching {
        filter: artists::filter(&asked.filter)?,
        server_id: server_id.map(ServerId),
        except: Vec::new(),
    };
    let page = artists::page(app, &params).await?;
    // A whole list counts itself: the rarest names are the dearest to count.
    let matching_n = if page.next_cursor.is_none() && asked.cursor.is_none() {
        page.items.len() as u64
    } else {
        count(app, &which, servers).await?
    };
    let too_many = !which.filter.is_empty() && matching_n > u64::from(COUNT_MAX);
    let sort = if sorted == Sort::Name { "" } else { sort_name(sorted) };
    let base = [("filter", &*which.filter), ("server_id", &*asked.server_id), ("sort", sort)];
    let next = page.next_cursor.map(|c| query(&[base[0], base[1], base[2], ("cursor", &*c)]));
    Ok(List {
        lines: page.items.into_iter().map(|a| line(a, servers)).collect(),
        matching: if too_many {
            show::up_to(COUNT_MAX.into(), true)
        } else {
            show::up_to(matching_n, false)
        },
        matching_n,
        first: query(&base),
        next: next.unwrap_or_default(),
        later: asked.cursor.is_some(),
        filter: which.filter,
        server_id: asked.server_id.clone(),
    })
}

/// Without a filter the kept counters are exact; with one, counting stops early.
async fn count(app: &App, which: &Matching, servers: &[ServerView]) -> Result<u64, Problem> {
    if which.filter.is_empty() {
        let here = |s: &&ServerView| which.server_id.is_none_or(|id| id.0 == s.id);
        return Ok(servers.iter().filter(here).map(|s| s.artists.unsigned_abs()).sum());
    }
    Ok(app.store.count_artists(which, COUNT_MAX).await?)
}

fn line(artist: ArtistView, servers: &[ServerView]) -> Line {
    let home = servers.iter().find(|s| s.id == artist.server_id);
    Line {
        id: artist.id,
        slug: artist.slug,
        name: artist.name,
        server_id: artist.server_id,
        home: home.map_or_else(String::new, |s| s.name.clone()),
        songs: artist.songs,
        plays_total: artist.plays_total,
        plays_30d: artist.plays_30d,
        bytes: artist.bytes,
        plays_total_text: show::count(artist.plays_total),
        plays_30d_text: show::count(artist.plays_30d),
        bytes_text: show::bytes(artist.bytes),
        job: artist.operating_job_id,
    }
}
