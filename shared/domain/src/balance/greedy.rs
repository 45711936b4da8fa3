//! A first plan: again and again the move that mends the most plays per byte.

use super::board::{Board, Lot};
use super::state::State;
use std::cmp::Reverse;

/// Plays that a move to `to` brings into tolerance; negative when it takes more out of it.
pub(super) fn gain(board: &Board, state: &State, lot: &Lot, from: usize, to: usize) -> f64 {
    let mended = |n: usize, after: u64| {
        let seat = &board.seats[n];
        seat.violation(state.plays[n]) as f64 - seat.violation(after) as f64
    };
    mended(from, state.plays[from] - lot.plays) + mended(to, state.plays[to] + lot.plays)
}

/// Halvings of the price between "bytes only" and "moves only".
const HALVINGS: usize = 6;

/// Some plans. The first costs the fewest bytes; where it needs too many moves, there are more, at
/// prices per move that close in on the lowest one at which the moves suffice.
pub(super) fn plans(board: &Board) -> Vec<State> {
    let sum: f64 = board.lots.iter().map(|l| l.bytes as f64).sum();
    let mean = (sum / board.lots.len().max(1) as f64).max(1.0);
    let plan = |price_bytes| {
        let mut state = State::new(board);
        fill(board, &mut state, price_bytes);
        state
    };
    let mut plans = vec![plan(0.0)];
    if plans[0].score(board).is_reached() {
        return plans;
    }
    let (mut low, mut high) = (mean / 1_000.0, mean * 1_000.0);
    plans.push(plan(high));
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        let state = plan(middle);
        if state.score(board).is_reached() {
            high = middle;
        } else {
            low = middle;
        }
        plans.push(state);
    }
    plans
}

/// Moves as long as a move helps. A price makes fewer, larger moves.
fn fill(board: &Board, state: &mut State, price_bytes: f64) {
    let mut by_home: Vec<Vec<usize>> = vec![Vec::new(); board.seats.len()];
    for (n, lot) in board.lots.iter().enumerate() {
        by_home[lot.home].push(n);
    }
    for lots in &mut by_home {
        lots.sort_by_cached_key(|n| {
            // Worth is never below 0, and such floats sort like their bits.
            (Reverse(board.lots[*n].worth(price_bytes).to_bits()), *n)
        });
    }
    while state.moves < board.moves_max {
        let Some((lot, to)) = best_move(board, state, &by_home, price_bytes) else { return };
        state.put(board, lot, to);
    }
}

fn best_move(
    board: &Board,
    state: &State,
    by_home: &[Vec<usize>],
    price_bytes: f64,
) -> Option<(usize, usize)> {
    let lack = |n: usize| board.seats[n].plays_min.saturating_sub(state.plays[n]);
    let lack_max = (0..board.seats.len()).map(lack).max().unwrap_or(0);
    let mut best: Option<(f64, usize, usize)> = None;
    for (home, lots) in by_home.iter().enumerate() {
        let over = state.plays[home].saturating_sub(board.seats[home].plays_max);
        // A play that moves mends two at most: one too many here, one too few there. One that
        // leaves a server which lacks plays mends none.
        let mends_each = u8::from(over > 0) + u8::from(lack_max > 0);
        if mends_each == 0 || lack(home) > 0 {
            continue;
        }
        let mends_max = over.saturating_add(lack_max) as f64;
        for &n in lots {
            let lot = &board.lots[n];
            let worth = lot.worth(price_bytes);
            let least = best.map_or(0.0, |(most, ..)| most);
            if f64::from(mends_each) * worth <= least {
                break;
            }
            if mends_max / lot.plays as f64 * worth <= least || state.is_moved(board, n) {
                continue;
            }
            if let Some((gain, to)) = best_target(board, state, n) {
                let worth = gain / lot.plays as f64 * worth;
                if worth > least {
                    best = Some((worth, n, to));
                }
            }
        }
    }
    best.map(|(_, lot, to)| (lot, to))
}

/// The server that gains the most by the lot, and how much; of equals the one that lacks the most.
fn best_target(board: &Board, state: &State, n: usize) -> Option<(f64, usize)> {
    let lot = &board.lots[n];
    let mut best: Option<(f64, f64, usize)> = None;
    for (to, seat) in board.seats.iter().enumerate() {
        let Some(share) = seat.share else { continue };
        if to == lot.home || !state.fits(board, n, to) {
            continue;
        }
        let gain = gain(board, state, lot, lot.home, to);
        let lack = share - state.plays[to] as f64;
        if gain > 0.0 && best.is_none_or(|(g, l, _)| gain > g || (gain >= g && lack > l)) {
            best = Some((gain, lack, to));
        }
    }
    best.map(|(gain, _, to)| (gain, to))
}
