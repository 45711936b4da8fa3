//! Balance: how plays and disk are spread, and which few moves would spread them evenly.

use super::{
    balance_watch::Watch,
    chrome::{Chrome, html},
    form::Fields,
    show,
};
use crate::{
    api::balance::{
        self, AssignedBody, AssignedMove, BalanceParams, BalanceServerView, BalanceView,
    },
    api::moves::Priority,
    app::App,
    auth::Actor,
    extract::Params,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use uuid::Uuid;

/// What is wanted, in the words of the form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// In per cent.
    tolerance: String,
    moves_max: String,
    rest_days: String,
}

/// A server's bars: how its plays are to its share, before and after.
struct ServerLine {
    name: String,
    counted: bool,
    before: String,
    after: String,
    /// `12 % above`; empty for a server that is not counted.
    off_before: String,
    off_after: String,
    bytes_before: String,
    bytes_after: String,
    /// Widths of the bars in percent, and where the share is.
    before_width: String,
    after_width: String,
    share_at: String,
    changed: bool,
}

struct MoveLine {
    artist_id: Uuid,
    /// What the form sends: the artist's id and the target's.
    value: String,
    artist: String,
    from: String,
    to: String,
    bytes: String,
    plays: String,
    why: String,
}

#[derive(Template)]
#[template(path = "balance.html")]
struct BalancePage {
    chrome: Chrome,
    asked: Query,
    servers: Vec<ServerLine>,
    moves: Vec<MoveLine>,
    reached: bool,
    shortfall: String,
    summary: String,
    tolerance_text: String,
    problem: Option<Problem>,
    watch: Watch,
}

fn number<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<Option<T>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Problem::bad_request("bad_balance", format!("{name}: {shown:?} is no number."))
            .remedy("Write a number, such as 10.")
    })
}

fn params(asked: &Query) -> Result<BalanceParams, Problem> {
    let percent: Option<f64> = number("Tolerance", &asked.tolerance)?;
    Ok(BalanceParams {
        tolerance: percent.map(|p| p / 100.0),
        moves_max: number("Moves at most", &asked.moves_max)?,
        rest_days: number("Rest", &asked.rest_days)?,
    })
}

fn off(plays: u64, share: Option<f64>) -> String {
    let Some(share) = share else { return String::new() };
    if share <= 0.0 {
        return String::new();
    }
    let percent = (plays as f64 / share - 1.0) * 100.0;
    match percent {
        p if p.abs() < 0.5 => "at its share".to_owned(),
        p if p > 0.0 => format!("{p:.0} % above"),
        p => format!("{:.0} % below", -p),
    }
}

fn server_lines(servers: &[BalanceServerView]) -> Vec<ServerLine> {
    let most = servers.iter().flat_map(|s| {
        let share = s.share_plays_30d.unwrap_or(0.0);
        [s.plays_30d_before as f64, s.plays_30d_after as f64, share]
    });
    let most = most.fold(1.0, f64::max);
    let width = |value: f64| format!("{:.2}%", value * 100.0 / most);
    let count = |n: u64| show::count(n.try_into().unwrap_or(i64::MAX));
    let bytes = |n: u64| show::bytes(n.try_into().unwrap_or(i64::MAX));
    let line = |s: &BalanceServerView| ServerLine {
        name: s.name.clone(),
        counted: s.share_plays_30d.is_some(),
        before: count(s.plays_30d_before),
        after: count(s.plays_30d_after),
        off_before: off(s.plays_30d_before, s.share_plays_30d),
        off_after: off(s.plays_30d_after, s.share_plays_30d),
        bytes_before: bytes(s.bytes_before),
        bytes_after: bytes(s.bytes_after),
        before_width: width(s.plays_30d_before as f64),
        after_width: width(s.plays_30d_after as f64),
        share_at: width(s.share_plays_30d.unwrap_or(0.0)),
        changed: s.plays_30d_before != s.plays_30d_after || s.bytes_before != s.bytes_after,
    };
    servers.iter().map(line).collect()
}

