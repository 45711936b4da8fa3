//! Emptying a server: where each of its artists goes. Pure, so that what a page announces and
//! what is done cannot disagree.

use crate::{Candidate, Refusal, ServerId, TargetRoom, admit};

/// An artist that is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaver {
    /// Who, from where, and how large.
    pub candidate: Candidate,
    /// Plays in the last 30 days: the load that it brings along.
    pub plays_30d: u64,
}

/// A server that takes artists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taker {
    /// What it has room for; shrinks as artists are given to it.
    pub room: TargetRoom,
    /// Plays of its artists in the last 30 days; grows likewise.
    pub plays_30d: u64,
}

/// Gives each leaver a new home, or says why it has none; in the order of the leavers.
///
/// The heaviest first, each to the taker that is worth the least afterwards: the share of its room
/// that is used up, and its share of all plays, added. So neither a full disk nor a busy server is
/// preferred for the sake of the other.
pub fn spread(leavers: &[Leaver], takers: &[Taker]) -> Vec<Result<ServerId, Refusal>> {
    let rooms: Vec<u64> = takers.iter().map(|t| t.room.room_bytes.max(1)).collect();
    let plays_all =
        total(takers.iter().map(|t| t.plays_30d)) + total(leavers.iter().map(|l| l.plays_30d));
    let room_all = total(rooms.iter().copied());
    let mut takers = takers.to_vec();
    let mut order: Vec<usize> = (0..leavers.len()).collect();
    let weight = |l: &Leaver| share(l.candidate.bytes, room_all) + share(l.plays_30d, plays_all);
    order.sort_by(|a, b| {
        let (a, b) = (&leavers[*a], &leavers[*b]);
        weight(b).total_cmp(&weight(a)).then(a.candidate.artist_id.cmp(&b.candidate.artist_id))
    });
    let mut homes = vec![Err(Refusal::NotEnoughSpace); leavers.len()];
    for place in order {
        let leaver = &leavers[place];
        let burden = |n: usize, taker: &Taker| {
            let used = rooms[n].saturating_sub(taker.room.room_bytes) + leaver.candidate.bytes;
            share(used, rooms[n] as f64) + share(taker.plays_30d + leaver.plays_30d, plays_all)
        };
        let mut by_burden: Vec<(f64, usize)> =
            takers.iter().enumerate().map(|(n, t)| (burden(n, t), n)).collect();
        by_burden.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        homes[place] = settle(leaver, &mut takers, by_burden.into_iter().map(|(_, n)| n));
    }
    homes
}

/// The first taker that admits it; the last one's reason if none does.
fn settle(
    leaver: &Leaver,
    takers: &mut [Taker],
    order: impl Iterator<Item = usize>,
) -> Result<ServerId, Refusal> {
    let mut refused = Refusal::NotEnoughSpace;
    for n in order {
        let taker = &mut takers[n];
        match admit(&leaver.candidate, &mut taker.room) {
            Ok(()) => {
                taker.plays_30d += leaver.plays_30d;
                return Ok(taker.room.server_id);
            }
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

fn total(numbers: impl Iterator<Item = u64>) -> f64 {
    numbers.map(|n| n as f64).sum()
}

fn share(part: u64, whole: f64) -> f64 {
    if whole > 0.0 { part as f64 / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ArtistId, JobId};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn leaver(bytes: u64, plays_30d: u64) -> Leaver {
        let candidate = Candidate {
            artist_id: ArtistId::new(),
            server_id: ServerId::from(uuid::Uuid::nil()),
            bytes,
            operating_job_id: None,
            source_online: true,
        };
        Leaver { candidate, plays_30d }
    }

    fn taker(room_bytes: u64, plays_30d: u64) -> Taker {
        Taker { room: TargetRoom { server_id: ServerId::new(), room_bytes }, plays_30d }
    }

    fn counts(homes: &[Result<ServerId, Refusal>], takers: &[Taker]) -> Vec<usize> {
        let at = |t: &Taker| homes.iter().filter(|h| **h == Ok(t.room.server_id)).count();
        takers.iter().map(at).collect()
    }

    #[test]
    fn equal_servers_share_alike_and_a_busy_or_small_one_gets_less() {
        let leavers: Vec<Leaver> = (0..30).map(|_| leaver(10, 100)).collect();
        let even = [taker(10_000, 0), taker(10_000, 0), taker(10_000, 0)];
        assert_eq!(counts(&spread(&leavers, &even), &even), [10, 10, 10]);
        let busy = [taker(10_000, 2_000), taker(10_000, 0)];
        let to = counts(&spread(&leavers, &busy), &busy);
        assert!(to[0] < to[1] && to[0] + to[1] == 30, "{to:?}");
        let small = [taker(100, 0), taker(10_000, 0)];
        let to = counts(&spread(&leavers, &small), &small);
        assert!(to[0] < to[1] && to[0] + to[1] == 30, "{to:?}");
    }

    #[test]
    fn who_cannot_leave_is_told_why() {
        let mut held = leaver(1, 0);
        held.candidate.operating_job_id = Some(JobId::new());
        let mut away = leaver(1, 0);
        away.candidate.source_online = false;
        let large = leaver(500, 0);
        let takers = [taker(100, 0), taker(200, 0)];
        let homes = spread(&[held, away, large, leaver(1, 0)], &takers);
        assert_eq!(homes[0], Err(Refusal::AlreadyMoving));
        assert_eq!(homes[1], Err(Refusal::SourceOffline));
        assert_eq!(homes[2], Err(Refusal::NotEnoughSpace));
        assert!(homes[3].is_ok());
        assert_eq!(spread(&[leaver(1, 0)], &[]), [Err(Refusal::NotEnoughSpace)]);
    }

    proptest! {
        #[test]
        fn no_disk_is_overfilled_and_nobody_is_refused_who_would_fit(
            sizes in prop::collection::vec((0u64..1_000, 0u64..1_000), 0..60),
            rooms in prop::collection::vec((0u64..20_000, 0u64..5_000), 1..5),
        ) {
            let leavers: Vec<Leaver> = sizes.iter().map(|(b, p)| leaver(*b, *p)).collect();
            let takers: Vec<Taker> = rooms.iter().map(|(r, p)| taker(*r, *p)).collect();
            let homes = spread(&leavers, &takers);
            let mut used: BTreeMap<ServerId, u64> = BTreeMap::new();
            for (leaver, home) in leavers.iter().zip(&homes) {
                if let Ok(home) = home {
                    *used.entry(*home).or_default() += leaver.candidate.bytes;
                }
            }
            for taker in &takers {
                let used = used.get(&taker.room.server_id).copied().unwrap_or(0);
                prop_assert!(used <= taker.room.room_bytes);
                let left = taker.room.room_bytes - used;
                for (leaver, home) in leavers.iter().zip(&homes) {
                    prop_assert!(home.is_ok() || leaver.candidate.bytes > left);
                }
            }
        }
    }
}
