//! Servers: created, changed, deleted; always one default.

use super::fixture::{Db, SLUGS};
use serde_json::json;
use tourbus_domain::{ArtistId, Refusal, ServerId, ServerLimits, Site, server_slugs};
use tourbus_store::{
    AuditQuery, By, DeedResult, InputError, NewArtist, ServerChange, ServerCreation, ServerError,
    StoreError,
};

fn site() -> Site {
    Site { main_domain: "test".into(), main_url: "http://test".into(), allow_plain_http: true }
}

fn by() -> By {
    By::named("admin@test")
}

fn creation(name: &str) -> ServerCreation {
    let host = name.to_lowercase().replace(' ', "");
    ServerCreation {
        name: name.to_owned(),
        ip: "192.0.2.7".parse().unwrap(),
        url: format!("https://{host}.test"),
        active: true,
        is_default: false,
    }
}

impl Db {
    async fn create(&self, new: &ServerCreation) -> Result<ServerId, ServerError> {
        let slugs = server_slugs(&new.name, &new.url, &site());
        self.store.create_server(&by(), new, slugs).await.unwrap()
    }

    async fn change(&self, id: ServerId, change: &ServerChange) -> Result<(), ServerError> {
        self.store.modify_server(&by(), id, change).await.unwrap()
    }

    async fn slug_of(&self, id: ServerId) -> String {
        self.store.server(id).await.unwrap().unwrap().slug
    }

    async fn default(&self) -> ServerId {
        let all = self.store.servers().await.unwrap();
        let defaults: Vec<ServerId> =
            all.iter().filter(|s| s.is_default).map(|s| s.id.into()).collect();
        assert_eq!(defaults.len(), 1, "{all:?}");
        defaults[0]
    }
}

fn default() -> ServerChange {
    ServerChange { is_default: Some(true), ..ServerChange::default() }
}

fn active(active: bool) -> ServerChange {
    ServerChange { active: Some(active), ..ServerChange::default() }
}

#[tokio::test]
async fn a_server_is_created_changed_and_deleted_and_its_name_is_free_again() {
    let db = Db::start("servers_life").await;
    let id = db.create(&creation("Hill Top")).await.unwrap();
    assert_eq!(db.slug_of(id).await, "hill-top");
    for (other, error) in [
        (creation("HILL TOP"), ServerError::NameTaken { server: "Hill Top".into() }),
        (
            ServerCreation { name: "Valley".into(), ..creation("Hill Top") },
            ServerError::UrlTaken { server: "Hill Top".into() },
        ),
    ] {
        assert_eq!(db.create(&other).await, Err(error));
    }
    let change = ServerChange {
        name: Some("Hill".into()),
        url: Some("https://hill.test".into()),
        active: Some(false),
        ..ServerChange::default()
    };
    assert_eq!(db.change(id, &change).await, Ok(()));
    // Its own name and URL are not taken from it.
    assert_eq!(db.change(id, &change).await, Ok(()));
    let row = db.store.server(id).await.unwrap().unwrap();
    assert_eq!((&*row.name, &*row.slug, row.active), ("Hill", "hill-top", false));
    let taken = ServerChange { name: Some("server 1".into()), ..ServerChange::default() };
    let error = ServerError::NameTaken { server: "Server 1".into() };
    assert_eq!(db.change(id, &taken).await, Err(error));

    assert_eq!(db.store.delete_server(&by(), id).await.unwrap().unwrap().as_str(), "hill-top");
    assert!(db.store.server(id).await.unwrap().is_none());
    assert!(db.store.servers_ever().await.unwrap().iter().any(|s| s.deleted && s.name == "Hill"));
    assert_eq!(db.store.delete_server(&by(), id).await.unwrap(), Err(ServerError::Unknown));
    // Name and URL may be used again; the slug was the old machine's.
    let again = ServerCreation { url: "https://hill.test".into(), ..creation("Hill Top") };
    let second = db.create(&again).await.unwrap();
    assert_eq!(db.slug_of(second).await, "hill-top-2");

    let query =
        AuditQuery { object: Some(format!("server:{id}")), limit: 10, ..Default::default() };
    let log = db.store.audit(&query).await.unwrap();
    let done: Vec<&str> = log.iter().map(|r| r.action.as_str()).collect();
    assert_eq!(done, ["server.delete", "server.modify", "server.modify", "server.create"]);
    assert_eq!(log[2].detail["name"], json!({ "was": "Hill Top", "is": "Hill" }));
    db.finish().await;
}

