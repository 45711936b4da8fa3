//! `/balance`: which few moves would spread the plays evenly.

use super::moves::{self, MoveResult, Priority};
use crate::{
    app::App,
    auth::{Actor, Right},
    extract::{Body, Params},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokio::sync::Semaphore;
use tourbus_domain::{
    ArtistId, BalanceGoal, MoveCause, MoveReason, Plan, ServerId, Shortfall, ShortfallReason,
    suggest_moves,
};
use tourbus_store::AssignedMoves;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Whose turn it is to plan.
static PLANNING: Semaphore = Semaphore::const_new(1);
/// Moves of a suggestion at most.
const MOVES_MAX: usize = 2_000;
/// Days that an artist rests after a move unless asked otherwise.
const REST_DAYS: u32 = 7;
const REST_DAYS_MAX: u32 = 365;

/// What is wanted; all of it may be left out.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct BalanceParams {
    /// How far a server may be from its share of the plays, as a part of that share: 0.01 to 1;
    /// 0.1 without it.
    pub tolerance: Option<f64>,
    /// Moves at most, 1 to 2000; 200 without it.
    pub moves_max: Option<u32>,
    /// Artists that moved within so many days stay, 0 to 365; 7 without it.
    pub rest_days: Option<u32>,
}

/// One move of a suggestion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BalanceMove {
    /// Whom.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// From where.
    pub from_server_id: Uuid,
    /// To where.
    pub to_server_id: Uuid,
    /// Size of all files.
    pub bytes: u64,
    /// Plays in the last 30 days.
    pub plays_30d: u64,
    /// What it is good for, in words.
    pub why: String,
}

/// What comes of a suggestion on one server.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BalanceServerView {
    /// The server.
    pub server_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its share of the plays of the last 30 days; null for a server that is not counted: inactive,
    /// offline, or being drained.
    pub share_plays_30d: Option<f64>,
    /// Plays in the last 30 days, before.
    pub plays_30d_before: u64,
    /// The same, afterwards.
    pub plays_30d_after: u64,
    /// Size of its artists' files, before.
    pub bytes_before: u64,
    /// The same, afterwards.
    pub bytes_after: u64,
}

/// A suggestion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BalanceView {
    /// The tolerance that it was made for.
    pub tolerance: f64,
    /// Whether every server is within the tolerance afterwards.
    pub reached: bool,
    /// Why not; empty if so.
    pub shortfall: String,
    /// The moves, most plays first. None when the cluster is in balance.
    pub moves: Vec<BalanceMove>,
    /// Bytes that they move.
    pub bytes_moved: u64,
    /// Every server.
    pub servers: Vec<BalanceServerView>,
}

/// What people call servers and artists.
struct Names {
    servers: HashMap<Uuid, String>,
    artists: HashMap<Uuid, String>,
}

impl Names {
    fn server(&self, id: ServerId) -> String {
        self.servers.get(&id.0).cloned().unwrap_or_else(|| id.to_string())
    }

    fn artist(&self, id: ArtistId) -> String {
        self.artists.get(&id.0).cloned().unwrap_or_else(|| id.to_string())
    }
}

fn bad(name: &'static str, what: impl std::fmt::Display, use_: &str) -> Problem {
    Problem::bad_request("bad_balance", format!("`{name}` is {what}."))
        .remedy(format!("Use {use_}."))
}

fn goal(params: &BalanceParams) -> Result<(BalanceGoal, u32), Problem> {
    let tolerance = params.tolerance.unwrap_or(BalanceGoal::default().tolerance);
    if !(0.01..=1.0).contains(&tolerance) {
        return Err(bad("tolerance", tolerance, "a part from 0.01 (1 %) to 1 (100 %)"));
    }
    let moves_max = params.moves_max.map_or(BalanceGoal::default().moves_max, |n| n as usize);
    if !(1..=MOVES_MAX).contains(&moves_max) {
        return Err(bad("moves_max", moves_max, "1 to 2000"));
    }
    let rest_days = params.rest_days.unwrap_or(REST_DAYS);
    if rest_days > REST_DAYS_MAX {
        return Err(bad("rest_days", rest_days, "0 to 365"));
    }
    Ok((BalanceGoal { tolerance, moves_max }, rest_days))
}

