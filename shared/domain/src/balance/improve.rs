//! Betters a plan by exchanges: a move less, another target, a cheaper artist, two targets swapped.

use super::board::Board;
use super::state::State;

/// Moves of a plan that are looked at for an exchange: the largest so many.
const EXCHANGED_MAX: usize = 400;
/// Rounds of all exchanges, at most; each ends early when nothing betters the plan.
const ROUNDS_MAX: usize = 8;

pub(super) fn improve(board: &Board, state: &mut State) {
    let mut by_size: Vec<Vec<usize>> = vec![Vec::new(); board.seats.len()];
    for (n, lot) in board.lots.iter().enumerate() {
        by_size[lot.home].push(n);
    }
    for lots in &mut by_size {
        lots.sort_unstable_by_key(|n| (board.lots[*n].bytes, *n));
    }
    for _ in 0..ROUNDS_MAX {
        let mut better = retarget(board, state);
        better |= replace(board, state, &by_size);
        if !state.score(board).is_reached() {
            better |= add(board, state);
            better |= swap_targets(board, state);
        }
        if !better {
            return;
        }
    }
}

/// The moved lots, largest first.
fn moved(board: &Board, state: &State) -> Vec<usize> {
    let mut moved: Vec<usize> =
        (0..board.lots.len()).filter(|n| state.is_moved(board, *n)).collect();
    moved.sort_unstable_by_key(|n| (std::cmp::Reverse(board.lots[*n].bytes), *n));
    moved.truncate(EXCHANGED_MAX);
    moved
}

/// Carries out some puts if each fits and the plan is better for them; else leaves it as it was.
fn attempt(board: &Board, state: &mut State, puts: &[(usize, usize)]) -> bool {
    let before = state.score(board);
    let mut undo: Vec<(usize, usize)> = Vec::with_capacity(puts.len());
    for &(lot, to) in puts {
        if !state.fits(board, lot, to) {
            break;
        }
        undo.push((lot, state.at[lot]));
        state.put(board, lot, to);
    }
    let better =
        undo.len() == puts.len() && state.moves <= board.moves_max && state.score(board) < before;
    if !better {
        for &(lot, from) in undo.iter().rev() {
            state.put(board, lot, from);
        }
    }
    better
}

/// Each moved lot back home, or to another target.
fn retarget(board: &Board, state: &mut State) -> bool {
    let mut better = false;
    for lot in moved(board, state) {
        let home = board.lots[lot].home;
        for to in std::iter::once(home).chain(0..board.seats.len()) {
            if to != state.at[lot] && may_help(board, state, lot, to) {
                better |= attempt(board, state, &[(lot, to)]);
            }
        }
    }
    better
}

/// A lot that stays more, if it brings a server nearer.
fn add(board: &Board, state: &mut State) -> bool {
    let mut better = false;
    for lot in 0..board.lots.len() {
        if state.moves >= board.moves_max {
            break;
        }
        for to in 0..board.seats.len() {
            let fresh = !state.is_moved(board, lot) && state.moves < board.moves_max;
            if fresh && to != board.lots[lot].home && may_help(board, state, lot, to) {
                better |= attempt(board, state, &[(lot, to)]);
            }
        }
    }
    better
}

/// A look at the two servers only, so that most of what cannot help costs little.
fn may_help(board: &Board, state: &State, lot: usize, to: usize) -> bool {
    let (from, plays) = (state.at[lot], board.lots[lot].plays);
    let cheaper = to == board.lots[lot].home;
    let (a, b) = ((from, state.plays[from] - plays), (to, state.plays[to] + plays));
    nearer(board, state, a, b, cheaper)
}

/// Whether two servers with so many plays are less far off than now; or, for a cheaper plan, as
/// far.
fn nearer(board: &Board, state: &State, a: (usize, u64), b: (usize, u64), cheaper: bool) -> bool {
    let off = |(n, plays): (usize, u64)| board.seats[n].off(plays);
    let now = [off((a.0, state.plays[a.0])), off((b.0, state.plays[b.0]))];
    let then = [off(a), off(b)];
    let squares = |o: [u64; 2]| o.iter().map(|o| u128::from(*o) * u128::from(*o)).sum::<u128>();
    then[0].max(then[1]) < now[0].max(now[1])
        || squares(then) < squares(now)
        || (cheaper && squares(then) == squares(now))
}

/// For each moved lot, one of the same home instead that is cheaper or fits better.
fn replace(board: &Board, state: &mut State, by_size: &[Vec<usize>]) -> bool {
    let mut better = false;
    for old in moved(board, state) {
        let lot = board.lots[old];
        let to = state.at[old];
        for &new in &by_size[lot.home] {
            let other = board.lots[new];
            if other.bytes >= lot.bytes && state.score(board).is_reached() {
                break;
            }
            if state.is_moved(board, new) {
                continue;
            }
            let home_plays = state.plays[lot.home] + lot.plays - other.plays;
            let to_plays = state.plays[to] - lot.plays + other.plays;
            if nearer(board, state, (lot.home, home_plays), (to, to_plays), other.bytes < lot.bytes)
                && attempt(board, state, &[(old, lot.home), (new, to)])
            {
                better = true;
                break;
            }
        }
    }
    better
}

/// Two moved lots, each to the other's target.
fn swap_targets(board: &Board, state: &mut State) -> bool {
    let moved = moved(board, state);
    let mut better = false;
    for (place, &a) in moved.iter().enumerate() {
        for &b in &moved[place + 1..] {
            let (to_a, to_b) = (state.at[a], state.at[b]);
            let (one, other) = (&board.lots[a], &board.lots[b]);
            if to_a == to_b || to_a == one.home || to_b == other.home {
                continue;
            }
            let a_plays = state.plays[to_a] - one.plays + other.plays;
            let b_plays = state.plays[to_b] - other.plays + one.plays;
            if nearer(board, state, (to_a, a_plays), (to_b, b_plays), false) {
                better |= attempt(board, state, &[(a, one.home), (b, to_a), (a, to_b)]);
            }
        }
    }
    better
}
