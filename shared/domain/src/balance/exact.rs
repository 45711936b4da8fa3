//! Branch and bound over some of the artists, the others left where they are. With all of a small
//! cluster it proves the best plan; with a few of a large one it is a thorough exchange.

use super::board::Board;
use super::state::{Score, State};
use std::cmp::Reverse;

/// Artists up to which the whole cluster is searched.
const WHOLE_MAX: usize = 24;
/// Steps of that search, after which the best so far stands.
const WHOLE_STEPS: usize = 300_000;
/// Artists of a window: moved ones, and ones that stay, of each of its servers.
const WINDOW_MOVED: usize = 5;
const WINDOW_STAYING: usize = 6;
/// Steps of one window's search.
const WINDOW_STEPS: usize = 4_000;
/// Windows of one round, and rounds.
const WINDOWS_MAX: usize = 60;
const ROUNDS_MAX: usize = 3;

/// Betters a plan as far as the steps go.
pub(super) fn refine(board: &Board, state: &mut State) {
    let all: Vec<usize> = (0..board.seats.len()).collect();
    if board.lots.len() <= WHOLE_MAX {
        search(board, state, &(0..board.lots.len()).collect::<Vec<_>>(), &all, WHOLE_STEPS);
        return;
    }
    for round in 0..ROUNDS_MAX {
        let mut better = false;
        for (home, to) in routes(board, state) {
            let free = window(board, state, home, to, round);
            better |= search(board, state, &free, &[home, to], WINDOW_STEPS);
        }
        if !better {
            return;
        }
    }
}

/// From where to where the plan moves, most bytes first.
fn routes(board: &Board, state: &State) -> Vec<(usize, usize)> {
    let seats = board.seats.len();
    let mut bytes = vec![0_u64; seats * seats];
    for (lot, at) in board.lots.iter().zip(&state.at) {
        if lot.home != *at {
            bytes[lot.home * seats + at] += lot.bytes.max(1);
        }
    }
    let mut routes: Vec<usize> = (0..bytes.len()).filter(|r| bytes[*r] > 0).collect();
    routes.sort_unstable_by_key(|r| (Reverse(bytes[*r]), *r));
    routes.truncate(WINDOWS_MAX);
    routes.into_iter().map(|r| (r / seats, r % seats)).collect()
}

/// A few artists of one route: the largest that are moved, and of those that stay the ones with the
/// most plays per byte; each round looks a little further down.
fn window(board: &Board, state: &State, home: usize, to: usize, round: usize) -> Vec<usize> {
    let mut moved: Vec<usize> = Vec::new();
    let mut staying: Vec<usize> = Vec::new();
    for (n, lot) in board.lots.iter().enumerate() {
        if lot.home == home && state.at[n] == to {
            moved.push(n);
        } else if lot.home == home && state.at[n] == home {
            staying.push(n);
        }
    }
    moved.sort_unstable_by_key(|n| (Reverse(board.lots[*n].bytes), *n));
    let worth = |n: &usize| board.lots[*n].worth(0.0);
    staying.sort_unstable_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.cmp(b)));
    let moved = moved.into_iter().skip(round * WINDOW_MOVED).take(WINDOW_MOVED);
    moved.chain(staying.into_iter().skip(round * WINDOW_STAYING).take(WINDOW_STAYING)).collect()
}

/// Looks for a better place for the free lots, each at home or on one of the servers. True when it
/// found one.
fn search(board: &Board, state: &mut State, free: &[usize], to: &[usize], steps: usize) -> bool {
    let mut order = free.to_vec();
    order.sort_unstable_by_key(|n| (Reverse(board.lots[*n].plays), *n));
    let mut open = state.clone();
    for &lot in &order {
        open.put(board, lot, board.lots[lot].home);
    }
    let mut search = Search::new(board, &order, to, state.score(board), steps);
    search.visit(0, &mut open);
    let Some(found) = search.found else { return false };
    // Home first: what leaves a server makes the room that another needs.
    for (&lot, _) in order.iter().zip(&found) {
        state.put(board, lot, board.lots[lot].home);
    }
    for (&lot, &to) in order.iter().zip(&found) {
        state.put(board, lot, to);
    }
    true
}

