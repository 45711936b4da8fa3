//! The planner's view of the cluster, and its moves queued as one batch.

use super::fixture::{Db, MIB};
use tourbus_domain::{ArtistId, BalanceGoal, Refusal, Role, suggest_moves};
use tourbus_store::{AssignedMoves, By};

fn request(db: &Db, moves: Vec<(ArtistId, usize)>) -> AssignedMoves {
    AssignedMoves {
        by: By::named("admin@test"),
        moves: moves.into_iter().map(|(artist, to)| (artist, db.servers[to])).collect(),
        reason: "Balance".to_owned(),
        express: false,
        dry_run: false,
        disk_reserve_bytes: 0,
        offline_after_s: 60,
    }
}

#[tokio::test]
async fn a_suggestion_is_one_batch_to_several_servers_and_moved_artists_rest() {
    let db = Db::start("balance").await;
    db.artists(0, 12, MIB).await;
    let ground = db.store.balance_ground(7, 0, 60).await.unwrap();
    assert_eq!((ground.servers.len(), ground.artists.len()), (3, 12));
    assert!(ground.servers.iter().all(|s| s.role == Role::GivesAndTakes));
    let plan = suggest_moves(&ground.servers, &ground.artists, &BalanceGoal::default()).unwrap();
    assert!(plan.is_reached());
    assert_eq!(plan.moves.len(), 8, "a third each: {:?}", plan.moves);

    let moves = plan.moves.iter().map(|m| (m.artist_id, m.to)).collect();
    let asked = AssignedMoves { moves, ..request(&db, Vec::new()) };
    let dry = AssignedMoves { dry_run: true, ..asked.clone() };
    assert_eq!(db.store.enqueue_assigned(&dry).await.unwrap().batch_id, None);
    let answer = db.store.enqueue_assigned(&asked).await.unwrap();
    assert_eq!((answer.accepted, answer.refused.len()), (8, 0));
    assert_eq!(db.batches().await[0].target_server_id, None);

    // On their way they count where they are going, and are not moved again.
    let ground = db.store.balance_ground(7, 0, 60).await.unwrap();
    let plan = suggest_moves(&ground.servers, &ground.artists, &BalanceGoal::default()).unwrap();
    assert!(plan.is_reached() && plan.moves.is_empty(), "{plan:?}");
    assert_eq!(ground.artists.iter().filter(|a| !a.movable).count(), 8);
    db.work_off().await;
    let servers = db.store.servers().await.unwrap();
    assert_eq!([servers[0].artists, servers[1].artists, servers[2].artists], [4, 4, 4]);
    let rested = db.store.balance_ground(7, 0, 60).await.unwrap();
    assert_eq!(rested.artists.iter().filter(|a| !a.movable).count(), 8);
    let at_once = db.store.balance_ground(0, 0, 60).await.unwrap();
    assert!(at_once.artists.iter().all(|a| a.movable));
    db.finish().await;
}

#[tokio::test]
async fn each_move_is_admitted_by_itself() {
    let db = Db::start("balance_admit").await;
    let artists = db.artists(0, 3, MIB).await;
    db.queue_one(artists[0], 1).await;
    let unknown = ArtistId::new();
    let moves =
        vec![(artists[0], 1), (artists[1], 0), (artists[2], 2), (artists[2], 1), (unknown, 1)];
    let answer = db.store.enqueue_assigned(&request(&db, moves)).await.unwrap();
    assert_eq!(answer.accepted, 1);
    assert_eq!(
        answer.refused,
        [
            (artists[0], Refusal::AlreadyMoving),
            (artists[1], Refusal::AlreadyThere),
            (unknown, Refusal::UnknownArtist),
        ]
    );
    db.finish().await;
}