fn move_lines(view: &BalanceView) -> Vec<MoveLine> {
    let name = |id: Uuid| {
        let server = view.servers.iter().find(|s| s.server_id == id);
        server.map_or_else(|| id.to_string(), |s| s.name.clone())
    };
    let line = |m: &balance::BalanceMove| MoveLine {
        artist_id: m.artist_id,
        value: format!("{}:{}", m.artist_id, m.to_server_id),
        artist: m.artist_name.clone(),
        from: name(m.from_server_id),
        to: name(m.to_server_id),
        bytes: show::bytes(m.bytes.try_into().unwrap_or(i64::MAX)),
        plays: show::count(m.plays_30d.try_into().unwrap_or(i64::MAX)),
        why: m.why.clone(),
    };
    view.moves.iter().map(line).collect()
}

fn summary(view: &BalanceView) -> String {
    let n = view.moves.len();
    let artists = if n == 1 { "1 artist".to_owned() } else { format!("{n} artists") };
    let bytes = show::bytes(view.bytes_moved.try_into().unwrap_or(i64::MAX));
    format!("{artists}, {bytes}")
}

pub(super) async fn answer(
    app: &App,
    actor: &Actor,
    asked: Query,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let view = balance::suggest(app, &params(&asked)?).await?;
    let status = problem.as_ref().map(Problem::status_code);
    let page = html(&BalancePage {
        chrome: Chrome::of(actor, "balance", "Balance"),
        asked,
        servers: server_lines(&view.servers),
        moves: move_lines(&view),
        reached: view.reached,
        summary: summary(&view),
        tolerance_text: format!("{:.0} %", view.tolerance * 100.0),
        shortfall: view.shortfall,
        problem,
        watch: Watch::read(app, actor).await?,
    })?;
    Ok(match status {
        Some(status) => (status, page).into_response(),
        None => page,
    })
}

/// How it is, and a suggestion.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    answer(&app, &actor, asked, None).await
}

fn chosen(fields: &Fields) -> Result<Vec<AssignedMove>, Problem> {
    let one = |value: &str| {
        let (artist, server) = value.split_once(':')?;
        Some(AssignedMove { artist_id: artist.parse().ok()?, to_server_id: server.parse().ok()? })
    };
    let read = |value: &str| {
        one(value).ok_or_else(|| {
            Problem::bad_request("bad_id", format!("{value:?} in the form is no move."))
                .remedy("Go back, reload the page and try again.")
        })
    };
    fields.all("move").map(read).collect()
}

/// Queues what was chosen of a suggestion.
pub async fn queue(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let text = |name: &str| fields.text(name).to_owned();
    let asked = Query {
        tolerance: text("tolerance"),
        moves_max: text("moves_max"),
        rest_days: text("rest_days"),
    };
    let reason = match fields.text("reason").trim() {
        "" => "Balance".to_owned(),
        said => said.to_owned(),
    };
    let (priority, dry_run) = (Priority::Normal, false);
    let body = AssignedBody { moves: chosen(&fields)?, reason, priority, dry_run };
    match balance::queue(&app, &actor, &body).await {
        Ok(result) => {
            if let Some(id) = result.batch_id {
                return Ok(Redirect::to(&format!("/batches/{id}")).into_response());
            }
            let why: Vec<String> = result.refused_reasons.into_iter().map(|r| r.summary).collect();
            let detail = format!("Nothing was queued: {}.", why.join("; "));
            let problem = Problem::unprocessable("nothing_queued", detail)
                .remedy("Look at the new suggestion below.");
            answer(&app, &actor, asked, Some(problem)).await
        }
        Err(problem) if problem.status == 422 => answer(&app, &actor, asked, Some(problem)).await,
        Err(problem) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_by_how_far_it_is_from_its_share() {
        assert_eq!(off(112, Some(100.0)), "12 % above");
        assert_eq!(off(60, Some(100.0)), "40 % below");
        assert_eq!(off(100, Some(100.2)), "at its share");
        assert_eq!(off(100, None), "");
    }

    #[test]
    fn a_form_says_which_moves() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let fields = Fields::parse(format!("move={a}%3A{b}&move={b}%3A{a}").as_bytes());
        let moves = chosen(&fields).unwrap();
        assert_eq!((moves.len(), moves[1].artist_id, moves[1].to_server_id), (2, b, a));
        assert_eq!(chosen(&Fields::parse(b"move=x")).unwrap_err().code, "bad_id");
    }
}
