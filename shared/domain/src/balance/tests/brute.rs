//! The planner beside every assignment there is, on clusters small enough for that.

use super::*;

/// What brute force finds: furthest server off, 0 within the tolerance; its squares; bytes; moves.
type Best = (f64, f64, u64, usize);

/// Three servers and up to eight artists, some resting, now and then little room or a role.
fn small(dice: &mut Dice) -> (Vec<BalanceServer>, Vec<BalanceArtist>) {
    let mut servers: Vec<BalanceServer> = (0..3)
        .map(|n| {
            let room = if dice.below(4) == 0 { dice.below(300) } else { 10_000 };
            let weight = if dice.below(4) == 0 { 2.0 } else { 1.0 };
            BalanceServer { weight, ..server(n, room) }
        })
        .collect();
    if dice.below(6) == 0 {
        servers[0].role = Role::Draining;
    }
    let artists = (0..3 + dice.below(6) as usize)
        .map(|n| {
            let (at, bytes) = (dice.below(3).min(dice.below(3)), 1 + dice.below(200));
            let plays = 10 + dice.below(200);
            let movable = dice.below(8) > 0;
            BalanceArtist { movable, ..artist(n, at as usize, bytes, plays) }
        })
        .collect();
    (servers, artists)
}

/// Shares as the documentation says, worked out anew.
fn shares(servers: &[BalanceServer], artists: &[BalanceArtist]) -> Vec<Option<f64>> {
    let due = |s: &BalanceServer| s.role == Role::GivesAndTakes;
    let counts = |a: &&BalanceArtist| {
        servers.iter().any(|s| s.room.server_id == a.server_id && (due(s) || a.movable))
    };
    let pool: u64 = artists.iter().filter(counts).map(|a| a.plays_30d).sum();
    let weights: f64 = servers.iter().filter(|s| due(s)).map(|s| s.weight).sum();
    servers.iter().map(|s| due(s).then(|| pool as f64 / weights * s.weight)).collect()
}

fn brute(servers: &[BalanceServer], artists: &[BalanceArtist], tolerance: f64) -> Best {
    let shares = shares(servers, artists);
    let mut best = (f64::INFINITY, 0.0, 0, 0);
    for code in 0..3_usize.pow(artists.len() as u32) {
        let (mut rest, mut plays, mut arrived) = (code, [0_u64; 3], [0_u64; 3]);
        let (mut bytes, mut moves, mut lawful) = (0, 0, true);
        for artist in artists {
            let to = rest % 3;
            rest /= 3;
            plays[to] += artist.plays_30d;
            if server_id(to) != artist.server_id {
                lawful &= artist.movable && servers[to].role.takes();
                arrived[to] += artist.bytes;
                bytes += artist.bytes;
                moves += 1;
            }
        }
        lawful &= (0..3).all(|n| arrived[n] <= servers[n].room.room_bytes);
        if lawful {
            let (max, squares) = off(&shares, &plays, tolerance);
            let found = (max, squares, bytes, moves);
            if less(&found, &best) {
                best = found;
            }
        }
    }
    best
}

fn off(shares: &[Option<f64>], plays: &[u64], tolerance: f64) -> (f64, f64) {
    let (mut max, mut squares) = (0.0_f64, 0.0);
    for (share, plays) in shares.iter().zip(plays) {
        let off = share.map_or(0.0, |share| (*plays as f64 / share - 1.0).abs());
        if off > tolerance + 1e-9 {
            max = max.max(off);
            squares += off * off;
        }
    }
    (max, squares)
}

/// Less off; when that is equal but for rounding, fewer bytes, then fewer moves.
fn less(a: &Best, b: &Best) -> bool {
    for (a, b) in [(a.0, b.0), (a.1, b.1)] {
        if (a - b).abs() > 1e-9 || a.is_infinite() != b.is_infinite() {
            return a < b;
        }
    }
    (a.2, a.3) < (b.2, b.3)
}

#[test]
fn two_hundred_small_clusters_are_as_good_as_brute_force() {
    const CLUSTERS: u32 = 200;
    let mut dice = Dice(20_240_611);
    let (mut reachable, mut near, mut worst) = (0, 0, 1.0_f64);
    for _ in 0..CLUSTERS {
        let (servers, artists) = small(&mut dice);
        let tolerance = [0.05, 0.1, 0.2, 0.3][dice.below(4) as usize];
        let best = brute(&servers, &artists, tolerance);
        let plan = plan(&servers, &artists, tolerance);
        sound(&servers, &artists, &plan, 200);
        reachable += u32::from(best.0 <= 0.0);
        assert_eq!(plan.is_reached(), best.0 <= 0.0, "{servers:?} {artists:?}");
        let plays: Vec<u64> = plan.servers.iter().map(|s| s.plays_after_30d).collect();
        let off = off(&shares(&servers, &artists), &plays, tolerance);
        assert!(off.0 <= best.0 + 1e-9, "{} off instead of {}", off.0, best.0);
        let ratio = plan.bytes_moved() as f64 / best.2.max(1) as f64;
        near += u32::from(ratio <= 1.05);
        worst = worst.max(ratio);
    }
    println!("{CLUSTERS} clusters, {reachable} reachable and reached; bytes within 5 % of the");
    println!("least in {near}, at worst {worst:.3} times the least");
    assert!(reachable >= CLUSTERS / 4, "too few to tell");
    assert!(near >= CLUSTERS * 95 / 100 && worst <= 1.1, "{near} near, worst {worst}");
}
