//! Emptying a server.

use super::fixture::{Db, MIB, slug};
use std::collections::BTreeSet;
use tourbus_domain::{ArtistId, Refusal, ServerId};
use tourbus_store::{
    By, DrainRequest, InputError, NewArtist, ServerChange, ServerError, StoreError,
};

fn by() -> By {
    By::named("admin@test")
}

impl Db {
    fn drain(&self, server: usize, targets: &[usize]) -> DrainRequest {
        DrainRequest {
            by: by(),
            server: self.servers[server],
            targets: targets.iter().map(|t| self.servers[*t]).collect(),
            reason: "a test".to_owned(),
            dry_run: false,
            disk_reserve_bytes: 0,
            offline_after_s: 60,
        }
    }

    /// How many artists live on each server.
    async fn homes(&self) -> Vec<i64> {
        let rows = self.store.servers().await.unwrap();
        let count = |id: &ServerId| rows.iter().find(|r| r.id == id.0).map_or(-1, |r| r.artists);
        self.servers.iter().map(count).collect()
    }

    async fn is_draining(&self, server: usize) -> bool {
        self.store.server(self.servers[server]).await.unwrap().unwrap().draining
    }
}

#[tokio::test]
async fn everybody_leaves_in_one_batch_and_nobody_new_comes() {
    let db = Db::start("drain_all").await;
    let artists = db.artists(1, 40, MIB).await;
    let arriving = db.artists(0, 1, MIB).await[0];
    let towards = db.queue_one(arriving, 1).await;
    let tried = DrainRequest { dry_run: true, ..db.drain(1, &[]) };
    let plan = db.store.drain_server(&tried).await.unwrap().unwrap();
    assert_eq!((plan.batch_id, plan.accepted), (None, 40));
    assert!(!db.is_draining(1).await, "a dry run changes nothing");

    let answer = db.store.drain_server(&db.drain(1, &[])).await.unwrap().unwrap();
    assert_eq!((answer.accepted, answer.cancelled), (40, 1));
    assert_eq!((answer.plan, answer.refused), (plan.plan.clone(), Vec::new()));
    let each: Vec<u64> = plan.plan.iter().map(|p| p.artists).collect();
    assert!(each.len() == 2 && each.iter().all(|n| *n >= 15), "both take part: {each:?}");
    let batches: BTreeSet<_> =
        db.jobs().await.iter().filter(|j| j.id != towards.0).map(|j| j.batch_id).collect();
    assert_eq!(batches.into_iter().collect::<Vec<_>>(), [answer.batch_id.map(|b| b.0)]);

    let refused = db.store.enqueue_moves(&db.request(&[arriving], 1)).await.unwrap();
    assert_eq!(refused.refused, [(arriving, Refusal::ServerDraining)]);
    let newcomer = NewArtist {
        id: ArtistId::new(),
        slug: "late".parse().unwrap(),
        name: "Late".into(),
        server_id: db.servers[1],
        plays_total: 0,
        plays_30d: 0,
        bytes: 0,
        songs: Vec::new(),
    };
    let late = db.store.insert_artists(&[newcomer]).await;
    assert!(
        matches!(&late, Err(StoreError::Conflict { constraint, .. })
            if constraint == "artists_not_on_draining_server"),
        "{late:?}"
    );
    let default = ServerChange { is_default: Some(true), ..ServerChange::default() };
    let refused = db.store.modify_server(&by(), db.servers[1], &default).await.unwrap();
    assert_eq!(refused, Err(ServerError::DrainingDefault));

    db.work_off().await;
    assert_eq!(db.state(towards).await, "cancelled");
    let retried = db.store.retry_job(towards, &by()).await.unwrap();
    assert_eq!(retried, Err(InputError::TargetDraining));
    let homes = db.homes().await;
    assert_eq!((homes[1], homes.iter().sum::<i64>()), (0, artists.len() as i64 + 1));
    let batches = db.store.drain_batches(db.servers[1]).await.unwrap();
    assert_eq!((batches.len(), batches[0].jobs_succeeded), (1, 40));
    assert_eq!(db.store.delete_server(&by(), db.servers[1]).await.unwrap(), Ok(slug(1)));
    assert_eq!(db.store.held_artists().await.unwrap(), []);
    db.finish().await;
}

