use super::*;
use crate::{ArtistId, Candidate, ServerId, TargetRoom, admit};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

mod brute;

fn server_id(n: usize) -> ServerId {
    ServerId(Uuid::from_u128(n as u128 + 1))
}

fn artist_id(n: usize) -> ArtistId {
    ArtistId(Uuid::from_u128(n as u128 + 1_000))
}

fn server(n: usize, room_bytes: u64) -> BalanceServer {
    let room = TargetRoom { server_id: server_id(n), room_bytes };
    BalanceServer { room, role: Role::GivesAndTakes, weight: 1.0 }
}

fn artist(n: usize, at: usize, bytes: u64, plays_30d: u64) -> BalanceArtist {
    let (artist_id, server_id) = (artist_id(n), server_id(at));
    BalanceArtist { artist_id, server_id, bytes, plays_30d, movable: true }
}

fn goal(tolerance: f64) -> BalanceGoal {
    BalanceGoal { tolerance, ..BalanceGoal::default() }
}

fn plan(servers: &[BalanceServer], artists: &[BalanceArtist], tolerance: f64) -> Plan {
    suggest_moves(servers, artists, &goal(tolerance)).unwrap()
}

fn reason(plan: &Plan) -> Option<ShortfallReason> {
    plan.shortfall.map(|s| s.reason)
}

/// A small generator with a fixed seed: the same clusters on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

#[test]
fn the_smallest_of_equal_plays_moves_and_says_why() {
    let servers = [server(0, 1_000), server(1, 1_000)];
    let artists = [artist(0, 0, 50, 100), artist(1, 0, 10, 100), artist(2, 0, 30, 100)];
    let artists = [artists[0], artists[1], artists[2], artist(3, 1, 5, 100)];
    let plan = plan(&servers, &artists, 0.1);
    assert!(plan.is_reached());
    assert_eq!(plan.moves.len(), 1);
    assert_eq!((plan.moves[0].artist_id, plan.bytes_moved()), (artist_id(1), 10));
    assert_eq!((plan.moves[0].from, plan.moves[0].to), (server_id(0), server_id(1)));
    let why = MoveReason {
        cause: MoveCause::RelievesAndFills,
        source_over_plays_30d: 100,
        target_under_plays_30d: 100,
    };
    assert_eq!(plan.moves[0].why, why);
    assert_eq!(plan.servers[0].off_before(), Some(0.5));
    assert_eq!(plan.servers[0].off_after(), Some(0.0));
}

#[test]
fn a_cluster_in_balance_and_an_idle_one_need_nothing() {
    let servers = [server(0, 1_000), server(1, 1_000)];
    let even = [artist(0, 0, 5, 100), artist(1, 1, 5, 95)];
    assert_eq!(plan(&servers, &even, 0.1).moves, []);
    let idle = [artist(0, 0, 5, 0), artist(1, 0, 5, 0)];
    assert!(plan(&servers, &idle, 0.1).is_reached());
    assert!(plan(&[], &[], 0.1).is_reached());
}

#[test]
fn a_stronger_server_is_due_more() {
    let strong = BalanceServer { weight: 3.0, ..server(0, 1_000) };
    let artists: Vec<_> = (0..8).map(|n| artist(n, 1, 10, 10)).collect();
    let plan = plan(&[strong, server(1, 1_000)], &artists, 0.1);
    assert!(plan.is_reached());
    assert_eq!(plan.servers[0].plays_after_30d, 60);
    assert_eq!(plan.servers[0].share_plays_30d, Some(60.0));
}

#[test]
fn a_draining_server_gives_and_takes_nothing() {
    let draining = BalanceServer { role: Role::Draining, ..server(0, 1_000) };
    let artists = [artist(0, 0, 10, 50), artist(1, 1, 10, 100), artist(2, 2, 10, 50)];
    let plan = plan(&[draining, server(1, 1_000), server(2, 1_000)], &artists, 0.1);
    assert!(plan.is_reached());
    assert_eq!(plan.moves.len(), 1);
    assert_eq!((plan.moves[0].artist_id, plan.moves[0].to), (artist_id(0), server_id(2)));
    assert_eq!(plan.servers[0].share_plays_30d, None);
}

#[test]
fn a_locked_server_is_not_in_the_mean() {
    let apart = BalanceServer { role: Role::Apart, ..server(0, 1_000) };
    let artists = [artist(0, 0, 1, 9_000), artist(1, 1, 10, 100), artist(2, 2, 10, 100)];
    let plan = plan(&[apart, server(1, 1_000), server(2, 1_000)], &artists, 0.1);
    assert!(plan.is_reached() && plan.moves.is_empty());
    assert_eq!(plan.servers[1].share_plays_30d, Some(100.0));
}

