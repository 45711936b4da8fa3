//! A first plan: again and again the move that mends the most plays per byte.

use super::board::{Board, Lot};
use super::state::State;

/// Plays that a move to `to` brings into tolerance; negative when it takes more out of it.
pub(super) fn gain(board: &Board, state: &State, lot: &Lot, from: usize, to: usize) -> f64 {
    let mended = |n: usize, after: u64| {
        let seat = &board.seats[n];
        seat.violation(state.plays[n]) as f64 - seat.violation(after) as f64
    };
    mended(from, state.plays[from] - lot.plays) + mended(to, state.plays[to] + lot.plays)
}

/// Moves as long as a move helps. A price makes fewer, larger moves.
pub(super) fn fill(board: &Board, state: &mut State, price_bytes: f64) {
    let mut by_home: Vec<Vec<usize>> = vec![Vec::new(); board.seats.len()];
    for (n, lot) in board.lots.iter().enumerate() {
        by_home[lot.home].push(n);
    }
    for lots in &mut by_home {
        let worth = |n: &usize| board.lots[*n].worth(price_bytes);
        lots.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.cmp(b)));
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
    let mut best: Option<(f64, usize, usize)> = None;
    for lots in by_home {
        for &n in lots {
            let lot = &board.lots[n];
            // A play that moves mends two at most: one too many here, one too few there.
            let bound = 2.0 * lot.worth(price_bytes);
            if best.is_some_and(|(worth, ..)| bound <= worth) {
                break;
            }
            if state.is_moved(board, n) {
                continue;
            }
            if let Some((gain, to)) = best_target(board, state, n) {
                let worth = gain / lot.plays as f64 * lot.worth(price_bytes);
                if best.is_none_or(|(most, ..)| worth > most) {
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
