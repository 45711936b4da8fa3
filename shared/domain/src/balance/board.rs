//! The cluster as the searches see it: places instead of ids, all sorted, and only those artists
//! that a plan may well move.

use super::{BalanceArtist, BalanceFault, BalanceGoal, BalanceServer, Role};
use std::cmp::Ordering;

/// Artists of one server beyond which only the promising ones are looked at.
const THIN_FROM: usize = 400;
/// Of artists with about the same plays, how many of the smallest are always looked at.
const PER_BUCKET: usize = 6;
/// A million times the share: squares of it can still be added up.
const OFF_MAX: u64 = 1_000_000_000_000_000;

/// A server.
pub(super) struct Seat {
    pub server: BalanceServer,
    pub plays: u64,
    pub bytes: u64,
    /// `None` when it is not in the mean.
    pub share: Option<f64>,
    /// Fewest plays within the tolerance.
    pub plays_min: u64,
    /// Most plays within the tolerance.
    pub plays_max: u64,
}

impl Seat {
    pub fn takes(&self) -> bool {
        self.server.role.takes()
    }

    /// Plays too many or too few; 0 within the tolerance.
    pub fn violation(&self, plays: u64) -> u64 {
        self.plays_min.saturating_sub(plays).max(plays.saturating_sub(self.plays_max))
    }

    /// Distance from the share in billionths of it, at most [`OFF_MAX`]; 0 within the tolerance.
    pub fn off(&self, plays: u64) -> u64 {
        match self.share {
            Some(share) if share > 0.0 && self.violation(plays) > 0 => {
                let off = (plays as f64 - share).abs() / share * 1e9;
                (off.round().max(1.0) as u64).min(OFF_MAX)
            }
            _ => 0,
        }
    }

    /// Takes part under its share, if it has one.
    fn due(&mut self, share: f64, tolerance: f64) {
        // What a float's last digit decides is decided for "within".
        let grain = share * 1e-9;
        self.share = Some(share);
        self.plays_min = (share * (1.0 - tolerance) - grain).ceil().max(0.0) as u64;
        self.plays_max = (share * (1.0 + tolerance) + grain).floor() as u64;
    }
}

/// An artist that may be moved.
#[derive(Clone, Copy)]
pub(super) struct Lot {
    /// Its place among [`Board::artists`].
    pub artist: usize,
    pub home: usize,
    pub bytes: u64,
    pub plays: u64,
}

impl Lot {
    /// Plays per byte, when each move costs so many bytes more.
    pub fn worth(&self, price_bytes: f64) -> f64 {
        self.plays as f64 / (self.bytes as f64 + price_bytes + 1.0)
    }
}

pub(super) struct Board {
    /// By id.
    pub seats: Vec<Seat>,
    /// By id, all of them.
    pub artists: Vec<(BalanceArtist, usize)>,
    /// By id, those that may be moved.
    pub lots: Vec<Lot>,
    pub moves_max: usize,
}

impl Board {
    pub fn new(
        servers: &[BalanceServer],
        artists: &[BalanceArtist],
        goal: &BalanceGoal,
    ) -> Result<Self, BalanceFault> {
        if !goal.tolerance.is_finite() || goal.tolerance < 0.0 {
            return Err(BalanceFault::Tolerance);
        }
        let mut seats = seats(servers)?;
        let artists = housed(artists, &mut seats)?;
        let mut board = Self { seats, artists, lots: Vec::new(), moves_max: goal.moves_max };
        board.share_out(goal.tolerance);
        board.lots = board.promising();
        Ok(board)
    }

    /// Gives each server of the mean its share.
    fn share_out(&mut self, tolerance: f64) {
        let mut pool = 0.0;
        let mut weights = 0.0;
        for seat in &self.seats {
            if matches!(seat.server.role, Role::GivesAndTakes | Role::GivesOnly) {
                pool += seat.plays as f64;
                weights += seat.server.weight;
            }
        }
        for (artist, home) in &self.artists {
            if artist.movable && self.seats[*home].server.role == Role::Draining {
                pool += artist.plays_30d as f64;
            }
        }
        // Without those that stay below, the mean is higher: look again until nobody drops out.
        // Where nobody takes, all are judged: a plan must not be silent on that.
        let some_take = self.seats.iter().any(Seat::takes);
        let mut inside: Vec<bool> =
            self.seats.iter().map(|s| s.server.role != Role::Apart).collect();
        loop {
            let mean = if weights > 0.0 { pool / weights } else { 0.0 };
            let mut dropped = false;
            for (seat, inside) in self.seats.iter().zip(&mut inside) {
                let below = (seat.plays as f64) < mean * seat.server.weight;
                if *inside && some_take && seat.server.role == Role::GivesOnly && below {
                    *inside = false;
                    dropped = true;
                    pool -= seat.plays as f64;
                    weights -= seat.server.weight;
                }
            }
            if !dropped {
                for (seat, inside) in self.seats.iter_mut().zip(&inside) {
                    if *inside && seat.server.role != Role::Draining {
                        let share = mean * seat.server.weight;
                        seat.due(share, tolerance);
                    }
                }
                return;
            }
        }
    }