#[tokio::test]
async fn a_drain_that_is_stopped_leaves_who_has_not_left() {
    let db = Db::start("drain_stop").await;
    db.artists(1, 6, MIB).await;
    let answer = db.store.drain_server(&db.drain(1, &[2])).await.unwrap().unwrap();
    assert_eq!(answer.accepted, 6);
    let batch = db.store.batch(answer.batch_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(batch.target_server_id, Some(db.servers[2].0));
    let stopped = db.store.undrain_server(&by(), db.servers[1]).await.unwrap().unwrap();
    assert_eq!((stopped.cancelled, stopped.too_late), (6, 0));
    assert!(!db.is_draining(1).await);
    db.work_off().await;
    assert_eq!(db.homes().await, [0, 6, 0]);
    assert_eq!(db.store.held_artists().await.unwrap(), []);
    let again = db.store.undrain_server(&by(), db.servers[1]).await.unwrap();
    assert_eq!(again, Err(ServerError::NotDraining));
    // It takes artists again.
    let artist = db.artists(0, 1, MIB).await[0];
    db.queue_one(artist, 1).await;
    db.finish().await;
}

#[tokio::test]
async fn who_could_not_leave_leaves_when_it_is_asked_for_again() {
    let db = Db::start("drain_again").await;
    let artists = db.artists(1, 3, MIB).await;
    let held = db.queue_one(artists[0], 2).await;
    let answer = db.store.drain_server(&db.drain(1, &[])).await.unwrap().unwrap();
    assert_eq!(answer.refused, [(artists[0], Refusal::AlreadyMoving)]);
    db.store.cancel_job(held, &by()).await.unwrap().unwrap();
    db.work_off().await;
    assert_eq!(db.homes().await[1], 1);
    let answer = db.store.drain_server(&db.drain(1, &[])).await.unwrap().unwrap();
    assert_eq!((answer.accepted, answer.refused), (1, Vec::new()));
    db.work_off().await;
    assert_eq!(db.homes().await[1], 0);
    // Nobody is left: it only stays closed.
    let answer = db.store.drain_server(&db.drain(1, &[])).await.unwrap().unwrap();
    assert_eq!((answer.batch_id, answer.accepted), (None, 0));
    assert!(db.is_draining(1).await);
    db.finish().await;
}

#[tokio::test]
async fn a_drain_that_cannot_be_is_refused_and_changes_nothing() {
    let db = Db::start("drain_not").await;
    db.artists(0, 1, MIB).await;
    db.artists(1, 1, MIB).await;
    let ask = async |request: DrainRequest| {
        let tried = DrainRequest { dry_run: true, ..request.clone() };
        let tried = db.store.drain_server(&tried).await.unwrap().unwrap_err();
        let error = db.store.drain_server(&request).await.unwrap().unwrap_err();
        assert_eq!(tried, error, "a dry run says the same");
        error
    };
    assert_eq!(ask(db.drain(0, &[])).await, ServerError::Default);
    let stranger = DrainRequest { server: ServerId::new(), ..db.drain(1, &[]) };
    assert_eq!(ask(stranger).await, ServerError::Unknown);
    let itself =
        ServerError::BadTarget { server: "Server 1".into(), refusal: Refusal::ServerDraining };
    assert_eq!(ask(db.drain(1, &[1])).await, itself);
    let resting = ServerChange { active: Some(false), ..ServerChange::default() };
    db.store.modify_server(&by(), db.servers[2], &resting).await.unwrap().unwrap();
    let closed =
        ServerError::BadTarget { server: "Server 2".into(), refusal: Refusal::ServerInactive };
    assert_eq!(ask(db.drain(1, &[2])).await, closed);
    let long_ago = "UPDATE servers SET last_seen_at = now() - interval '2 minutes'";
    db.sql(&format!("{long_ago} WHERE slug = 'master'")).await.unwrap();
    assert_eq!(ask(db.drain(1, &[])).await, ServerError::NowhereToGo);
    db.sql(&format!("{long_ago} WHERE slug = 'server2'")).await.unwrap();
    assert_eq!(ask(db.drain(1, &[])).await, ServerError::Offline);
    assert!(!db.is_draining(1).await);
    assert_eq!(db.jobs().await.len(), 0);
    db.finish().await;
}

#[tokio::test]
async fn a_full_disk_takes_only_what_it_has_room_for() {
    let db = Db::start("drain_room").await;
    db.artists(1, 10, 100 * MIB).await;
    db.beat(0, 350 * MIB, Vec::new()).await;
    db.beat(2, 450 * MIB, Vec::new()).await;
    let answer = db.store.drain_server(&db.drain(1, &[])).await.unwrap().unwrap();
    assert_eq!(answer.accepted, 7);
    assert!(answer.refused.iter().all(|(_, r)| *r == Refusal::NotEnoughSpace));
    for plan in answer.plan {
        let room = if plan.server == db.servers[0] { 350 } else { 450 };
        assert!(plan.bytes <= room * MIB, "{plan:?}");
    }
    db.finish().await;
}