#[test]
fn one_that_only_gives_is_in_the_mean_while_it_is_above() {
    let only = BalanceServer { role: Role::GivesOnly, ..server(0, 1_000) };
    let servers = [only, server(1, 1_000), server(2, 1_000)];
    let low = [artist(0, 0, 1, 10), artist(1, 1, 10, 100), artist(2, 2, 10, 100)];
    assert!(plan(&servers, &low, 0.1).moves.is_empty() && plan(&servers, &low, 0.1).is_reached());
    let high: Vec<_> = (0..9).map(|n| artist(n, 0, 10, 10)).collect();
    let plan = plan(&servers, &high, 0.1);
    assert!(plan.is_reached());
    assert_eq!(plan.moves.len(), 6);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let (wide, full) = ([server(0, 1_000), server(1, 1_000)], [server(0, 0), server(1, 5)]);
    let two = [artist(0, 0, 10, 100), artist(1, 0, 10, 100)];
    let resting = two.map(|a| BalanceArtist { movable: false, ..a });
    assert_eq!(reason(&plan(&wide, &resting, 0.1)), Some(ShortfallReason::NothingMovable));
    let half = [two[0], resting[1], artist(2, 0, 9, 1)];
    let half = plan(&wide, &[half[1], half[2]], 0.1);
    assert_eq!(reason(&half), Some(ShortfallReason::ArtistTooLarge(artist_id(1))));
    assert_eq!(reason(&plan(&full, &two, 0.1)), Some(ShortfallReason::NoRoom(artist_id(0))));
    let gives = wide.map(|s| BalanceServer { role: Role::GivesOnly, ..s });
    assert_eq!(reason(&plan(&gives, &two, 0.1)), Some(ShortfallReason::NoTarget));
    let many: Vec<_> = (0..10).map(|n| artist(n, 0, 10, 10)).collect();
    let bound = BalanceGoal { tolerance: 0.1, moves_max: 2 };
    let bound = suggest_moves(&wide, &many, &bound).unwrap();
    assert_eq!((reason(&bound), bound.moves.len()), (Some(ShortfallReason::MoveBound), 2));
    let three = [two[0], two[1], artist(2, 0, 10, 100)];
    assert_eq!(reason(&plan(&wide, &three, 0.1)), Some(ShortfallReason::TooCoarse));
    let mut held: Vec<_> = (0..4).map(|n| artist(n, 0, 10, 100)).collect();
    held[1].movable = false;
    held[2].movable = false;
    held[3].movable = false;
    let held = plan(&wide, &held, 0.1);
    assert_eq!(reason(&held), Some(ShortfallReason::Resting(artist_id(1))));
}

#[test]
fn what_cannot_be_is_refused() {
    let servers = [server(0, 1), server(1, 1)];
    let ask = |s: &[BalanceServer], a: &[BalanceArtist], t| suggest_moves(s, a, &goal(t));
    assert_eq!(ask(&servers, &[], f64::NAN), Err(BalanceFault::Tolerance));
    assert_eq!(ask(&servers, &[], -0.1), Err(BalanceFault::Tolerance));
    let twice = [servers[0], servers[0]];
    assert_eq!(ask(&twice, &[], 0.1), Err(BalanceFault::ServerTwice(server_id(0))));
    let weightless = [BalanceServer { weight: 0.0, ..servers[0] }];
    assert_eq!(ask(&weightless, &[], 0.1), Err(BalanceFault::Weight(server_id(0))));
    let one = artist(0, 0, 1, 1);
    let again = Err(BalanceFault::ArtistTwice(artist_id(0)));
    assert_eq!(ask(&servers, &[one, one], 0.1), again);
    let lost = Err(BalanceFault::UnknownHome(artist_id(0)));
    assert_eq!(ask(&servers, &[artist(0, 7, 1, 1)], 0.1), lost);
    let huge = [artist(0, 0, 1, u64::MAX), artist(1, 0, 1, 1)];
    assert_eq!(ask(&servers, &huge, 0.1), Err(BalanceFault::TooLarge));
}

/// 100,000 artists on 20 servers, plays as in real life: few have most.
fn large() -> (Vec<BalanceServer>, Vec<BalanceArtist>) {
    let mut dice = Dice(7);
    let servers = (0..20).map(|n| server(n, 1 << 42)).collect();
    let mut artists = Vec::with_capacity(100_000);
    for n in 0..100_000_usize {
        // The lower a server's number, the more artists it has.
        let at = dice.below(20).min(dice.below(20)) as usize;
        let plays = 3_000_000 / (n as u64 + 10) + dice.below(5);
        artists.push(artist(n, at, 1 << (20 + dice.below(13)), plays));
    }
    (servers, artists)
}

#[test]
fn a_large_cluster_comes_into_balance_with_few_moves() {
    let (servers, artists) = large();
    let plan = plan(&servers, &artists, 0.1);
    assert!(plan.is_reached(), "{:?}", plan.shortfall);
    assert!(plan.moves.len() <= 200, "{} moves", plan.moves.len());
    println!("{} moves, {} MB", plan.moves.len(), plan.bytes_moved() >> 20);
    sound(&servers, &artists, &plan, 200);
}

