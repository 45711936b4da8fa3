//! Suggests moves: a small set of artists whose move brings the plays of every server near its
//! share, with the fewest bytes on the road. Pure and deterministic: the same cluster, listed in
//! any order, gives the same plan.
//!
//! A server's *share* is the mean of plays times its weight. The servers that give and take are in
//! the mean; so is one that only gives, while it is above its share. What a draining server could
//! give is part of the plays to share out, while the server itself is due none.
//!
//! How it searches: a greedy plan by plays per byte, several times with a different price per move
//! (`greedy`), bettered by exchanges (`improve`), then by an exact search: over the whole
//! cluster when it is small, over many windows of a few artists when it is not (`exact`).

mod board;
mod exact;
mod greedy;
mod improve;
mod outcome;
mod state;
#[cfg(test)]
mod tests;
mod types;

pub use types::{
    BalanceArtist, BalanceFault, BalanceGoal, BalanceServer, MoveCause, MoveReason, Plan,
    PlannedMove, Role, ServerLoad, Shortfall, ShortfallReason,
};

use board::Board;
use state::State;

/// The best plan that it finds for a cluster; an empty one for a cluster that is in balance.
///
/// No artist is moved twice, none that rests, none off a server that does not give, none onto one
/// that does not take or has no room: what departures free is not counted, for it is freed last.
///
/// # Errors
/// [`BalanceFault`] for a description that contradicts itself, or a goal that is no number.
pub fn suggest_moves(
    servers: &[BalanceServer],
    artists: &[BalanceArtist],
    goal: &BalanceGoal,
) -> Result<Plan, BalanceFault> {
    let board = Board::new(servers, artists, goal)?;
    let state = solve(&board);
    Ok(outcome::tell(&board, &state))
}

/// How many of the greedy plans are bettered by exchanges: the best ones.
const BETTERED: usize = 2;

/// The assignment with the best score that the searches find.
fn solve(board: &Board) -> State {
    let start = State::new(board);
    if start.score(board).is_reached() || board.moves_max == 0 || board.lots.is_empty() {
        return start;
    }
    let mut plans = greedy::plans(board);
    plans.sort_by_key(|s| s.score(board));
    plans.truncate(BETTERED);
    for plan in &mut plans {
        improve::improve(board, plan);
    }
    // Should no plan better the cluster as it is.
    plans.push(start);
    let mut best = plans.swap_remove(place_of_best(board, &plans));
    exact::refine(board, &mut best);
    // Where the tolerance is out of reach, moves that do not bring nearer the server that is
    // furthest off are not worth their bytes.
    let (before, after) = (State::new(board).score(board), best.score(board));
    if !after.is_reached() && after.off_max >= before.off_max {
        return State::new(board);
    }
    best
}

fn place_of_best(board: &Board, plans: &[State]) -> usize {
    (1..plans.len())
        .fold(0, |best, n| if plans[n].score(board) < plans[best].score(board) { n } else { best })
}