fn why(reason: &MoveReason, from: &str, to: &str) -> String {
    let over = crate::pages::show::count(reason.source_over_plays_30d.max(0));
    let under = crate::pages::show::count(reason.target_under_plays_30d.max(0));
    match reason.cause {
        MoveCause::RelievesAndFills => {
            format!("{from} is {over} plays above its share, {to} {under} below")
        }
        MoveCause::Relieves => format!("{from} is {over} plays above its share"),
        MoveCause::Fills => format!("{to} is {under} plays below its share"),
        MoveCause::MakesWay => format!("makes way on {from} for others"),
    }
}

fn shortfall(found: &Shortfall, names: &Names) -> String {
    let server = names.server(found.server_id);
    let because = match found.reason {
        ShortfallReason::NoTarget => "no other server takes artists".to_owned(),
        ShortfallReason::ArtistTooLarge(id) => {
            return format!(
                "{} alone has more plays than a server’s share and the tolerance: {server} stays \
                 outside.",
                names.artist(id)
            );
        }
        ShortfallReason::NothingMovable => {
            "everybody who could be moved has moved lately, or is moving".to_owned()
        }
        ShortfallReason::MoveBound => "it takes more moves than are allowed".to_owned(),
        ShortfallReason::NoRoom(id) => {
            format!("no server has room for {}", names.artist(id))
        }
        ShortfallReason::Resting(id) => {
            format!("{} has moved lately, or is moving, and stays for now", names.artist(id))
        }
        ShortfallReason::TooCoarse => "the artists are too unequal for this tolerance".to_owned(),
    };
    format!("{server} stays outside the tolerance: {because}.")
}

/// What a shorter rest might mend.
fn rest(resting: usize) -> String {
    match resting {
        0 => String::new(),
        1 => " 1 artist has moved lately, or is moving, and stays for now.".to_owned(),
        n => format!(" {n} artists have moved lately, or are moving, and stay for now."),
    }
}

fn view(plan: &Plan, goal: &BalanceGoal, names: &Names, resting: usize) -> BalanceView {
    let moves = plan.moves.iter().map(|m| BalanceMove {
        artist_id: m.artist_id.0,
        artist_name: names.artist(m.artist_id),
        from_server_id: m.from.0,
        to_server_id: m.to.0,
        bytes: m.bytes,
        plays_30d: m.plays_30d,
        why: why(&m.why, &names.server(m.from), &names.server(m.to)),
    });
    let servers = plan.servers.iter().map(|s| BalanceServerView {
        server_id: s.server_id.0,
        name: names.server(s.server_id),
        share_plays_30d: s.share_plays_30d,
        plays_30d_before: s.plays_before_30d,
        plays_30d_after: s.plays_after_30d,
        bytes_before: s.bytes_before,
        bytes_after: s.bytes_after,
    });
    BalanceView {
        tolerance: goal.tolerance,
        reached: plan.is_reached(),
        shortfall: plan
            .shortfall
            .as_ref()
            .map_or_else(String::new, |s| shortfall(s, names) + &rest(resting)),
        moves: moves.collect(),
        bytes_moved: plan.bytes_moved(),
        servers: servers.collect(),
    }
}

/// Suggests moves; the API's and the pages' way.
pub async fn suggest(app: &App, params: &BalanceParams) -> Result<BalanceView, Problem> {
    let (goal, rest_days) = goal(params)?;
    // One at a time: planning takes a core for a moment, and the other pages need it too.
    let turn = PLANNING.acquire().await.map_err(|e| Problem::internal(&e))?;
    let (reserve, offline) = (app.config.disk_reserve_bytes, app.config.offline_after_s);
    let ground = app.store.balance_ground(rest_days, reserve, offline).await?;
    let resting = ground.artists.iter().filter(|a| !a.movable).count();
    let planned =
        tokio::task::spawn_blocking(move || suggest_moves(&ground.servers, &ground.artists, &goal));
    let plan = planned.await.map_err(|e| Problem::internal(&e))?;
    drop(turn);
    let plan = plan.map_err(|e| Problem::internal(&e))?;
    let mut artists: Vec<ArtistId> = plan.moves.iter().map(|m| m.artist_id).collect();
    if let Some(Shortfall { reason, .. }) = &plan.shortfall
        && let ShortfallReason::ArtistTooLarge(id)
        | ShortfallReason::NoRoom(id)
        | ShortfallReason::Resting(id) = reason
    {
        artists.push(*id);
    }
    let servers = app.store.servers().await?;
    let names = Names {
        servers: servers.into_iter().map(|s| (s.id, s.name)).collect(),
        artists: app.store.artist_names(&artists).await?.into_iter().collect(),
    };
    Ok(view(&plan, &goal, &names, resting))
}