    /// Whether a plan may move it at all; room apart.
    pub fn may_leave(&self, artist: &BalanceArtist, home: usize) -> bool {
        let seat = &self.seats[home];
        let gives = seat.share.is_some() || seat.server.role == Role::Draining;
        artist.movable && artist.plays_30d > 0 && gives
    }

    /// The artists that a plan may move, thinned where they are many.
    fn promising(&self) -> Vec<Lot> {
        let mut by_home: Vec<Vec<Lot>> = vec![Vec::new(); self.seats.len()];
        for (place, (artist, home)) in self.artists.iter().enumerate() {
            let fits = |n: usize, s: &Seat| {
                n != *home && s.takes() && s.server.room.room_bytes >= artist.bytes
            };
            if self.may_leave(artist, *home)
                && self.seats.iter().enumerate().any(|(n, s)| fits(n, s))
            {
                let (bytes, plays) = (artist.bytes, artist.plays_30d);
                by_home[*home].push(Lot { artist: place, home: *home, bytes, plays });
            }
        }
        let mut lots: Vec<Lot> =
            by_home.into_iter().flat_map(|lots| thinned(lots, self.moves_max)).collect();
        lots.sort_unstable_by_key(|l| l.artist);
        lots
    }
}

/// The servers by id.
fn seats(servers: &[BalanceServer]) -> Result<Vec<Seat>, BalanceFault> {
    let mut servers = servers.to_vec();
    servers.sort_unstable_by_key(|s| s.room.server_id);
    for pair in servers.windows(2) {
        if pair[0].room.server_id == pair[1].room.server_id {
            return Err(BalanceFault::ServerTwice(pair[0].room.server_id));
        }
    }
    let seat = |server: BalanceServer| {
        if !server.weight.is_finite() || server.weight <= 0.0 {
            return Err(BalanceFault::Weight(server.room.server_id));
        }
        let (plays_min, plays_max) = (0, u64::MAX);
        Ok(Seat { server, plays: 0, bytes: 0, share: None, plays_min, plays_max })
    };
    servers.into_iter().map(seat).collect()
}

/// The artists by id, each with the place of its server; adds them up there.
fn housed(
    artists: &[BalanceArtist],
    seats: &mut [Seat],
) -> Result<Vec<(BalanceArtist, usize)>, BalanceFault> {
    let (mut bytes, mut plays) = (0_u64, 0_u64);
    let mut housed = Vec::with_capacity(artists.len());
    for artist in artists {
        let home = seats
            .binary_search_by_key(&artist.server_id, |s| s.server.room.server_id)
            .map_err(|_| BalanceFault::UnknownHome(artist.artist_id))?;
        bytes = bytes.checked_add(artist.bytes).ok_or(BalanceFault::TooLarge)?;
        plays = plays.checked_add(artist.plays_30d).ok_or(BalanceFault::TooLarge)?;
        seats[home].bytes += artist.bytes;
        seats[home].plays += artist.plays_30d;
        housed.push((*artist, home));
    }
    housed.sort_unstable_by_key(|(artist, _)| artist.artist_id);
    for pair in housed.windows(2) {
        if pair[0].0.artist_id == pair[1].0.artist_id {
            return Err(BalanceFault::ArtistTwice(pair[0].0.artist_id));
        }
    }
    Ok(housed)
}

/// Of many artists of one server: those with the most plays per byte at several prices per move,
/// and the smallest for about any number of plays, to fill what is left exactly.
fn thinned(mut lots: Vec<Lot>, moves_max: usize) -> Vec<Lot> {
    if lots.len() <= THIN_FROM {
        return lots;
    }
    let most = moves_max.max(PER_BUCKET);
    let mean = lots.iter().map(|l| l.bytes as f64).sum::<f64>() / lots.len() as f64;
    let mut kept: Vec<Lot> = Vec::new();
    for price_bytes in [0.0, mean, mean * 1_000.0] {
        let order = |a: &Lot, b: &Lot| {
            b.worth(price_bytes).total_cmp(&a.worth(price_bytes)).then(a.artist.cmp(&b.artist))
        };
        kept.extend_from_slice(first(&mut lots, most, order));
    }
    // Four buckets to each doubling of plays.
    let bucket = |l: &Lot| ((l.plays as f64).log2() * 4.0) as u64;
    lots.sort_by_cached_key(|l| (bucket(l), l.bytes, l.artist));
    for alike in lots.chunk_by(|a, b| bucket(a) == bucket(b)) {
        kept.extend_from_slice(&alike[..alike.len().min(PER_BUCKET)]);
    }
    kept.sort_unstable_by_key(|l| l.artist);
    kept.dedup_by_key(|l| l.artist);
    kept
}

/// The first so many in this order, in no order.
fn first(lots: &mut [Lot], most: usize, order: impl Fn(&Lot, &Lot) -> Ordering) -> &[Lot] {
    if lots.len() <= most {
        return lots;
    }
    lots.select_nth_unstable_by(most, order);
    &lots[..most]
}
