//! An assignment of the artists to servers, and how good it is.

use super::board::{Board, Lot};

/// How good an assignment is: less is better, from the first field to the last. Whole numbers, so
/// that assignments that are equally good compare equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Of the server that is furthest off, in billionths of its share; 0 when the tolerance is
    /// reached.
    pub off_max: u64,
    /// Squares of the same, added up: one hopeless server does not excuse the others.
    pub off_squares: u128,
    pub bytes: u64,
    pub moves: usize,
}

impl Score {
    pub fn is_reached(&self) -> bool {
        self.off_max == 0
    }
}

/// Where each lot is, and what comes of it.
#[derive(Clone)]
pub(super) struct State {
    /// By seat.
    pub plays: Vec<u64>,
    /// By seat: room that is left. What departures free is not in it.
    pub room_bytes: Vec<u64>,
    /// By lot: its seat.
    pub at: Vec<usize>,
    pub bytes: u64,
    pub moves: usize,
}

impl State {
    /// Nothing moved.
    pub fn new(board: &Board) -> Self {
        Self {
            plays: board.seats.iter().map(|s| s.plays).collect(),
            room_bytes: board.seats.iter().map(|s| s.server.room.room_bytes).collect(),
            at: board.lots.iter().map(|l| l.home).collect(),
            bytes: 0,
            moves: 0,
        }
    }

    pub fn score(&self, board: &Board) -> Score {
        let (mut off_max, mut off_squares) = (0, 0);
        for (seat, plays) in board.seats.iter().zip(&self.plays) {
            let off = seat.off(*plays);
            off_max = off_max.max(off);
            off_squares += u128::from(off) * u128::from(off);
        }
        Score { off_max, off_squares, bytes: self.bytes, moves: self.moves }
    }

    pub fn is_moved(&self, board: &Board, lot: usize) -> bool {
        self.at[lot] != board.lots[lot].home
    }

    /// Whether the lot may be there, as far as the server is concerned.
    pub fn fits(&self, board: &Board, lot: usize, to: usize) -> bool {
        let wanted = board.lots[lot];
        to == wanted.home || (board.seats[to].takes() && self.room_bytes[to] >= wanted.bytes)
    }

    /// Puts a lot elsewhere, or back home. The caller has asked [`Self::fits`].
    pub fn put(&mut self, board: &Board, lot: usize, to: usize) {
        let Lot { home, bytes, plays, .. } = board.lots[lot];
        let from = std::mem::replace(&mut self.at[lot], to);
        self.plays[from] -= plays;
        self.plays[to] += plays;
        if from != home {
            self.room_bytes[from] += bytes;
            self.bytes -= bytes;
            self.moves -= 1;
        }
        if to != home {
            self.room_bytes[to] -= bytes;
            self.bytes += bytes;
            self.moves += 1;
        }
    }
}