/// Which few moves, with the fewest bytes, would bring every server within the tolerance of its
/// share of the plays of the last 30 days. Nothing is queued.
#[utoipa::path(get, path = "/balance", tag = "balance", operation_id = "suggest_moves",
    params(BalanceParams),
    responses((status = 200, body = BalanceView), (status = 400, body = Problem)))]
pub async fn get(
    State(app): State<App>,
    Params(params): Params<BalanceParams>,
) -> Result<Json<BalanceView>, Problem> {
    suggest(&app, &params).await.map(Json)
}

/// One artist and where it goes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignedMove {
    /// Whom.
    pub artist_id: Uuid,
    /// To where.
    pub to_server_id: Uuid,
}

/// Moves to several servers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignedBody {
    /// Whom to move where; a suggestion's, edited or not.
    pub moves: Vec<AssignedMove>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Which lane.
    #[serde(default)]
    pub priority: Priority,
    /// Answer, but change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Queues moves to several servers; the API's and the pages' way.
pub async fn queue(app: &App, actor: &Actor, body: &AssignedBody) -> Result<MoveResult, Problem> {
    actor.require(Right::Move)?;
    if body.moves.is_empty() {
        return Err(Problem::unprocessable("no_artists", "`moves` is empty.")
            .remedy("Choose at least one move."));
    }
    if body.moves.len() > MOVES_MAX {
        return Err(Problem::unprocessable("too_many_artists", "`moves` has too many entries.")
            .remedy(format!("Send at most {MOVES_MAX}.")));
    }
    let reason = moves::reason(&body.reason)?;
    let one = |m: &AssignedMove| (ArtistId(m.artist_id), ServerId(m.to_server_id));
    let request = AssignedMoves {
        by: actor.by(),
        moves: body.moves.iter().map(one).collect(),
        reason,
        express: body.priority == Priority::Express,
        dry_run: body.dry_run,
        disk_reserve_bytes: app.config.disk_reserve_bytes,
        offline_after_s: app.config.offline_after_s,
    };
    let answer = app.store.enqueue_assigned(&request).await?;
    let (refused, refused_reasons) = moves::refusals(app, &answer.refused, "the target").await?;
    Ok(MoveResult {
        batch_id: answer.batch_id.map(|id| id.0),
        accepted: answer.accepted,
        refused,
        refused_reasons,
    })
}

/// Queues moves to several servers as one batch: a suggestion, as it is or edited.
#[utoipa::path(post, path = "/balance", tag = "balance", operation_id = "queue_balance",
    request_body = AssignedBody,
    responses((status = 202, body = MoveResult), (status = 403, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<AssignedBody>,
) -> Result<(StatusCode, Json<MoveResult>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(queue(&app, &actor, &body).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_goal_is_refused_with_what_would_be() {
        let params =
            |tolerance, moves_max, rest_days| BalanceParams { tolerance, moves_max, rest_days };
        assert_eq!(goal(&params(None, None, None)).unwrap().0, BalanceGoal::default());
        for bad in [
            params(Some(0.0), None, None),
            params(Some(f64::NAN), None, None),
            params(None, Some(0), None),
            params(None, Some(2001), None),
            params(None, None, Some(366)),
        ] {
            assert_eq!(goal(&bad).unwrap_err().code, "bad_balance");
        }
    }

    #[test]
    fn a_reason_names_both_servers() {
        let reason = MoveReason {
            cause: MoveCause::RelievesAndFills,
            source_over_plays_30d: 1200,
            target_under_plays_30d: 300,
        };
        assert_eq!(
            why(&reason, "Main", "Two"),
            "Main is 1,200 plays above its share, Two 300 below"
        );
    }
}
