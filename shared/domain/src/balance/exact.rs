//! Branch and bound over some of the artists, the others left where they are. With all of a small
//! cluster it proves the best plan; with a few of a large one it is a thorough exchange.

use super::board::{Board, Lot};
use super::state::{Score, State};
use std::cmp::Reverse;

/// Artists up to which the whole cluster is searched.
const WHOLE_MAX: usize = 40;
/// Steps of that search, after which the best so far stands.
const WHOLE_STEPS: usize = 60_000;
/// Artists of a window that are moved so far, and that stay.
const WINDOW_MOVED: usize = 5;
const WINDOW_STAYING: usize = 7;
/// Of those that stay, how many of the most promising of each server a window is drawn from.
const STAYING_DRAWN: usize = 24;
/// Servers of a window.
const WINDOW_SEATS: usize = 4;
/// Steps of one window's search.
const WINDOW_STEPS: usize = 2_000;
/// Windows, and the steps of all of them.
const WINDOWS: usize = 120;
const WINDOWS_STEPS: usize = 100_000;
/// Servers whose surplus the bound on bytes counts one by one.
const SEATS_COUNTED: usize = 32;

/// Betters a plan as far as the steps go.
pub(super) fn refine(board: &Board, state: &mut State) {
    if board.lots.len() <= WHOLE_MAX {
        let all: Vec<usize> = (0..board.seats.len()).collect();
        let lots: Vec<usize> = (0..board.lots.len()).collect();
        if search(board, state, &lots, &all, WHOLE_STEPS).proven {
            return;
        }
    }
    let mut draw = Draw(board.lots.len() as u64);
    let mut pools = Pools::new(board, state);
    let mut steps_left = WINDOWS_STEPS;
    for _ in 0..WINDOWS {
        let (free, seats) = pools.window(board, state, &mut draw);
        let outcome = search(board, state, &free, &seats, WINDOW_STEPS.min(steps_left));
        if outcome.better {
            pools = Pools::new(board, state);
        }
        steps_left -= outcome.steps;
        if steps_left == 0 {
            return;
        }
    }
}

/// Numbers that look random and are always the same: a plan must not differ from run to run.
struct Draw(u64);

impl Draw {
    /// From 0 to below `end`, which is above 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }

    /// Takes a few out, without order.
    fn some(&mut self, from: &mut Vec<usize>, count: usize) -> Vec<usize> {
        let count = count.min(from.len());
        (0..count).map(|_| from.swap_remove(self.below(from.len()))).collect()
    }
}

/// What windows are drawn from.
struct Pools {
    moved: Vec<usize>,
    /// By seat: those at home with the most plays per byte.
    staying: Vec<Vec<usize>>,
}

impl Pools {
    fn new(board: &Board, state: &State) -> Self {
        let mut moved = Vec::new();
        let mut staying = vec![Vec::new(); board.seats.len()];
        for (n, lot) in board.lots.iter().enumerate() {
            if state.is_moved(board, n) {
                moved.push(n);
            } else {
                staying[lot.home].push(n);
            }
        }
        let worth = |n: &usize| board.lots[*n].worth(0.0);
        let order = |a: &usize, b: &usize| worth(b).total_cmp(&worth(a)).then(a.cmp(b));
        for lots in &mut staying {
            if lots.len() > STAYING_DRAWN {
                lots.select_nth_unstable_by(STAYING_DRAWN, order);
                lots.truncate(STAYING_DRAWN);
            }
            lots.sort_unstable_by(order);
        }
        Self { moved, staying }
    }

    /// A few artists and the servers between which they may be exchanged.
    fn window(
        &mut self,
        board: &Board,
        state: &State,
        draw: &mut Draw,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut seats = vec![draw.below(board.seats.len())];
        if !self.moved.is_empty() {
            let lot = self.moved[draw.below(self.moved.len())];
            seats = vec![board.lots[lot].home, state.at[lot]];
        }
        while seats.len() < WINDOW_SEATS.min(board.seats.len()) {
            let seat = draw.below(board.seats.len());
            if !seats.contains(&seat) {
                seats.push(seat);
            }
        }
        let within =
            |n: &usize| seats.contains(&board.lots[*n].home) && seats.contains(&state.at[*n]);
        let mut moved: Vec<usize> = self.moved.iter().copied().filter(within).collect();
        let mut staying: Vec<usize> =
            seats.iter().flat_map(|seat| self.staying[*seat].iter().copied()).collect();
        let mut free = draw.some(&mut moved, WINDOW_MOVED);
        free.extend(draw.some(&mut staying, WINDOW_STAYING));
        (free, seats)
    }
}

