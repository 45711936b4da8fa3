//! Suggests moves: a small set of artists whose move brings the plays of every server near its
//! share, with the fewest bytes on the road. Pure and deterministic: the same cluster, listed in
//! any order, gives the same plan.
//!
//! A server's *share* is the mean of plays times its weight. The servers that give and take are in
//! the mean; so is one that only gives, while it is above its share. What a draining server could
//! give is part of the plays to share out, while the server itself is due none.
//!
//! How it searches: a greedy plan by plays per byte, several times with a different price per move
//! ([`greedy`]), bettered by exchanges ([`improve`]), then by an exact search: over the whole
//! cluster when it is small, over windows of a few artists when it is large ([`exact`]).

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

/// The assignment with the best score that the searches find.
fn solve(board: &Board) -> State {
    let mut best = State::new(board);
    if best.score(board).is_reached() || board.moves_max == 0 || board.lots.is_empty() {
        return best;
    }
    for price_bytes in board.prices_bytes() {
        let mut state = State::new(board);
        greedy::fill(board, &mut state, price_bytes);
        improve::improve(board, &mut state);
        if state.score(board) < best.score(board) {
            best = state;
        }
    }
    exact::refine(board, &mut best);
    best
}