/// What every plan keeps to.
fn sound(servers: &[BalanceServer], artists: &[BalanceArtist], plan: &Plan, moves_max: usize) {
    let by_id: BTreeMap<ArtistId, &BalanceArtist> =
        artists.iter().map(|a| (a.artist_id, a)).collect();
    let mut takers: BTreeMap<ServerId, BalanceServer> =
        servers.iter().map(|s| (s.room.server_id, *s)).collect();
    let (mut bytes, mut plays) = (BTreeMap::new(), BTreeMap::new());
    for artist in artists {
        *bytes.entry(artist.server_id).or_insert(0) += artist.bytes;
        *plays.entry(artist.server_id).or_insert(0) += artist.plays_30d;
    }
    let at = |sums: &BTreeMap<ServerId, u64>, id| sums.get(&id).copied().unwrap_or(0);
    for load in &plan.servers {
        assert_eq!(load.plays_before_30d, at(&plays, load.server_id));
        assert_eq!(load.bytes_before, at(&bytes, load.server_id));
    }
    let mut seen = BTreeSet::new();
    assert!(plan.moves.len() <= moves_max);
    for step in &plan.moves {
        let artist = by_id[&step.artist_id];
        assert!(seen.insert(step.artist_id), "moved twice");
        assert!(artist.movable && artist.server_id == step.from);
        assert_eq!((artist.bytes, artist.plays_30d), (step.bytes, step.plays_30d));
        assert!(takers[&step.from].role.gives());
        let taker = takers.get_mut(&step.to).unwrap();
        assert!(taker.role.takes());
        let candidate = Candidate {
            artist_id: step.artist_id,
            server_id: step.from,
            bytes: step.bytes,
            operating_job_id: None,
            source_online: true,
        };
        assert_eq!(admit(&candidate, &mut taker.room), Ok(()));
        for (sums, size) in [(&mut bytes, step.bytes), (&mut plays, step.plays_30d)] {
            *sums.entry(step.from).or_insert(0) -= size;
            *sums.entry(step.to).or_insert(0) += size;
        }
    }
    for load in &plan.servers {
        assert_eq!(load.plays_after_30d, at(&plays, load.server_id));
        assert_eq!(load.bytes_after, at(&bytes, load.server_id));
    }
}

prop_compose! {
    fn some_server(n: usize)(
        room_bytes in prop_oneof![Just(0), 0_u64..500, 0_u64..20_000],
        role in prop_oneof![
            4 => Just(Role::GivesAndTakes),
            1 => Just(Role::GivesOnly),
            1 => Just(Role::Draining),
            1 => Just(Role::Apart),
        ],
        weight in prop_oneof![Just(1.0), 0.2_f64..4.0],
    ) -> BalanceServer {
        BalanceServer { role, weight, ..server(n, room_bytes) }
    }
}

fn some_cluster() -> impl Strategy<Value = (Vec<BalanceServer>, Vec<BalanceArtist>)> {
    let artists = prop::collection::vec((0..5_usize, 0..500_u64, 0..1_000_u64, 0..5_u8), 0..60);
    (some_server(0), some_server(1), some_server(2), some_server(3), some_server(4), artists)
        .prop_map(|(a, b, c, d, e, artists)| {
            let one = |(n, (at, bytes, plays, rest)): (usize, (usize, u64, u64, u8))| {
                BalanceArtist { movable: rest > 0, ..artist(n, at, bytes, plays) }
            };
            (vec![a, b, c, d, e], artists.into_iter().enumerate().map(one).collect())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_plan_is_sound_and_the_order_of_the_input_does_not_matter(
        (servers, artists) in some_cluster(),
        (shuffled_servers, seed) in (Just([3, 1, 4, 0, 2]), any::<u64>()),
        tolerance in 0.0_f64..0.5,
        moves_max in prop_oneof![0_usize..6, Just(200)],
    ) {
        let goal = BalanceGoal { tolerance, moves_max };
        let plan = suggest_moves(&servers, &artists, &goal).unwrap();
        sound(&servers, &artists, &plan, moves_max);
        for load in &plan.servers {
            let off = load.off_after().unwrap_or(0.0).abs();
            let within = off <= tolerance + 1e-6;
            prop_assert!(within || !plan.is_reached());
        }
        let servers: Vec<_> = shuffled_servers.iter().map(|n| servers[*n]).collect();
        let mut artists = artists;
        let mut dice = Dice(seed);
        for n in (1..artists.len()).rev() {
            artists.swap(n, dice.below(n as u64 + 1) as usize);
        }
        prop_assert_eq!(plan, suggest_moves(&servers, &artists, &goal).unwrap());
    }
}