/// What the lots that are not decided yet can still do.
#[derive(Clone)]
struct Ahead {
    /// By seat: plays that can leave it.
    leave: Vec<u64>,
    /// By seat: plays that can arrive.
    arrive: Vec<u64>,
    /// Bytes per play of the cheapest.
    bytes_per_play: f64,
}

struct Search<'a> {
    board: &'a Board,
    order: &'a [usize],
    to: &'a [usize],
    /// By how many lots are decided.
    ahead: Vec<Ahead>,
    best: Score,
    /// By place in `order`: the seat.
    found: Option<Vec<usize>>,
    steps_left: usize,
}

impl<'a> Search<'a> {
    fn new(
        board: &'a Board,
        order: &'a [usize],
        to: &'a [usize],
        best: Score,
        steps_left: usize,
    ) -> Self {
        let none = vec![0; board.seats.len()];
        let mut now = Ahead { leave: none.clone(), arrive: none, bytes_per_play: f64::INFINITY };
        let mut ahead = vec![now.clone()];
        for &n in order.iter().rev() {
            let lot = board.lots[n];
            now.leave[lot.home] += lot.plays;
            for &to in to.iter().filter(|to| **to != lot.home && board.seats[**to].takes()) {
                now.arrive[to] += lot.plays;
            }
            now.bytes_per_play = now.bytes_per_play.min(lot.bytes as f64 / lot.plays as f64);
            ahead.push(now.clone());
        }
        ahead.reverse();
        Self { board, order, to, ahead, best, found: None, steps_left }
    }

    fn visit(&mut self, decided: usize, state: &mut State) {
        if self.steps_left == 0 || self.is_hopeless(decided, state) {
            return;
        }
        self.steps_left -= 1;
        let Some(&lot) = self.order.get(decided) else {
            let score = state.score(self.board);
            if score < self.best {
                self.best = score;
                self.found = Some(self.order.iter().map(|n| state.at[*n]).collect());
            }
            return;
        };
        self.visit(decided + 1, state);
        if state.moves >= self.board.moves_max {
            return;
        }
        let (home, targets) = (self.board.lots[lot].home, self.to);
        for &to in targets.iter().filter(|to| **to != home) {
            if state.fits(self.board, lot, to) {
                state.put(self.board, lot, to);
                self.visit(decided + 1, state);
                state.put(self.board, lot, home);
            }
        }
    }

    /// Whether nothing that can still be decided gives a better score than the best.
    fn is_hopeless(&self, decided: usize, state: &State) -> bool {
        let ahead = &self.ahead[decided];
        let (mut off_max, mut off_squares) = (0, 0);
        let (mut over, mut under) = (0_u64, 0_u64);
        for (n, seat) in self.board.seats.iter().enumerate() {
            let plays = state.plays[n];
            let nearest = match seat.share {
                Some(share) if (plays as f64) > share => {
                    (plays - ahead.leave[n]).max(share.floor() as u64).min(plays)
                }
                Some(share) => (plays + ahead.arrive[n]).min(share.ceil() as u64).max(plays),
                None => plays,
            };
            let off = least_off(seat.off(nearest), seat.share, nearest);
            off_max = off_max.max(off);
            off_squares += u128::from(off) * u128::from(off);
            over = over.saturating_add(plays.saturating_sub(seat.plays_max));
            under = under.saturating_add(seat.plays_min.saturating_sub(plays));
        }
        let need = over.max(under);
        let reached = self.best.is_reached();
        // Whatever is still to be mended must travel, at the cheapest rate there is.
        let (bytes, moves) = if reached && need > 0 {
            let least = need as f64 * ahead.bytes_per_play * (1.0 - 1e-9);
            (state.bytes.saturating_add(least as u64), state.moves + 1)
        } else {
            (state.bytes, state.moves)
        };
        let bound = Score { off_max, off_squares, bytes, moves };
        bound >= self.best
    }
}

/// A server that can come to stand right beside its share counts as on it: where the share lies
/// between two whole numbers, either may turn out the nearer.
fn least_off(off: u64, share: Option<f64>, nearest: u64) -> u64 {
    match share {
        Some(share) if (nearest as f64 - share).abs() < 1.0 => 0,
        _ => off,
    }
}
