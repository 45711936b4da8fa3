use super::*;
use chrono::Utc;
use std::path::Path;

fn fixture() -> (tempfile::TempDir, MediaRoot, ArtistId) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path());
    root.prepare().unwrap();
    let artist = ArtistId::new();
    std::fs::create_dir_all(root.tree(artist).join("songs")).unwrap();
    (dir, root, artist)
}

fn song(tree: &Path, name: &str) {
    std::fs::write(tree.join("songs").join(name), name).unwrap();
}

fn titles(songs: &[Song]) -> Vec<&str> {
    songs.iter().map(|s| s.title.as_str()).collect()
}

#[test]
fn songs_are_those_on_disk_in_the_order_of_the_page() {
    let (_dir, root, artist) = fixture();
    let place = root.tree(artist);
    for name in ["01-a.mp3", "02-b.mp3", "notes.txt", ".hidden.mp3"] {
        song(&place, name);
    }
    let tree = Beneath::open(&place).unwrap();
    let found = songs(&tree, artist, &About::default()).unwrap();
    assert_eq!(titles(&found), ["A", "B"]);
    assert_eq!(found, songs(&tree, artist, &About::default()).unwrap(), "ids stay");

    let mut missing = found[0].clone();
    missing.path = TreePath::new(&b"songs/gone.mp3"[..]).unwrap();
    let last = Song { title: "Last".into(), ..found[1].clone() };
    let about = About { songs: vec![missing, last], ..About::default() };
    assert_eq!(titles(&songs(&tree, artist, &about).unwrap()), ["Last", "A"]);
}

#[test]
fn a_change_is_told_once_the_master_took_it_and_again_until_then() {
    let (_dir, root, artist) = fixture();
    song(&root.tree(artist), "a.mp3");
    let writable = root.writable(artist, Utc::now(), Utc::now()).unwrap();
    let rename = |name: &str| {
        writable.change(|_, about| {
            about.name = name.to_owned();
            Ok::<_, ChangeError>(())
        })
    };
    assert_eq!(root.changed_artists().unwrap(), []);
    rename("One").unwrap();
    assert_eq!(root.changed_artists().unwrap(), [artist]);
    let told = root.tell_changed(artist).unwrap().unwrap();
    assert_eq!((told.name.as_str(), told.revision, told.songs.len()), ("One", 1, 1));
    assert!(told.bytes >= told.songs[0].bytes && told.songs[0].bytes == 5);
    assert_eq!(root.changed_artists().unwrap(), [artist], "the master may not have got it");
    // Changed again before the master has answered.
    rename("Two").unwrap();
    root.told_changed(artist).unwrap();
    assert_eq!(root.changed_artists().unwrap(), [artist]);
    assert_eq!(root.tell_changed(artist).unwrap().unwrap().revision, 2);
    root.told_changed(artist).unwrap();
    assert_eq!(root.changed_artists().unwrap(), []);
}

#[test]
fn of_artists_who_have_left_there_is_nothing_to_tell() {
    let (_dir, root, artist) = fixture();
    root.note_changed(artist).unwrap();
    std::fs::remove_dir_all(root.tree(artist)).unwrap();
    assert_eq!(root.tell_changed(artist).unwrap(), None);
    assert_eq!(root.changed_artists().unwrap(), []);
}

#[test]
fn a_damaged_page_is_left_as_it_is() {
    let (_dir, root, artist) = fixture();
    let file = root.tree(artist).join(About::FILE);
    std::fs::write(&file, "{").unwrap();
    let writable = root.writable(artist, Utc::now(), Utc::now()).unwrap();
    let changed = writable.change(|_, _| Ok::<_, ChangeError>(()));
    assert!(matches!(changed, Err(ChangeError::Unreadable(Unreadable::Damaged(_)))));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "{");
}

#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    NotNow(#[from] NotNow),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

#[test]
fn what_is_made_here_takes_no_room_of_the_artists() {
    let (_dir, root, artist) = fixture();
    let place = root.tree(artist);
    song(&place, "a.mp3");
    for (dir, name) in [("lofi", "a.mp3.mp3"), ("waveforms", "a.dat"), ("lofi-songs", "b")] {
        std::fs::create_dir(place.join(dir)).unwrap();
        std::fs::write(place.join(dir).join(name), [0; 100]).unwrap();
    }
    let tree = Beneath::open(&place).unwrap();
    assert_eq!(size_of(&tree).unwrap(), 305);
    assert_eq!(size_of_own(&tree).unwrap(), 105);
}