#[tokio::test]
async fn one_server_is_the_default_and_takes_artists() {
    let db = Db::start("servers_default").await;
    let [master, two, three] = db.servers[..] else { panic!() };
    assert_eq!(db.default().await, master);
    assert_eq!(db.change(two, &default()).await, Ok(()));
    assert_eq!(db.default().await, two);
    let none = ServerChange { is_default: Some(false), ..ServerChange::default() };
    assert_eq!(db.change(two, &none).await, Err(ServerError::DefaultStays));
    assert_eq!(db.change(two, &active(false)).await, Err(ServerError::DefaultInactive));
    assert_eq!(db.change(three, &active(false)).await, Ok(()));
    assert_eq!(db.change(three, &default()).await, Err(ServerError::InactiveDefault));
    let both = ServerChange { active: Some(true), ..default() };
    assert_eq!(db.change(three, &both).await, Ok(()));
    assert_eq!(db.default().await, three);
    assert_eq!(db.store.delete_server(&by(), three).await.unwrap(), Err(ServerError::Default));
    assert_eq!(db.store.delete_server(&by(), master).await.unwrap(), Err(ServerError::Master));
    let new = ServerCreation { is_default: true, ..creation("Fresh") };
    let fresh = db.create(&new).await.unwrap();
    assert_eq!(db.default().await, fresh);
    let dark = ServerCreation { active: false, is_default: true, ..creation("Dark") };
    assert_eq!(db.create(&dark).await, Err(ServerError::InactiveDefault));

    // Everybody makes another one the default at the same time: still exactly one.
    let tries = [master, two, three, fresh].into_iter().cycle().take(24);
    let all: Vec<_> = tries
        .map(|id| {
            let store = db.store.clone();
            tokio::spawn(async move { store.modify_server(&by(), id, &default()).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap(), Ok(()));
    }
    db.default().await;
    for sql in [
        "UPDATE servers SET is_default = false",
        "UPDATE servers SET is_default = true",
        "UPDATE servers SET active = false WHERE is_default",
        "UPDATE servers SET draining = true WHERE is_default",
        "UPDATE servers SET deleted_at = now() WHERE is_default",
    ] {
        assert!(db.sql(sql).await.is_err(), "{sql}");
    }
    db.finish().await;
}

#[tokio::test]
async fn the_server_limit_counts_cluster_servers_only() {
    let db = Db::start("servers_limit").await;
    assert!(!db.store.server_room().await.unwrap().is_full());
    db.store.change_cluster_settings(&by(), |s| s.server_limit = Some(3)).await.unwrap();
    assert_eq!(db.store.cluster_settings().await.unwrap().server_limit, Some(3));
    // Of two at once, one has room.
    let (a, b) = (creation("A"), creation("B"));
    let (first, second) = tokio::join!(db.create(&a), db.create(&b));
    let full = Err(ServerError::LimitReached { limit: 3, servers: 3 });
    assert!(first.is_ok() != second.is_ok() && (first == full || second == full));
    let made = first.or(second).unwrap();
    assert!(db.store.server_room().await.unwrap().is_full());
    db.store.delete_server(&by(), made).await.unwrap().unwrap();
    assert!(db.create(&creation("C")).await.is_ok());
    db.store.change_cluster_settings(&by(), |s| s.server_limit = None).await.unwrap();
    assert!(db.create(&creation("D")).await.is_ok());
    db.finish().await;
}

#[tokio::test]
async fn a_server_that_is_needed_stays_and_one_that_is_deleted_counts_for_nothing() {
    let db = Db::start("servers_delete").await;
    let two = db.servers[1];
    let artist = db.artists(1, 1, 10).await[0];
    let who = by();
    let delete = || db.store.delete_server(&who, two);
    assert_eq!(delete().await.unwrap(), Err(ServerError::HasArtists { artists: 1 }));
    let away = db.queue_one(artist, 2).await;
    db.work_off().await;
    assert_eq!(db.state(away).await, "succeeded");
    let back = db.queue_one(artist, 1).await;
    assert_eq!(delete().await.unwrap(), Err(ServerError::OpenJobs { jobs: 1 }));
    db.store.cancel_job(back, &by()).await.unwrap().unwrap();
    db.work_off().await;
    assert_eq!(db.state(back).await, "cancelled");
    delete().await.unwrap().unwrap();

    let seen = "SELECT last_seen_at FROM servers WHERE slug = 'server2'";
    let before = db.sql(seen).await.unwrap();
    db.beat(1, 1 << 30, Vec::new()).await;
    assert_eq!(db.sql(seen).await.unwrap(), before, "a heartbeat of a deleted server");
    let answer = db.store.enqueue_moves(&db.request(&[artist], 1)).await.unwrap();
    assert_eq!(answer.refused, [(artist, Refusal::UnknownServer)]);
    let again = db.store.retry_job(back, &by()).await.unwrap();
    assert_eq!(again, Err(InputError::ServerDeleted));
    let newcomer = NewArtist {
        id: ArtistId::new(),
        slug: "late".parse().unwrap(),
        name: "Late".into(),
        server_id: two,
        plays_total: 0,
        plays_30d: 0,
        bytes: 0,
        songs: Vec::new(),
    };
    let refused = db.store.insert_artists(&[newcomer]).await;
    assert!(
        matches!(&refused, Err(StoreError::Conflict { constraint, .. })
            if constraint == "servers_deleted_is_empty"),
        "{refused:?}"
    );
    assert_eq!(
        db.sql("SELECT count(*) FROM outbox WHERE server_slug = 'server2'").await.unwrap(),
        "0"
    );
    let pending = db.store.servers_to_revoke().await.unwrap();
    assert_eq!(pending, [(two, SLUGS[1].parse().unwrap())]);
    db.store.server_revoked(two).await.unwrap();
    assert_eq!(db.store.servers_to_revoke().await.unwrap(), []);
    assert_eq!(db.store.deleted_servers().await.unwrap(), [SLUGS[1].parse().unwrap()]);
    let known = tourbus_store::NewServer {
        id: ServerId::new(),
        slug: SLUGS[1].parse().unwrap(),
        name: "Server 1".into(),
        ip: "127.0.0.1".parse().unwrap(),
        url: "http://server2.test".into(),
        is_master: false,
        is_default: false,
    };
    assert!(matches!(db.store.ensure_server(known).await, Err(StoreError::Invalid(_))));
    db.finish().await;
}

#[tokio::test]
async fn a_server_that_has_not_joined_is_no_target() {
    let db = Db::start("servers_new").await;
    let id = db.create(&creation("Fresh")).await.unwrap();
    let artist = db.artists(0, 1, 10).await[0];
    let request = tourbus_store::MoveRequest { target: id, ..db.request(&[artist], 1) };
    let answer = db.store.enqueue_moves(&request).await.unwrap();
    assert_eq!(answer.refused, [(artist, Refusal::ServerNotJoined)]);
    db.store.set_server_key(id, &"0a".repeat(32)).await.unwrap();
    let answer = db.store.enqueue_moves(&request).await.unwrap();
    assert_eq!(answer.refused, [(artist, Refusal::ServerOffline)]);
    db.finish().await;
}

#[tokio::test]
async fn what_was_refused_is_nowhere() {
    let db = Db::start("servers_refused").await;
    let before = db.sql("SELECT * FROM servers ORDER BY id").await.unwrap();
    let error = db.create(&creation("Server 1")).await.unwrap_err();
    assert_eq!(error, ServerError::NameTaken { server: "Server 1".into() });
    let unknown = db.change(ServerId::new(), &default()).await;
    assert_eq!(unknown, Err(ServerError::Unknown));
    assert_eq!(db.sql("SELECT * FROM servers ORDER BY id").await.unwrap(), before);
    let query = AuditQuery { result: Some(DeedResult::Done), limit: 10, ..Default::default() };
    assert_eq!(db.store.audit(&query).await.unwrap().len(), 0);
    db.finish().await;
}

#[tokio::test]
async fn limits_are_owed_until_the_workers_keep_to_them_and_the_reserve_is_the_servers_own() {
    let db = Db::start("servers_limits").await;
    let id = db.servers[1];
    assert_eq!(db.store.owed_limits().await.unwrap(), []);
    let limits = ServerLimits {
        moves_out_max: Some(2),
        disk_reserve_bytes: Some(1 << 30),
        ..ServerLimits::default()
    };
    let change = ServerChange { limits: Some(limits.clone()), ..ServerChange::default() };
    db.change(id, &change).await.unwrap();
    db.change(id, &change).await.unwrap();
    let owed = db.store.owed_limits().await.unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!((owed[0].revision, owed[0].workers, &owed[0].limits), (1, 1, &limits));
    db.store.announce_limits(&owed).await.unwrap();
    let lease = db.store.take_due_orders(10).await.unwrap();
    assert_eq!(lease.orders().len(), 1, "no job's order, and not void");
    drop(lease);
    let row = db.store.server(id).await.unwrap().unwrap();
    assert!(row.limits == limits && row.limits_pending);

    // All of its free disk is reserved; another server's is not.
    let artists = db.artists(0, 2, 1 << 20).await;
    let full = db.store.enqueue_moves(&db.request(&artists[..1], 1)).await.unwrap();
    assert_eq!(full.refused, [(artists[0], Refusal::NotEnoughSpace)]);
    let other = db.store.enqueue_moves(&db.request(&artists[1..], 2)).await.unwrap();
    assert_eq!(other.accepted, 1);

    let none = ServerChange { limits: Some(ServerLimits::default()), ..ServerChange::default() };
    db.change(id, &none).await.unwrap();
    assert_eq!(db.store.owed_limits().await.unwrap()[0].revision, 2);
    let room = db.store.enqueue_moves(&db.request(&artists[..1], 1)).await.unwrap();
    assert_eq!(room.accepted, 1);
    db.finish().await;
}
