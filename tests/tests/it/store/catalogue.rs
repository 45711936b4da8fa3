//! What servers tell of songs: the newest state wins, plays stay, and only those may speak who host.

use super::fixture::{Db, slug};
use tourbus_domain::ArtistId;
use tourbus_protocol::{Catalogue, CatalogueSong, TreePath};
use tourbus_store::CatalogueOutcome::{Applied, Foreign, Old};
use uuid::Uuid;

fn told(artist_id: ArtistId, revision: u64, songs: &[&str]) -> Catalogue {
    let song = |title: &&str| CatalogueSong {
        id: Uuid::now_v7(),
        path: TreePath::new(format!("songs/{title}.mp3")).unwrap(),
        title: (*title).to_owned(),
        bytes: 7,
        duration_ms: 1000,
        lofi: None,
        has_lofi: *title == "b",
        awaits_lofi: false,
    };
    let songs: Vec<_> = songs.iter().map(song).collect();
    Catalogue { artist_id, revision, name: "New name".to_owned(), bytes: 100, songs }
}

async fn songs(db: &Db, artist: ArtistId) -> Vec<(String, i64)> {
    let rows = db.store.songs(artist, None, 100).await.unwrap();
    rows.into_iter().map(|s| (s.title, s.plays_total)).collect()
}

#[tokio::test]
async fn the_newest_state_wins_and_plays_stay_with_their_songs() {
    let db = Db::start("catalogue").await;
    let artist = db.artists(1, 1, 10).await[0];
    let home = slug(1);
    let apply = async |told: &Catalogue| db.store.apply_catalogue(&home, told).await.unwrap();
    assert!(matches!(apply(&told(artist, 1, &["a", "b"])).await, Applied { .. }));
    db.sql("UPDATE songs SET plays_total = 5 WHERE path = 'songs/b.mp3'").await.unwrap();
    let newest = told(artist, 3, &["b", "c"]);
    assert!(matches!(apply(&newest).await, Applied { .. }));
    assert_eq!(songs(&db, artist).await, [("b".into(), 5), ("c".into(), 0)]);
    assert_eq!(apply(&newest).await, Old, "told twice");
    assert_eq!(apply(&told(artist, 2, &["a"])).await, Old, "overtaken");
    let row = db.store.artist(artist).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.bytes, row.songs), ("New name", 100, 2));
    let server = db.store.server(db.servers[1]).await.unwrap().unwrap();
    assert_eq!(server.bytes, 100, "the server's counter follows");
    let far = async |server: usize| {
        let servers = db.store.lofi_servers().await.unwrap();
        let of = servers.iter().find(|s| s.server_id == db.servers[server].0).unwrap();
        (of.songs, of.lofis)
    };
    assert_eq!(far(1).await, (2, 1));
    db.sql(&format!("UPDATE artists SET server_id = '{}' WHERE id = '{artist}'", db.servers[2]))
        .await
        .unwrap();
    assert_eq!((far(1).await, far(2).await), ((0, 0), (2, 1)), "they go with the artist");
    db.finish().await;
}

#[tokio::test]
async fn a_server_speaks_of_its_own_artists_only() {
    let db = Db::start("catalogue_foreign").await;
    let artist = db.artists(1, 1, 10).await[0];
    let before = songs(&db, artist).await;
    let apply = async |server: usize, artist| {
        db.store.apply_catalogue(&slug(server), &told(artist, 9, &["x"])).await.unwrap()
    };
    assert_eq!(apply(2, artist).await, Foreign);
    assert_eq!(apply(1, ArtistId::new()).await, Foreign);
    assert_eq!(songs(&db, artist).await, before);
    db.finish().await;
}
