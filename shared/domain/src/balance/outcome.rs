//! The plan in the words of the outside: moves with their reasons, servers before and after, and
//! what stands in the way.

use super::board::{Board, Lot, Seat};
use super::greedy::gain;
use super::state::State;
use super::{
    BalanceArtist, MoveCause, MoveReason, Plan, PlannedMove, Role, ServerLoad, Shortfall,
    ShortfallReason,
};
use std::cmp::Reverse;

pub(super) fn tell(board: &Board, state: &State) -> Plan {
    let mut moves: Vec<PlannedMove> = board
        .lots
        .iter()
        .zip(&state.at)
        .filter(|(lot, at)| lot.home != **at)
        .map(|(lot, at)| planned(board, lot, *at))
        .collect();
    moves.sort_unstable_by_key(|m| (Reverse(m.plays_30d), m.artist_id));
    Plan { moves, servers: loads(board, state), shortfall: shortfall(board, state) }
}

fn planned(board: &Board, lot: &Lot, to: usize) -> PlannedMove {
    let (from, to) = (&board.seats[lot.home], &board.seats[to]);
    let relieves = from.plays > from.plays_max || from.server.role == Role::Draining;
    let cause = match (relieves, to.plays < to.plays_min) {
        (true, true) => MoveCause::RelievesAndFills,
        (true, false) => MoveCause::Relieves,
        (false, true) => MoveCause::Fills,
        (false, false) => MoveCause::MakesWay,
    };
    let over = |seat: &Seat| (seat.plays as f64 - seat.share.unwrap_or(0.0)).round() as i64;
    PlannedMove {
        artist_id: board.artists[lot.artist].0.artist_id,
        from: from.server.room.server_id,
        to: to.server.room.server_id,
        bytes: lot.bytes,
        plays_30d: lot.plays,
        why: MoveReason {
            cause,
            source_over_plays_30d: over(from),
            target_under_plays_30d: -over(to),
        },
    }
}

fn loads(board: &Board, state: &State) -> Vec<ServerLoad> {
    let mut loads: Vec<ServerLoad> = board
        .seats
        .iter()
        .zip(&state.plays)
        .map(|(seat, plays)| ServerLoad {
            server_id: seat.server.room.server_id,
            share_plays_30d: seat.share,
            plays_before_30d: seat.plays,
            plays_after_30d: *plays,
            bytes_before: seat.bytes,
            bytes_after: seat.bytes,
        })
        .collect();
    for (lot, at) in board.lots.iter().zip(&state.at) {
        loads[lot.home].bytes_after -= lot.bytes;
        loads[*at].bytes_after += lot.bytes;
    }
    loads
}

/// Which server stays off, and why.
fn shortfall(board: &Board, state: &State) -> Option<Shortfall> {
    let off = |n: usize| board.seats[n].off(state.plays[n]);
    let worst = (0..board.seats.len())
        .filter(|n| off(*n) > 0)
        .max_by(|a, b| off(*a).cmp(&off(*b)).then(b.cmp(a)))?;
    let server_id = board.seats[worst].server.room.server_id;
    Some(Shortfall { server_id, reason: reason(board, state) })
}

fn reason(board: &Board, state: &State) -> ShortfallReason {
    let judged = || board.seats.iter().filter(|s| s.share.is_some());
    if !board.seats.iter().any(Seat::takes) {
        return ShortfallReason::NoTarget;
    }
    let plays_max = judged().map(|s| s.plays_max).max().unwrap_or(u64::MAX);
    let largest = board
        .artists
        .iter()
        .filter(|(_, home)| board.seats[*home].share.is_some())
        .max_by_key(|(a, _)| (a.plays_30d, Reverse(a.artist_id)));
    if let Some((artist, _)) = largest.filter(|(a, _)| a.plays_30d > plays_max) {
        return ShortfallReason::ArtistTooLarge(artist.artist_id);
    }
    if !board.artists.iter().any(|(a, home)| board.may_leave(a, *home)) {
        return ShortfallReason::NothingMovable;
    }
    obstacle(board, state)
}

/// The first thing that keeps a single move from helping.
fn obstacle(board: &Board, state: &State) -> ShortfallReason {
    let mut moved = vec![false; board.artists.len()];
    for (lot, at) in board.lots.iter().zip(&state.at) {
        moved[lot.artist] = lot.home != *at;
    }
    let (mut no_room, mut resting) = (None, None);
    for (place, (artist, home)) in board.artists.iter().enumerate() {
        let apart = board.seats[*home].server.role == Role::Apart;
        if moved[place] || apart || artist.plays_30d == 0 || (resting.is_some() && !artist.movable)
        {
            continue;
        }
        let Some(roomy) = best_help(board, state, artist, *home) else { continue };
        if !artist.movable {
            resting = Some(artist.artist_id);
        } else if roomy && state.moves >= board.moves_max {
            return ShortfallReason::MoveBound;
        } else if !roomy {
            no_room = no_room.or(Some(artist.artist_id));
        }
    }
    match (no_room, resting) {
        (Some(artist), _) => ShortfallReason::NoRoom(artist),
        (None, Some(artist)) => ShortfallReason::Resting(artist),
        (None, None) => ShortfallReason::TooCoarse,
    }
}

/// Whether the artist's move would help somewhere (`None`: nowhere), and whether there is room at
/// one of these.
fn best_help(board: &Board, state: &State, artist: &BalanceArtist, home: usize) -> Option<bool> {
    let lot = Lot { artist: 0, home, bytes: artist.bytes, plays: artist.plays_30d };
    let mut helps = None;
    for (to, seat) in board.seats.iter().enumerate() {
        if to != home && seat.takes() && gain(board, state, &lot, home, to) > 0.0 {
            helps = Some(helps == Some(true) || state.room_bytes[to] >= lot.bytes);
        }
    }
    helps
}