/// What came of a search.
struct Outcome {
    /// The state is better now.
    better: bool,
    /// Nothing is better, as far as the free lots go: the steps sufficed to tell.
    proven: bool,
    /// That it took.
    steps: usize,
}

/// Looks for a better place for the free lots, each at home or on one of the servers.
fn search(board: &Board, state: &mut State, free: &[usize], to: &[usize], steps: usize) -> Outcome {
    let mut order = free.to_vec();
    order.sort_unstable_by_key(|n| (Reverse(board.lots[*n].plays), *n));
    let mut open = state.clone();
    for &lot in &order {
        open.put(board, lot, board.lots[lot].home);
    }
    let mut search = Search::new(board, &order, to, state.score(board), steps);
    search.visit(0, &mut open);
    let outcome = Outcome {
        better: search.found.is_some(),
        proven: search.steps_left > 0,
        steps: steps - search.steps_left,
    };
    let Some(found) = search.found else { return outcome };
    // Home first: what leaves a server makes the room that another needs.
    for &lot in &order {
        state.put(board, lot, board.lots[lot].home);
    }
    for (&lot, &to) in order.iter().zip(&found) {
        state.put(board, lot, to);
    }
    outcome
}

/// What the lots that are not decided yet can still do.
#[derive(Clone)]
struct Ahead {
    /// By seat: plays that can leave it.
    leave: Vec<u64>,
    /// By seat: plays that can arrive.
    arrive: Vec<u64>,
    /// Themselves, fewest bytes per play first.
    cheapest: Vec<usize>,
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
        let mut now = Ahead { leave: none.clone(), arrive: none, cheapest: Vec::new() };
        let mut ahead = vec![now.clone()];
        for &n in order.iter().rev() {
            let lot = board.lots[n];
            now.leave[lot.home] += lot.plays;
            for &to in to.iter().filter(|to| **to != lot.home && board.seats[**to].takes()) {
                now.arrive[to] += lot.plays;
            }
            let place = now.cheapest.partition_point(|m| rate(&board.lots[*m]) <= rate(&lot));
            now.cheapest.insert(place, n);
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
        let mut bound = Score { off_max, off_squares, bytes: state.bytes, moves: state.moves };
        if self.best.is_reached() && bound < self.best && over.max(under) > 0 {
            let least = self.bytes_least(ahead, state, under.saturating_sub(over));
            bound.bytes = bound.bytes.saturating_add(least);
            bound.moves += 1;
        }
        bound >= self.best
    }

    /// Fewest bytes that must still travel to mend everything, were artists divisible: what each
    /// server has too much, at its own cheapest rates, and what is lacking beyond that, at any.
    fn bytes_least(&self, ahead: &Ahead, state: &State, lacking: u64) -> u64 {
        let (mut bytes, mut lacking) = (0.0, lacking);
        let mut over: [u64; SEATS_COUNTED] = [0; SEATS_COUNTED];
        for ((over, seat), plays) in over.iter_mut().zip(&self.board.seats).zip(&state.plays) {
            *over = plays.saturating_sub(seat.plays_max);
        }
        for n in &ahead.cheapest {
            let lot = &self.board.lots[*n];
            // A server beyond those counted is taken to have nothing too much: a lower bound still.
            let relieved = over.get(lot.home).map_or(0, |over| lot.plays.min(*over));
            if let Some(over) = over.get_mut(lot.home) {
                *over -= relieved;
            }
            let filled = lacking.min(lot.plays - relieved);
            lacking -= filled;
            bytes += (relieved + filled) as f64 * rate(lot);
        }
        (bytes * (1.0 - 1e-9)) as u64
    }
}

/// Bytes per play.
fn rate(lot: &Lot) -> f64 {
    lot.bytes as f64 / lot.plays as f64
}

/// A server that can come to stand right beside its share counts as on it: where the share lies
/// between two whole numbers, either may turn out the nearer.
fn least_off(off: u64, share: Option<f64>, nearest: u64) -> u64 {
    match share {
        Some(share) if (nearest as f64 - share).abs() < 1.0 => 0,
        _ => off,
    }
}
